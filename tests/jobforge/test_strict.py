"""The one parser refuses what parsers disagree about, and says where it is."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobforge.errors import Refused
from jobforge.strict import MAX_DEPTH, _Reader, parse

REFUSED = [
    (b'{"a": 1, "a": 2}', "jobforge.duplicate_key", 'The key "a" occurs twice in one object (line 1, column 10).'),
    (b'{"a": {"b": 1,\n "b": 2}}', "jobforge.duplicate_key", "line 2, column 2"),
    (b'{"job_type": "a", "job_\\u0074ype": "b"}', "jobforge.duplicate_key", '"job_type" occurs twice'),
    (b"[NaN]", "jobforge.not_a_number", "NaN is not a JSON value (line 1, column 2)."),
    (b"[Infinity]", "jobforge.not_a_number", "Infinity"),
    (b"[-Infinity]", "jobforge.not_a_number", "-Infinity"),
    (b"[1e400]", "jobforge.number_range", "beyond the range of a double"),
    (b"[-1e400]", "jobforge.number_range", "beyond the range of a double"),
    (b"[" + b"9" * 400 + b"]", "jobforge.number_range", "beyond the range of a double"),
    (b"[" + b"9" * 5000 + b"]", "jobforge.number_range", "beyond the range of a double"),
    (b"\xef\xbb\xbf{}", "jobforge.byte_order_mark", "byte-order mark (UTF-8)"),
    ("{}".encode("utf-16"), "jobforge.byte_order_mark", "byte-order mark (UTF-16)"),
    (b'["\xff"]', "jobforge.not_utf8", "byte 2"),
    (b'["\xed\xa0\x80"]', "jobforge.not_utf8", "byte 2"),
    (b"", "jobforge.not_json", "ends too early (line 1, column 1)"),
    (b"[1,]", "jobforge.not_json", "line 1, column 4"),
    (b"[1 2]", "jobforge.not_json", "comma"),
    (b'{"a" 1}', "jobforge.not_json", "colon"),
    (b"{a: 1}", "jobforge.not_json", "double quotes"),
    (b'["a\nb"]', "jobforge.not_json", "string"),
    (b'["\\x"]', "jobforge.not_json", "string"),
    (b'["abc', "jobforge.not_json", "string"),
    (b"[01]", "jobforge.not_json", "comma"),
    (b"[+1]", "jobforge.not_json", "no JSON value"),
    (b"[.5]", "jobforge.not_json", "no JSON value"),
    (b"[1.]", "jobforge.not_json", "comma"),
    (b"{} {}", "jobforge.not_json", "more after the end"),
    (b"{}//", "jobforge.not_json", "more after the end"),
    ("[1\u00a0]".encode(), "jobforge.not_json", "comma"),
    (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "jobforge.too_deep", "1,000 levels"),
    (b"[" * 2_000_000, "jobforge.too_deep", "1,000 levels"),
    (b"[" + b"0," * 1_000_000 + b"0]", "jobforge.too_many_values", "1,000,000 values"),
    (b" " * (32 * 1024 * 1024 + 1), "jobforge.too_large", "33,554,432 bytes"),
]


@pytest.mark.parametrize(("data", "code", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_it_is_refused_with_a_code_a_place_and_a_hint(data: bytes, code: str, sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse(data)

    assert refusal.value.code == code
    assert sentence in refusal.value.message
    assert refusal.value.hint


def test_the_place_is_a_json_pointer() -> None:
    with pytest.raises(Refused) as refusal:
        parse(b'{"a/b": [0, {"c~d": 1e999}]}')

    assert refusal.value.pointer == "/a~1b/1/c~0d"


def test_the_limits_are_the_callers() -> None:
    assert parse(b"[[1]]", max_bytes=5, max_depth=2, max_nodes=3) == [[1]]
    for limits in ({"max_bytes": 4}, {"max_depth": 1}, {"max_nodes": 2}):
        with pytest.raises(Refused):
            parse(b"[[1]]", **limits)


def test_commas_in_text_are_no_values() -> None:
    assert parse(b'["' + b"," * 100 + b'"]', max_nodes=2) == ["," * 100]
    assert parse(b'["\\"' + b"," * 100 + b'\\\\"]', max_nodes=2) == ['"' + "," * 100 + "\\"]


@pytest.mark.parametrize("depth", [900, 1000])
def test_a_thousand_levels_are_read(depth: int) -> None:
    value = parse(b'{"a":[' * (depth // 2) + b"]}" * (depth // 2))

    levels = 0
    while value:
        value = value["a"] if isinstance(value, dict) else value[0]
        levels += 1
    assert levels == depth - 1


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"__proto__": 1}', {"__proto__": 1}),
        (b'{"": {"": []}}', {"": {"": []}}),
        (b" [ 1 , -0, 1E2,1e-2 ] \n", [1, 0, 100.0, 0.01]),
        (b'["\\ud83d\\ude00", "\\ud83d"]', ["😀", "\ud83d"]),
        (b"[12345678901234567890]", [12345678901234567890]),
        (b"[1" + b"0" * 308 + b"]", [10**308]),
        (b"null", None),
    ],
)
def test_unusual_but_proper_json_is_read(data: bytes, value: Any) -> None:
    assert parse(data) == value


@pytest.mark.parametrize("text", ["1.0", "1e0", "10E-1", "1"])
@pytest.mark.parametrize("read", [parse, lambda data: _Reader(data.decode(), 10, 10).document()])
def test_a_whole_number_is_an_integer_however_it_is_written(text: str, read: Any) -> None:
    (number,) = read(f"[{text}]".encode())

    assert (number, type(number)) == (1, int)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(JSON, st.booleans())
def test_the_careful_reader_reads_what_the_quick_one_reads(value: Any, indented: bool) -> None:
    text = json.dumps(value, indent=2 if indented else None, ensure_ascii=indented)

    assert _Reader(text, 1000, 10_000).document() == parse(text.encode("utf-8", "surrogatepass")) == value


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(JSON, st.data())
def test_a_damaged_document_is_read_like_the_standard_reader_or_refused(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    damaged = (
        text[:at]
        + data.draw(st.sampled_from(["", ",", "}", "]", "[", '"', "\\", "0", "1e9", " ", "x"]))
        + text[at + 1 :]
    )
    try:
        expected = json.loads(damaged)
    except ValueError:
        with pytest.raises(Refused):
            parse(damaged.encode())
        return
    if _has_twice_or_too_large(damaged):
        with pytest.raises(Refused):
            parse(damaged.encode())
    else:
        assert parse(damaged.encode()) == expected


def _has_twice_or_too_large(text: str) -> bool:
    twice: list[bool] = []

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.append(len(dict(members)) != len(members))
        return dict(members)

    constants: list[str] = []
    json.loads(
        text,
        object_pairs_hook=pairs,
        parse_constant=constants.append,
        parse_float=lambda d: twice.append(float(d) in (float("inf"), -float("inf"))),
    )
    return any(twice) or bool(constants)

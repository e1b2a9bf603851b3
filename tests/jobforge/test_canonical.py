"""The canonical text is the same as everybody else's."""

import hashlib
import json
import math
import os
import random
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobforge.canonical import (
    canonical,
    canonical_hash,
    idempotency_key,
    is_plain,
    js_number,
    pretty,
    sha256_in_order,
    sha256_of,
)
from jobforge.collation import locale_order
from jobforge.errors import Refused
from jobforge.strict import parse

if TYPE_CHECKING:
    from conftest import Node

DOCUMENTS_PER_EXAMPLE = 20

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**70), 2**70),
    st.builds(lambda digits, exponent: float(f"{digits}e{exponent}"), st.integers(-999, 999), st.integers(-12, 25)),
)
words = st.one_of(
    st.text(st.characters(), max_size=8),
    st.sampled_from(
        ["0", "1", "10", "9", "01", "-1", "4294967294", "4294967295", "__proto__", "toJSON", "\ue000", "𝒜", "a"]
    ),
)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(words, inner, max_size=6)),
    max_leaves=15,
)


def test_the_reference_vectors_come_out_to_the_byte(vectors: Path) -> None:
    for line in (vectors / "canonical.jsonl").read_text("utf-8").strip("\n").split("\n"):
        case = json.loads(line)
        raw = case.get("raw") or json.dumps(case["value"])
        if "1e400" in raw or "last wins" in case.get("note", ""):
            with pytest.raises(Refused):
                parse(raw.encode())
            continue
        value = parse(raw.encode("utf-8", "surrogatepass"))
        if "__proto__" in raw:
            assert "__proto__" in canonical(value)  # kept, where the reference loses it
            continue
        assert canonical(value) == case["canonical"], raw
        assert sha256_of(value) == case["sha256"], raw


def test_the_reference_numbers_come_out_to_the_byte(vectors: Path) -> None:
    lines = (vectors / "numbers.jsonl").read_text("utf-8").strip("\n").split("\n")
    assert len(lines) == 2000
    for line in lines:
        case = json.loads(line)
        (number,) = struct.unpack(">d", bytes.fromhex(case["ieee754_be_hex"]))
        assert js_number(number) == case["json"]


class Documents:
    """Documents out of a seed: a thousand times as fast as a search, which the tests below do besides."""

    PLACES = ("0", "1", "10", "9", "01", "-1", "4294967294", "4294967295", "__proto__", "toJSON", "\ue000", "𝒜", "a")

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def document(self, depth: int = 0) -> Any:
        kind = self._random.randrange(4 if depth > 3 else 7)
        if kind < 2:
            return self._random.choice([None, True, False, self._number(), self._number()])
        if kind < 4:
            return self._word()
        if kind == 4:
            return [self.document(depth + 1) for _ in range(self._random.randrange(6))]
        return {self._word(): self.document(depth + 1) for _ in range(self._random.randrange(7))}

    def _number(self) -> float:
        kind = self._random.randrange(4)
        if kind == 0:
            return self._random.randrange(-(2**70), 2**70) >> self._random.randrange(72)
        if kind == 1:
            return float(f"{self._random.randrange(-999, 1000)}e{self._random.randrange(-12, 26)}")
        while True:
            (number,) = struct.unpack(">d", self._random.randbytes(8))
            if math.isfinite(number):
                return float(number)

    def _word(self) -> str:
        if self._random.random() < 0.3:
            return self._random.choice(self.PLACES)
        highest = self._random.choice([0x7F, 0x7F, 0xFF, 0xFFFF, 0x10FFFF])  # lone surrogates too
        return "".join(chr(self._random.randint(0, highest)) for _ in range(self._random.randrange(9)))


@pytest.fixture
def source() -> Documents:
    seed = int(os.environ.get("LONGHOUSE_SEED") or random.randrange(2**32))
    print(f"LONGHOUSE_SEED={seed}")
    return Documents(seed)


def test_ten_thousand_documents_read_as_in_javascript(node: "Node", source: Documents) -> None:
    for _ in range(100):
        values = [source.document() for _ in range(100)]
        answers = json.loads(node("canonical", json.dumps(values)))
        assert [_joined(canonical(value)) for value in values] == [_joined(answer) for answer in answers]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(documents, min_size=DOCUMENTS_PER_EXAMPLE, max_size=DOCUMENTS_PER_EXAMPLE))
def test_searched_documents_read_as_in_javascript(node: "Node", values: list[Any]) -> None:
    answers = json.loads(node("canonical", json.dumps(values)))

    assert [_joined(canonical(value)) for value in values] == [_joined(answer) for answer in answers]


def _joined(text: str) -> str:
    """Text from Node went through one more JSON string; nothing else may differ."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_a_thousand_files_read_as_in_javascript(node: "Node", source: Documents) -> None:
    for _ in range(10):
        values = [source.document() for _ in range(100)]
        assert [pretty(value) for value in values] == json.loads(node("pretty", json.dumps(values)))


def test_the_quick_way_and_the_careful_way_write_the_same(source: Documents) -> None:
    for _ in range(3000):
        value = source.document()
        assert sha256_of(value) == sha256_of(value, plain=False)
        assert sha256_of(value) == sha256_of(value, plain=is_plain([value]))


def test_a_written_document_reads_back_as_itself(source: Documents) -> None:
    for _ in range(2000):
        value = source.document()
        assert canonical(parse(canonical(value).encode())) == canonical(value)
        assert canonical(parse(pretty(value).encode())) == canonical(value)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (2**53 + 1, "9007199254740992"),
        (12345678901234567890, "12345678901234567000"),
        (-123.456, "-123.456"),
    ],
)
def test_a_number_is_written_as_javascript_writes_it(number: float, text: str) -> None:
    assert js_number(number) == text


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 10**400])
def test_a_number_outside_the_double_range_is_refused_not_written_as_null(number: float) -> None:
    for write in (js_number, canonical, pretty):
        with pytest.raises(Refused, match="double"):
            write(number)


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, [b"x"], {"a": {1, 2}}])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        canonical(value)


@pytest.mark.parametrize("depth", [900, 1000, sys.getrecursionlimit() * 3])
def test_depth_is_no_obstacle(depth: int) -> None:
    nested: Any = 1
    for level in range(depth):
        nested = [nested] if level % 2 else {"a": nested}

    text = canonical(nested)

    assert text.count("[") + text.count("{") == depth
    assert pretty(nested).count("\n") == 2 * depth
    assert sha256_of(nested, plain=True) == hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_leaves_out_itself_and_its_algorithm_only() -> None:
    document = {"canonicalization": "sorted_keys", "a": 1}

    assert canonical_hash({**document, "canonical_hash": "x", "canonical_hash_algorithm": "y"}) == sha256_of(document)
    assert canonical_hash({**document, "canonicalization": "other"}) != sha256_of(document)


def test_the_same_work_has_the_same_key_and_other_work_another() -> None:
    key = idempotency_key("acme", "shop", "autopilot.growth.seo_scan", {"b": 1.0, "a": 2})

    assert key == idempotency_key("acme", "shop", "autopilot.growth.seo_scan", {"a": 2, "b": 1})
    assert (
        len({key, *(idempotency_key(*["x" if n == k else v for k, v in enumerate("abc")], {}) for n in range(3))}) == 4
    )


def test_ascii_keys_are_collated_as_in_javascript(node: "Node") -> None:
    keys = [chr(code) for code in range(32, 127)] + [
        "aa",
        "aA",
        "Aa",
        "ab",
        "a-b",
        "a_b",
        "a.b",
        "a b",
        "a1",
        "A1",
        "job10",
    ]
    keys += [
        "createdAt",
        "created_at",
        "created-at",
        "CreatedAt",
        "x_1",
        "x1",
        "X_1",
        "x-1",
        "é",
        "e",
        "É",
        "eb",
        "éa",
        "ö",
        "z",
    ]
    keys = [key for key in keys if not key.isdigit()]

    assert sorted(keys, key=locale_order) == json.loads(node("collate", json.dumps([keys])))[0]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=6), unique=True))
def test_any_ascii_keys_are_collated_as_in_javascript(node: "Node", keys: list[str]) -> None:
    keys = [key for key in keys if not key.isdigit()]

    assert sorted(keys, key=locale_order) == json.loads(node("collate", json.dumps([keys])))[0]


def test_another_key_order_gives_another_hash() -> None:
    assert sha256_in_order({"a_b": 1, "aB": 2}, locale_order) == hashlib.sha256(b'{"a_b":1,"aB":2}').hexdigest()
    assert sha256_of({"a_b": 1, "aB": 2}) == hashlib.sha256(b'{"aB":2,"a_b":1}').hexdigest()

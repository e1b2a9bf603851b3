"""The messages between child and instance, and the JSON they are made of."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zerg
from zerg import _codec, _wire
from zerg._wire import BadMessage, Finished, JobDescription, ManifestRead, Parameter, Progress, Started, decode, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
JOB = JobDescription(
    id="one",
    module="jobs.one",
    function="run",
    file="manifest.py",
    line=4,
    source_file="jobs/one.py",
    source_line=1,
    tags=("a", "b"),
    parameters=(Parameter(name="n", kind="choice", required=True, choices=("x", "y")),),
    secrets=({"key": "K"},),
)


@given(JSON)
def test_our_json_is_json(value: Any) -> None:
    assert json.loads(_codec.dumps(value)) == value
    assert _codec.loads(json.dumps(value)) == value
    assert _codec.loads(f" {json.dumps(value, indent=1)}\n") == value
    assert "\n" not in _codec.dumps(value)


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsnu \\\t'))
def test_what_is_no_json_is_refused_alike(text: str) -> None:
    try:
        wanted = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            _codec.loads(text)
    else:
        assert _codec.loads(text) == wanted


def test_the_portable_form_says_the_same() -> None:
    dump, load = _codec._portable()
    value = {"a": [1, 2.5, None, "é", {"b": True}]}
    assert dump(value) == _codec.dumps(value)
    assert load(dump(value)) == value


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", float("nan"), float("inf"), {"a": {1: 2, (3, 4): 5}}])
def test_what_json_cannot_carry_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(Finished(outcome="done", result=value))


@pytest.mark.parametrize(
    "message", [Started(), Progress(done=1, total=2.5, text="é\n"), ManifestRead(jobs=(JOB, JOB.replace(id="two")))]
)
def test_a_message_comes_back_as_it_was(message: Any) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


def test_what_is_as_always_is_not_said_and_comes_back_all_the_same() -> None:
    plain = JobDescription(
        id="a", module="jobs.a", function="run", file="manifest.py", line=1, source_file="jobs/a.py", source_line=1
    )
    line = encode(ManifestRead(jobs=(plain,)))
    assert b"max_attempts" not in line and len(line) < 200
    assert decode(line).jobs[0].values() == plain.values()
    exact = decode(encode(ManifestRead(jobs=(plain.replace(timeout_seconds=300.0, enabled=1),)))).jobs[0]
    assert [type(exact.timeout_seconds), type(exact.enabled)] == [float, int]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"is":"Nothing"}',
        b'{"is":"Progress"}',
        b'{"is":"Progress","done":1,"more":2}',
        b'{"is":["Started"]}',
        b'{"is":"ManifestRead","jobs":5}',
        b'{"is":"ManifestRead","jobs":[{"id":"x"}]}',
        b'{"is":"Started"}x',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_anything_else_is_no_message(line: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(line)


def test_a_message_that_is_too_large_is_not_sent() -> None:
    with pytest.raises(ValueError, match="over the"):
        encode(Finished(outcome="done", result="x" * _wire.MAX_MESSAGE_BYTES))


def test_messages_do_not_change_and_compare_by_value() -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        JOB.id = "two"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot be removed"):
        del JOB.id
    assert Progress(done=1) == Progress(done=1, total=None, text="")
    assert len({Progress(done=1), Progress(done=1)}) == 1
    assert repr(Progress(done=1)) == "Progress(done=1, total=None, text='')"


def test_a_message_needs_its_fields_and_no_others() -> None:
    with pytest.raises(TypeError, match="Progress needs done"):
        Progress()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Progress has no colour"):
        Progress(done=1, colour="red")  # type: ignore[call-arg]


def test_defaults_are_not_shared() -> None:
    one, two = (JobDescription(**{**JOB.values(), "params": {}}) for _ in range(2))
    assert one.params is not two.params
    assert JOB.params is not JOB.replace(id="x", params={}).params


def test_messages_are_dataclasses_to_the_standard_library() -> None:
    assert dataclasses.replace(JOB, id="two").id == "two"
    assert _wire.job_description(dataclasses.asdict(JOB)) == JOB
    assert [field.name for field in dataclasses.fields(Progress(done=1))] == ["done", "total", "text"]


def test_the_sdk_imports_nothing_slow() -> None:
    """Each of these takes longer to import than a child takes to start."""
    source = Path(zerg.__file__).parents[1]
    path = f"import sys; sys.path.insert(0, {str(source)!r})"
    code = f"{path}; import zerg._child, zerg._job, zerg.jobs; print(*sys.modules)"
    got = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    modules = set(got.stdout.split())
    assert "zerg.context" in modules
    assert not modules & {"re", "json", "typing", "dataclasses", "inspect", "enum", "asyncio", "pathlib", "datetime"}


def test_half_a_surrogate_pair_is_replaced_wherever_it_is() -> None:
    said = Finished(outcome="failed", message="bad \udc80 \ud83d\ude00", result={"k\ud800": ["\udc80", "é", 1]})
    came = decode(encode(said).rstrip(b"\n"))
    assert (came.message, came.result) == ("bad \ufffd \U0001f600", {"k\ufffd": ["\ufffd", "é", 1]})

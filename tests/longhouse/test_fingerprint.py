"""Failures that are one: what counts of a traceback and a message, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from longhouse.runs.fingerprint import fingerprint, frames, without_values

TRACEBACK = """Traceback (most recent call last):
  File "jobs/report.py", line 6, in run
    return fetch(customer)
  File "lib/fetching.py", line 31, in fetch
    raise LookupError(f"no customer {customer}")
  File "/usr/lib/python3.11/http/client.py", line 941, in connect
    self.sock = self._create_connection(
LookupError: no customer 4711
"""


def failed(message: str = "no customer 4711", traceback: str = TRACEBACK, **other: Any) -> str:
    error = {"type": "LookupError", "traceback": traceback, "file": "lib/fetching.py", "line": 31}
    values: dict[str, Any] = {"reason": "exception", "error": error, "exit_code": 1, "signal": None}
    return fingerprint(message=message, **{**values, **other})


@pytest.mark.parametrize(
    ("message", "bare"),
    [
        ("no customer 4711", "no customer …"),
        ("took 3.2 s, 1,024 bytes at 12:30:59", "took … s, … bytes at …"),
        ("cannot open 'a b.csv' or \"c.csv\"", "cannot open … or …"),
        ("it doesn't find what isn't there", "it doesn't find what isn't there"),
        ("object at 0x7f3b2c1d", "object at …"),
        ("commit c0ffee12beef is gone", "commit … is gone"),
        ("row 10000000", "row …"),
        ("a facade decade effaced", "a facade decade effaced"),
        ("job 123e4567-e89b-12d3-a456-426614174000 ended", "job … ended"),
        ("two\n  lines\there", "two lines here"),
        ("", ""),
    ],
)
def test_what_differs_from_run_to_run_is_taken_out(message: str, bare: str) -> None:
    assert without_values(message) == bare


def test_frames_are_those_of_the_user() -> None:
    assert frames(TRACEBACK) == ["jobs/report.py: run", "lib/fetching.py: fetch"]
    grouped = '  | File "jobs/a.py", line 3, in run\n  |   await b()\n'
    assert frames("  + Exception Group Traceback (most recent call last):\n" + grouped) == ["jobs/a.py: run"]
    deep = '  File "jobs/a.py", line 3, in again\n' * 900
    assert len(frames(deep)) == 50


def test_another_line_number_or_value_is_the_same_failure() -> None:
    assert failed() == failed("no customer 12", TRACEBACK.replace("line 6", "line 60"))
    assert len(failed()) == 16


def test_another_type_place_or_wording_is_another_failure() -> None:
    error = {"type": "KeyError", "traceback": TRACEBACK, "file": None, "line": None}
    others = {
        failed(),
        failed("no such customer"),
        failed(traceback=TRACEBACK.replace("in fetch", "in find")),
        failed(traceback=TRACEBACK.replace("jobs/report.py", "jobs/bill.py")),
        failed(error=error),
    }
    assert len(others) == 5


def test_without_an_exception_it_is_the_reason_with_exit_code_and_signal() -> None:
    def ended(reason: str | None, code: int | None, signal: int | None, message: str = "") -> str:
        return failed(message, error=None, reason=reason, exit_code=code, signal=signal)

    assert ended("timed_out", None, 15, "Timed out after 60 s.") == ended("timed_out", None, 15, "Timed out after 5 s.")
    assert len({ended("exit", 1, None), ended("exit", 2, None), ended("exit", None, 9), ended("oom", None, 9)}) == 4
    assert ended(None, None, None, "could not be started: no space") != ended(None, None, None, "no interpreter")


def test_a_long_message_does_not_take_long() -> None:
    assert failed("'" * 100_000) == failed("'" * 90_000)
    assert without_values("0" * 100_000) == "…"

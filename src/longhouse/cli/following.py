"""A run from the outside: its output as it comes, its end, and what that means as an exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from longhouse.cli.call import Call
from longhouse.cli.instance import Event, Unreachable
from longhouse.cli.terminal import Screen, line, plain
from longhouse.cli.times import between
from longhouse.errors import LonghouseError

STREAMS = ("out", "err", "log", "system")
ENDED = ("succeeded", "degraded", "failed", "skipped", "cancelled")
GOOD = ("succeeded", "degraded", "skipped")
"""Ends with exit code 0: the job did what it could, or said itself that there was nothing to do."""
FIRST_LOOK_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
RECONNECT_SECONDS = (0.5, 1, 2, 4, 8, 15)
"""Pauses before a broken stream is taken up where it broke: enough for a restart of the server."""


class TimedOut(LonghouseError):
    code = "timed_out"
    kind = "timed_out"


def segment(text: str) -> str:
    """`text` as one part of a path."""
    return quote(text, safe="")


class Deadline:
    """How long a command may wait; None: for ever."""

    def __init__(self, seconds: float | None, run_id: int) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds
        self._run_id = run_id

    def left(self) -> float | None:
        """Raises TimedOut when nothing is."""
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimedOut(
                f"run {self._run_id} had not ended after {self._seconds:g} s",
                hint=f"It goes on. Look with: longhouse-jobs runs show {self._run_id}",
            )
        return left


# --- waiting ---------------------------------------------------------------------------------------------------------


def ended(call: Call, run: dict[str, Any], timeout: float | None) -> dict[str, Any]:
    """The run when it has ended. Raises TimedOut."""
    deadline, pause = Deadline(timeout, run["id"]), FIRST_LOOK_SECONDS
    while run["state"] not in ENDED:
        left = deadline.left()
        time.sleep(pause if left is None else min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        run = call.instance.get(f"/api/runs/{run['id']}")
    return run


def wait(call: Call, run: dict[str, Any], timeout: float | None) -> int:
    """Wait for the end and say it; the exit code is the outcome."""
    found = call.instance.get(f"/api/runs/{ended(call, run, timeout)['id']}")
    call.show(found, *verdict(call, found))
    return code(found)


def code(run: dict[str, Any]) -> int:
    return 0 if run["state"] in GOOD else 1


def verdict(call: Call, run: dict[str, Any]) -> list[str]:
    """`run 12 of hello succeeded in 0.3 s`, and why if there is something to say."""
    how = {"degraded": "ended degraded", "skipped": "was skipped", "cancelled": "was cancelled"}
    state = call.state(run["state"]) if run["state"] not in how else how[run["state"]]
    took = between(run["started_at"], run["finished_at"])
    first = f"run {run['id']} of {line(run['job_id'])} {state}" + (f" after {took}" if took else "")
    return [first, *(f"  {text}" for text in plain(run["message"]).splitlines())]


# --- following -------------------------------------------------------------------------------------------------------


def follow(
    call: Call,
    run: dict[str, Any],
    timeout: float | None,
    *,
    printer: Printer | None = None,
    attempt: int | None = None,
) -> int:
    """Print the output while it comes, then how the run ended; the exit code is the outcome.

    With --json: a line of JSON for each line of output, and at last a `result`.
    """
    printer = printer or Printer(call)
    try:
        for event in _stream(call, run["id"], attempt, Deadline(timeout, run["id"])):
            if event.name == "run.log":
                data = event.json()
                printer.lines(data["attempt"], data["lines"])
    except KeyboardInterrupt:
        printer.end()
        call.note(f"\nThe run goes on; stop it with: longhouse-jobs runs cancel {run['id']}")
        raise
    finally:
        printer.end()
    found = call.instance.get(f"/api/runs/{run['id']}")
    if call.json:
        call.event({"type": "result", "run": found})
    else:
        for text in verdict(call, found):
            call.note(text)
    return code(found)


def _stream(call: Call, run_id: int, attempt: int | None, deadline: Deadline) -> Iterator[Event]:
    """The events of a run's output up to its `end`, over broken connections. Raises TimedOut and Unreachable."""
    last_id: str | None = None
    pauses = iter(RECONNECT_SECONDS)
    while True:
        try:
            for event in call.instance.events(
                f"/api/runs/{run_id}/logs/stream", last_id, deadline.left(), attempt=attempt
            ):
                deadline.left()
                yield event
                if event.name == "end":
                    return
                last_id, pauses = event.id or last_id, iter(RECONNECT_SECONDS)
            broken = Unreachable("the server ended the stream", hint="Is it being stopped?")
        except Unreachable as error:
            broken = error
        left = deadline.left()
        pause = next(pauses, None)
        if pause is None:
            raise broken
        time.sleep(pause if left is None else min(pause, left))
        call.look_again()


# --- printing --------------------------------------------------------------------------------------------------------


class Printer:
    """Lines of output on stdout, made safe for a terminal; a line that comes in parts is put together again."""

    def __init__(self, call: Call, *, timestamps: bool = False, streams: Sequence[str] = ()) -> None:
        self._call = call
        self._timestamps = timestamps
        self._streams = streams
        self._screen = Screen(colour=call.colour)
        self._open: tuple[int, int, str] | None = None
        """Attempt, number and stream of the line that is not over yet."""

    def lines(self, attempt: int, items: list[dict[str, Any]]) -> None:
        for each in items:
            if self._streams and each["stream"] not in (*self._streams, "gap"):
                continue
            if self._call.json:
                self._call.event({"type": "line", "attempt": attempt, **each})
            else:
                self._line(attempt, each)
        sys.stdout.flush()

    def _line(self, attempt: int, each: dict[str, Any]) -> None:
        key = (attempt, each["number"], each["stream"])
        if not (each["continues"] and key == self._open):
            self._break(each["stream"])
            if self._timestamps:
                self._put(f"{each['ms'] / 1000:10.3f}  ")
        self._put(self._screen.feed(f"[{each['text']}]" if each["stream"] == "gap" else each["text"]))
        self._open = key

    def _break(self, stream: str) -> None:
        if self._open is not None:
            self._put(self._screen.feed("\n"))
            if self._open[2] != stream:
                self._put(self._screen.end())
                self._screen = Screen(colour=self._call.colour)

    def end(self) -> None:
        """The last line is over; colours are put back."""
        if self._open is not None:
            self._put(self._screen.feed("\n") + self._screen.end())
            self._open = None
        sys.stdout.flush()

    def _put(self, text: str) -> None:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def page(
    call: Call, run_id: int, printer: Printer, *, attempt: int | None, streams: Sequence[str], tail: int | None
) -> None:
    """Everything that is there now, or the last `tail` lines. With --json as one document."""
    query: dict[str, Any] = {"attempt": attempt, "stream": list(streams), "limit": 10_000}
    found = call.instance.get(f"/api/runs/{run_id}/logs", **query, tail=tail)
    query["attempt"] = found["attempt"] or None
    items, part = found["items"], found
    while True:
        if not call.json:
            printer.lines(found["attempt"], part["items"])
        if part["next"] is None or tail is not None:
            break
        part = call.instance.get(f"/api/runs/{run_id}/logs", **query, cursor=part["next"])
        items += part["items"]
    printer.end()
    if call.json:
        call.show({**found, "items": items, "next": None})


def raw(call: Call, run_id: int, attempt: int | None, streams: Sequence[str]) -> Iterator[bytes]:
    query: dict[str, Any] = {"attempt": attempt, "stream": list(streams), "format": "raw"}
    return call.instance.bytes(f"/api/runs/{run_id}/logs", **query)

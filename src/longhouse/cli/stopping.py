"""`stop`: end the server, and wait until it is gone."""

from __future__ import annotations

import time
from typing import Any

import click

from longhouse.cli.call import Call, command
from longhouse.cli.following import TimedOut
from longhouse.cli.instance import Unreachable
from longhouse.launch._processes import alive

PAUSE_SECONDS = 0.1


@command()
@click.option("--drain", is_flag=True, help="Let the runs that go on end first; nothing new starts meanwhile.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop waiting after so long, with exit code 124."
)
def stop(call: Call, drain: bool, timeout: float | None) -> None:
    """Stop the server and wait until it is gone.

    Runs that go on are ended and tried again after the next start, or waited for with --drain. A second stop, without
    --drain, ends what the first one waits for.
    """
    end = None if timeout is None else time.monotonic() + timeout
    found = call.instance.post("/api/stop", {"drain": drain})
    pid, told = found["pid"], None
    while alive(pid):
        if end is not None and time.monotonic() >= end:
            raise TimedOut(f"the server (process {pid}) had not stopped after {timeout:g} s", hint=_hint(drain))
        if drain:
            found = _looked(call, found)
            if found["draining"] and found["running"] != told:
                told = found["running"]
                call.note(f"waiting for {told} run{'' if told == 1 else 's'} to end")
        time.sleep(PAUSE_SECONDS)
    call.show({"stopped": True, "pid": pid}, "stopped")


def _looked(call: Call, before: dict[str, Any]) -> dict[str, Any]:
    try:
        return call.instance.get("/api/stop")  # type: ignore[no-any-return]
    except Unreachable:  # it is on its way out
        return {**before, "draining": False}


def _hint(drain: bool) -> str:
    if drain:
        return "It goes on draining. End what it waits for with: longhouse-jobs stop"
    return "Its log says what it waits for."

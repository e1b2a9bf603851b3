"""`clock show|accept|leave`: what is held because somebody set the clock forward."""

from __future__ import annotations

import click

from longhouse.cli.call import Call, command
from longhouse.cli.times import local


@click.group()
def clock() -> None:
    """What was due while the clock was set forward by more than an hour."""


@command(clock)
def show(call: Call) -> None:
    """What is held and waits for your decision."""
    found = call.instance.get("/api/clock")
    lines = [
        f"The clock was set forward from {local(each['before'])} to {local(each['after'])}:"
        f" {each['due_times']} due times of {each['jobs']} jobs are held"
        for each in found["held"]
    ]
    call.show(found, *(lines or [f"nothing is held; it is {local(found['now'])}"]))


@command(clock)
def accept(call: Call) -> None:
    """The clock is right: catch up with what was held, as each job's `catch_up` says."""
    found = call.instance.post("/api/clock/accept")
    left = f"; {found['left']} stay held, for their jobs do not fire or have other times now" if found["left"] else ""
    call.show(found, f"{found['due_times']} due times are caught up with by {found['runs']} runs{left}")


@command(clock)
def leave(call: Call) -> None:
    """Start nothing for what was held."""
    found = call.instance.post("/api/clock/leave")
    call.show(found, f"{found['left']} due times stay held; no run is started for them")

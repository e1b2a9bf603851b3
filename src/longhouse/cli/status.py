"""`status`: whether everything is fine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from longhouse.cli.call import Call, command
from longhouse.cli.terminal import line
from longhouse.cli.times import away, between, local

ALWAYS = 3
"""Firings that are shown; all ten are in the document."""


@command()
@click.option("--seen", is_flag=True, help="Mark failures and missed due times as seen.")
def status(call: Call, seen: bool) -> int:
    """Is everything fine? What needs you, what runs and what fires next. Exit code 1 if something needs you."""
    if seen:
        call.instance.post("/api/overview/seen")
    found = call.instance.get("/api/overview")
    call.show(found, *_lines(found))
    return 0 if found["fine"] else 1


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield found["headline"] + ("" if found["fine"] else ":")
    for need in found["needs"]:
        run = f" (run {need['run_id']})" if need["run_id"] else ""
        yield f"  {line(need['sentence'])}{run}"
    active = found["active"]
    yield f"{active['running']} running, {active['queued']} queued, {active['retrying']} to be tried again"
    for run in found["running"]:
        yield f"  run {run['id']} of {line(run['job_id'])}, for {between(run['started_at'], None)}"
    for each in found["upcoming"][:ALWAYS]:
        yield f"next: {line(each['job_id'])} {away(each['due'])}, at {local(each['due'])}"

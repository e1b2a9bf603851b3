"""The options that say which runs are meant: the same for every command that takes all that fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from longhouse.cli.jobs import job_ids, offered

ENDED = ("succeeded", "degraded", "failed", "skipped", "cancelled")
STATES = ("queued", "running", "retrying", *ENDED)
COMMITS = offered("runs/commit")

NAMES = {"q": "search"}
"""Where the API has another name."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def fitting(states: Sequence[str]) -> Decorator:
    """Options for a function that gives what it gets by them to `as_asked`."""
    options: tuple[Decorator, ...] = (
        click.option("--job", metavar="ID", help="Only runs of this job.", shell_complete=job_ids),
        click.option("--state", multiple=True, type=click.Choice(states), help="Only runs in this state; repeatable."),
        click.option("--backfill", type=click.IntRange(min=1), metavar="N", help="Only runs of this backfill."),
        click.option("--reason", metavar="REASON", help="Only runs that ended for this reason, such as timed_out."),
        click.option("--trigger", metavar="TRIGGER", help="Only runs that were started so, such as schedule."),
        click.option(
            "--commit", metavar="SHA", help="Only runs of commits whose name begins so.", shell_complete=COMMITS
        ),
        click.option("--since", metavar="TIME", help="Only runs made since then: a time, or 24h, 7d, 30m ago."),
        click.option("--until", metavar="TIME", help="Only runs made before then."),
        click.option("--search", "q", metavar="TEXT", help="Only runs with this in their message."),
        click.option("--fingerprint", metavar="ERROR", help="Only runs that failed in this way, as in runs errors."),
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def as_asked(given: dict[str, Any]) -> dict[str, Any]:
    """What was given of them, as the API takes it. Raises click.UsageError for an empty one."""
    for name, value in given.items():
        refuse_empty(NAMES.get(name, name), value)
    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    return {name: value for name, value in wanted.items() if value not in (None, [])}


def refuse_empty(option: str, value: Any) -> None:
    """To the API an empty word is no condition, and who deletes the runs of "$JOB" does not mean all of them where JOB
    is not set. Raises click.UsageError."""
    if isinstance(value, str) and not value.strip():
        raise click.UsageError(f"--{option} is empty; leave it out, or say which runs")

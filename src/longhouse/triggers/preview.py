"""What a schedule would do, for somebody who is still writing it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from longhouse.triggers import trigger_of, upcoming
from longhouse.triggers.changes import offset_at
from longhouse.triggers.cron import BadCron, zone
from longhouse.triggers.turns import Turn, turns
from longhouse.triggers.words import in_words
from zerg._wire import JobDescription
from zerg.jobs.settings import CHECKS

MOST = 50
TURNS_AHEAD_MS = 366 * 86_400_000
BARE = JobDescription(id="preview", module="", function="", file="manifest.py", line=1, source_file="", source_line=1)


class BadSchedule(ValueError):
    """`field` is cron, every or timezone; `place` the characters of it that are meant, if they are known."""

    def __init__(self, message: str, field: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.place = place


@dataclass(frozen=True)
class Firing:
    due: int
    """Milliseconds."""
    offset: int
    """Of the zone from UTC at that moment, in seconds."""
    clocks_changed: bool
    """Since the firing before, or since now for the first."""


@dataclass(frozen=True)
class Preview:
    text: str
    """In words."""
    cron: str | None
    every: int | None
    timezone: str
    firings: tuple[Firing, ...]
    turns: tuple[Turn, ...]
    """Changes of the clocks within a year that do something to the due times."""


def preview(cron: str, every: str | int | None, timezone: str, now: int, count: int) -> Preview:
    """Of a cron text, or of a number of seconds, or of neither: a job that is started by hand. Raises BadSchedule."""
    cron = cron if cron.strip() else ""
    seconds = _seconds(every)
    if cron and seconds is not None:
        raise BadSchedule("a job has a cron text or a number of seconds, not both", "every")
    try:
        there = zone(timezone)
    except BadCron as error:
        raise BadSchedule(str(error), "timezone") from error
    job = BARE.replace(cron=cron or None, every=seconds, timezone=timezone)
    try:
        trigger = trigger_of(job, timezone)
        dues = tuple(upcoming(trigger, now, min(count, MOST))) if trigger else ()
        changes = tuple(islice(turns(cron, timezone, now, now + TURNS_AHEAD_MS), 4)) if cron else ()
    except BadCron as error:
        raise BadSchedule(str(error), "cron", error.place) from error
    if trigger is not None and not dues:
        raise BadSchedule(f"{cron!r} never fires: the clocks of {timezone} never show such a time", "cron")
    firings, before = [], offset_at(there, now // 1000)
    for due in dues:
        offset = offset_at(there, due // 1000)
        firings.append(Firing(due, offset, offset != before))
        before = offset
    return Preview(in_words(job), job.cron, job.every, timezone, tuple(firings), changes)


def _seconds(every: str | int | None) -> int | None:
    if every is None or every == "":
        return None
    try:
        seconds = int(every)
    except ValueError:
        raise BadSchedule(f"{every!r} is no whole number of seconds", "every") from None
    if problem := CHECKS["every"](seconds):
        raise BadSchedule(f"every {problem}", "every")
    return seconds

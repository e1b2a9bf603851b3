"""What the next clock changes do to a schedule: what people should know before the night it happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from longhouse.triggers.changes import DAY, Change, between
from longhouse.triggers.cron import CORRECTION, zone
from longhouse.triggers.fields import Fields, date_of, fields_of, normal

MOVED, TWICE, LEFT_OUT = "moved", "twice", "left_out"


@dataclass(frozen=True)
class Turn:
    at: int
    """The moment of the change, milliseconds."""
    date: str
    """Where the job lives."""
    effect: str
    """moved, twice or left_out."""
    sentence: str


def turns(text: str, timezone: str, low: int, high: int) -> Iterator[Turn]:
    """The changes of the clocks in (low, high] (milliseconds) that do something to the cron text. Raises BadCron.

    What follows elapsed time around the clock goes on as ever, and what has fixed times is due once in an hour that is
    repeated: neither is told.
    """
    fields = fields_of(normal(text))
    for change in between(zone(timezone), low // 1000, high // 1000):
        if (found := _effect(fields, change)) is not None:
            before, after = change.at + change.before, change.at + change.after
            date = _day(min(before, after))
            spanned = f"{_clock(min(before, after))} to {_clock(max(before, after))}"
            yield Turn(change.at * 1000, date, found, SENTENCES[found].format(date, timezone, spanned, _clock(after)))


SENTENCES = {
    MOVED: "on {0} the clocks of {1} skip {2}; what is due then is due once, at {3}",
    LEFT_OUT: "on {0} the clocks of {1} skip {2}; with a star in it, the schedule is not due for that time",
    TWICE: "on {0} the clocks of {1} show {2} twice; with a star in it, the schedule is due both times",
}


def _effect(fields: Fields, change: Change) -> str | None:
    local = sorted((change.at + change.before, change.at + change.after))
    if abs(change.shift) > CORRECTION or fields.around_the_clock or not fields.count(*local):
        return None
    if change.shift > 0:
        return LEFT_OUT if fields.wild else MOVED
    return TWICE if fields.wild else None


def _clock(local: int) -> str:
    return f"{local % DAY // 3600:02d}:{local % 3600 // 60:02d}"


def _day(local: int) -> str:
    return date_of(local // DAY).isoformat()

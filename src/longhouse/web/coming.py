"""The next due times of a job as its page lists them, with each change of the clocks where it comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from longhouse.triggers.changes import DAY, Change, between
from longhouse.triggers.cron import zone
from longhouse.triggers.fields import fields_of, normal
from longhouse.triggers.turns import LEFT_OUT, MOVED, TWICE, Turn, turns
from zerg._wire import JobDescription


@dataclass(frozen=True)
class Coming:
    """A due time, or a change of the clocks between two of them."""

    at: int
    turn: str = ""
    """What the clocks do; empty for a due time."""
    note: str = ""
    """What that does to this due time, or to the schedule."""


def coming(spec: JobDescription, own_zone: str, now: int, dues: list[int]) -> list[Coming]:
    """`dues`, in order, from after `now`; `own_zone` is the instance's."""
    if not dues:
        return []
    name = spec.timezone or own_zone
    changes = {each.at * 1000: each for each in between(zone(name), now // 1000, dues[-1] // 1000)}
    told = {each.at: each for each in turns(spec.cron, name, now, dues[-1])} if spec.cron else {}
    return list(_rows(spec, dues, changes, told))


def _rows(spec: JobDescription, dues: list[int], changes: dict[int, Change], told: dict[int, Turn]) -> Iterator[Coming]:
    ahead = sorted(changes)
    for due in dues:
        while ahead and ahead[0] <= due:
            at = ahead.pop(0)
            yield Coming(at, _said(changes[at]), _effect(spec, told.get(at)))
        yield Coming(due, note=_note(spec, due, changes.get(due), told.get(due)))


def _said(change: Change) -> str:
    local = (_clock(change.at + change.before), _clock(change.at + change.after))
    way = "forward" if change.shift > 0 else "back"
    return f"The clocks go {way}, from {local[0]} to {local[1]}"


def _effect(spec: JobDescription, turn: Turn | None) -> str:
    if turn is not None and turn.effect == LEFT_OUT:
        return "the times in between do not exist and are left out"
    if turn is not None and turn.effect == TWICE:
        return "the times in between come twice, and it is due both times"
    if turn is not None and turn.effect == MOVED:
        return "what is due in between is due right after"
    return "it goes on by the clock" if spec.cron and not fields_of(normal(spec.cron)).wild else "it keeps its pace"


def _note(spec: JobDescription, due: int, change: Change | None, turn: Turn | None) -> str:
    """`02:30 does not exist that day, runs at 03:00`."""
    if change is None or turn is None or turn.effect != MOVED or spec.cron is None:
        return ""
    low, high = change.at + change.before, change.at + change.after
    fields = fields_of(normal(spec.cron))
    missing: list[str] = []
    local = fields.next(low)
    while local is not None and local < high and len(missing) < 3:
        missing.append(_clock(local))
        local = fields.next(local + 1)
    if not missing:
        return ""
    does = "does not exist" if len(missing) == 1 else "do not exist"
    return f"{' and '.join(missing)} {does} that day, runs at {_clock(high)}"


def _clock(local: int) -> str:
    return f"{local % DAY // 3600:02d}:{local % 3600 // 60:02d}"

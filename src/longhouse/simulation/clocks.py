"""What the changes of the clocks do to jobs with cron texts: moved, once, elapsed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from longhouse.triggers.changes import between
from longhouse.triggers.cron import Cron, zone
from longhouse.triggers.fields import fields_of, normal


@dataclass(frozen=True)
class Effect:
    """On the due times of `trigger` around one change.

    moved: `count` due times are skipped by the clock and due right after it. once: they come twice and are due the
    first time. elapsed: by elapsed time there are `count` fewer, or more, than the wall clock would say.
    """

    trigger: int
    what: str
    count: int


@dataclass(frozen=True)
class ClockChange:
    at: int
    """Milliseconds."""
    zone: str
    shift_minutes: float
    """Positive: the clock is put forward."""
    effects: tuple[Effect, ...]


def clock_changes(crons: list[tuple[int, Cron]], start: int, end: int) -> list[ClockChange]:
    """Every change in [start, end) of the zones of these triggers, those without an effect too, in order of time."""
    found = []
    for name in sorted({cron.timezone for _, cron in crons}):
        for change in between(zone(name), start // 1000 - 1, end // 1000 - 1):
            mine = [(number, cron) for number, cron in crons if cron.timezone == name]
            effects = tuple(_effects(mine, change.at, change.before, change.after))
            found.append(ClockChange(change.at * 1000, name, change.shift / 60, effects))
    return sorted(found, key=lambda change: (change.at, change.zone))


def _effects(crons: list[tuple[int, Cron]], at: int, before: int, after: int) -> Iterator[Effect]:
    low, high = sorted((at + before, at + after))
    for number, cron in crons:
        fields = fields_of(normal(cron.text))
        count = fields.count(low, high)
        if not count:
            continue
        if fields.wild:
            yield Effect(number, "elapsed", count)
        elif after > before:
            yield Effect(number, "moved", count)
        else:
            yield Effect(number, "once", count)

"""When somebody sets the clock of the machine: it is noticed, said, and nothing is fired twice, late or in a storm.

Set forward by more than an hour: what became due in between is held until a person decides (`longhouse.held`); the rest
goes on by the new clock at once. A smaller step forward is like a downtime. Set back: what has run does not run again,
everything else comes when its time comes. A machine that slept was not set: its two clocks went on together.
"""

from __future__ import annotations

from dataclasses import dataclass

from longhouse.clock import iso
from longhouse.house import House
from longhouse.logs import Log
from longhouse.store import events, runs, settings
from longhouse.store.database import Connection

log = Log("longhouse.clock")

HOLD_MS = 3_660_000
"""An hour, which is what a mistaken time zone makes, and a minute for a step that is not exact."""
KEY = "clock_held"


@dataclass(frozen=True)
class Gap:
    """The clock was set forward: due times in (low, high], milliseconds, are held."""

    low: int
    high: int


def current(db: Connection) -> list[Gap]:
    """Those that nobody has decided about, oldest first."""
    return [Gap(low, high) for low, high in settings.get(db, KEY, [])]


def put(db: Connection, gaps: list[Gap]) -> None:
    settings.put(db, KEY, [[gap.low, gap.high] for gap in gaps])


def gaps(house: House, db: Connection) -> list[Gap]:
    """In a write transaction, for whoever decides what is due: up to date, even if the clock was set a moment ago."""
    stored = current(db)
    fresh = [Gap(step.expected, step.shown) for step in house.pace.steps() if step.by > HOLD_MS]
    now = house.clock.now()
    # Set back again: what lies ahead will come by itself.
    wanted = [Gap(gap.low, min(gap.high, now)) for gap in (*stored, *(gap for gap in fresh if gap not in stored))]
    wanted = [gap for gap in wanted if gap.low < gap.high]
    if wanted != stored:
        put(db, wanted)
    return wanted


def notice(house: House) -> bool:
    """What follows from steps of the clock, once for each; False if there was none. Looks, and writes nothing then."""
    steps = house.pace.steps()
    if not steps:
        return False
    with house.db.write() as db:
        gaps(house, db)
        back = -sum(step.by for step in steps if step.by < 0)
        if back:
            runs.start_earlier(db, back)
        for step in steps:
            events.append(db, "scheduler.changed", "clock", {"clock_set_by_ms": step.by}, house.clock.now())
    for step in steps:
        _say(step.by, iso(step.shown))
    house.pace.handled(steps)
    house.feed.replan()
    return True


def _say(by: int, shown: str) -> None:
    if by > HOLD_MS:
        log.error(
            "the clock was set forward by more than an hour: what became due in between is held; "
            "longhouse-jobs clock accept catches up, longhouse-jobs clock leave does not",
            seconds=by // 1000,
            now=shown,
        )
    else:
        log.warning("the clock was set", seconds=by // 1000, now=shown)


def said(gap: Gap) -> str:
    """A sentence about a gap nobody has decided about."""
    return f"the clock was set forward from {iso(gap.low)} to {iso(gap.high)}; what was due in between is held"

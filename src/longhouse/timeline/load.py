"""How many runs there were at once, and how many are due at once, over all jobs."""

from __future__ import annotations

from dataclasses import dataclass

from longhouse.house import House
from longhouse.simulation.plan import Plan, at_once
from longhouse.store import timeline as rows
from longhouse.store.database import Connection

HOUR, STEP = 3_600_000, 300_000
"""STEP: of what is kept of hours that are over."""
STEPS = (
    *(1_000, 2_000, 5_000, 15_000, 30_000, 60_000, 120_000),
    *(300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000),
)
MOST_STEPS = 300
SPANS = 60_000
"""Runs of all jobs that the load is worked out from at once."""


@dataclass(frozen=True)
class Load:
    """All jobs in one step of time."""

    at: int
    running: int
    """The most at once."""
    due: int
    """The most that are due at one moment; of moments to come."""


def step_of(low: int, high: int) -> int:
    return next((each for each in STEPS if (high - low) / each <= MOST_STEPS), STEPS[-1])


def running(house: House, db: Connection, low: int, high: int, step: int, now: int) -> tuple[dict[int, int], bool]:
    """By step, how many ran at once at most; True: there were too many runs to look at all of them."""
    if high <= low:
        return {}, False
    if step < STEP:
        spans = rows.spans(db, low, high, now=now, most=SPANS)
        found = at_once(spans, low, step, -(-(high - low) // step))
        return {n: most for n, most in enumerate(found) if most}, len(spans) >= SPANS
    hours, partial = range(low // HOUR * HOUR, high, HOUR), False
    settled = min(now, rows.oldest_active(db, now))
    loads = {hour: house.outlook.hours.get(hour) for hour in hours}
    unknown = [hour for hour, load in loads.items() if load is None]
    if unknown:
        start, end = unknown[0], unknown[-1] + HOUR
        spans = rows.spans(db, start, end, now=now, most=SPANS)
        partial, each = len(spans) >= SPANS, HOUR // STEP
        found = at_once(spans, start, STEP, (end - start) // STEP)
        for hour in unknown:
            first = (hour - start) // STEP
            loads[hour] = tuple(found[first : first + each])
            if hour + HOUR <= settled and not partial:
                house.outlook.hours.put(hour, loads[hour] or ())
    by_step: dict[int, int] = {}
    for hour, load in loads.items():
        for n, most in enumerate(load or ()):
            place = (hour + n * STEP - low) // step
            if most and place >= 0 and hour + n * STEP < high:
                by_step[place] = max(by_step.get(place, 0), most)
    return by_step, partial


def due(plan: Plan | None, low: int, step: int, now: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for moment, jobs in plan.at_once.items() if plan else ():
        if moment > now:
            place = (moment - low) // step
            found[place] = max(found.get(place, 0), jobs)
    return found

"""Past and planned runs of all jobs in one picture: what ran, what did not and why, what is due, how many at once.

Bounded: some jobs at a time, some marks for each. What is too many to be told apart becomes a band with its count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from longhouse import pauses
from longhouse.errors import Invalid
from longhouse.house import House
from longhouse.simulation.plan import Collision, Plan
from longhouse.store import timeline as rows
from longhouse.timeline.jobs import Job, known_jobs, plan_of, slots_of
from longhouse.timeline.load import SPANS, Load, due, running, step_of
from longhouse.timeline.marks import PLANNED, Lane, Mark, lanes_of

SHORTEST, LONGEST = 60_000, 8 * 86_400_000
COLLISIONS = 6


@dataclass(frozen=True)
class Timeline:
    low: int
    high: int
    now: int
    slots: int
    step: int
    lanes: tuple[Lane, ...]
    jobs: int
    """How many there are to page through."""
    next: str | None
    load: tuple[Load, ...]
    """Without the steps in which nothing is."""
    collisions: tuple[Collision, ...]
    more_collisions: int
    cut: tuple[str, ...]
    """Sentences about what is left out, if anything is."""


def look(
    house: House,
    low: int,
    high: int,
    *,
    job_id: str | None = None,
    text: str = "",
    idle: bool = False,
    after: str = "",
    limit: int = 40,
) -> Timeline:
    """The span [low, high), milliseconds; at most `limit` jobs with an id above `after`. The load is that of all jobs.

    `text`: only jobs whose id, project or tags hold it; `idle`: those too with nothing in the span. Raises Invalid.
    """
    if not SHORTEST <= high - low <= LONGEST:
        raise Invalid(
            "a timeline shows between a minute and eight days",
            hint="Ask for several, one after the other; GET /api/calendar counts by day.",
        )
    now = house.clock.now()
    house.outlook.look(now)
    held = pauses.current(house)
    with house.db.read() as db:
        every = known_jobs(house, db, held, rows.known(db, low, high, now), now)
        plan = plan_of(house, every, low, high, now)
        chosen = [
            each
            for each in every
            if each.row["id"] > after
            and (job_id is None or each.row["id"] == job_id)
            and text.strip().lower() in each.facts.text
            and (_has_something(each, plan, low, high, now) or (idle and not each.row["removed"]))
        ]
        shown = chosen[:limit]
        lanes = lanes_of(db, shown, held, plan, low, high, now)
        step = step_of(low, high)
        ran, partial = running(house, db, low, min(high, now + 1), step, now)
    planned = due(plan, low, step, now)
    found = _ahead(plan, now)
    return Timeline(
        low,
        high,
        now,
        slots_of(house),
        step,
        lanes,
        len(chosen),
        shown[-1].row["id"] if len(chosen) > limit else None,
        tuple(Load(low + n * step, ran.get(n, 0), planned.get(n, 0)) for n in sorted({*ran, *planned})),
        found[:COLLISIONS],
        max(0, len(found) - COLLISIONS),
        tuple(_cut(plan, partial)),
    )


def _cut(plan: Plan | None, partial: bool) -> Iterator[str]:
    if partial:
        yield f"More than {SPANS:,} runs: how many there were at once is worked out from these alone."
    if plan is not None and plan.until < plan.high:
        yield "Too many due times: how many are due at once is worked out for the first part of the time to come only."


def _has_something(job: Job, plan: Plan | None, low: int, high: int, now: int) -> bool:
    if job.row["ran"]:
        return True
    if job.row["left_out"]:
        trigger = job.facts.trigger
        return trigger is None or trigger.latest(low - 1, min(now, high - 1)) is not None
    if plan is None or job.since is None or job.facts.trigger is None:
        return False
    return plan.is_due(job.facts.trigger, max(now + 1, job.since))


def _ahead(plan: Plan | None, now: int) -> tuple[Collision, ...]:
    """The plan begins with the hour: what has passed of it is no longer ahead."""
    left = (
        replace(each, moments=tuple(moment for moment in each.moments if moment > now))
        for each in (plan.collisions if plan else ())
    )
    return tuple(sorted((each for each in left if each.moments), key=lambda each: (each.moments, each.group or "")))


__all__ = ["COLLISIONS", "PLANNED", "Lane", "Load", "Mark", "Timeline", "look"]

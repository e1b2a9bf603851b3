"""Runs and due times of all jobs by day of a zone."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from longhouse.clock import millis, moment
from longhouse.errors import Invalid
from longhouse.house import House
from longhouse.store import timeline as rows
from longhouse.store.database import Connection
from longhouse.timeline.jobs import Job, plan_of, schedules
from longhouse.triggers import Trigger
from longhouse.triggers.cron import zone as zone_of

MOST_DAYS = 62
MOST_MISSED = 5_000
HOUR = 3_600_000


@dataclass(frozen=True)
class Day:
    date: date
    low: int
    high: int
    """Milliseconds; a day in which the clocks change has 23 or 25 hours."""
    runs: dict[str, int]
    """By state, of those that began in it."""
    missed: int
    """Jobs with due times that were missed or skipped in it, or held."""
    planned: int
    """Due times to come."""


def days(house: House, first: date, count: int, zone: str, *, text: str = "") -> tuple[Day, ...]:
    """`count` days from `first` on in `zone`. `text`: of jobs whose id, project or tags hold it. Raises Invalid."""
    if not 1 <= count <= MOST_DAYS:
        raise Invalid(f"a calendar shows between one day and {MOST_DAYS}")
    now = house.clock.now()
    house.outlook.look(now)
    edges = [midnight(first + timedelta(days=n), zone) for n in range(count + 1)]
    with house.db.read() as db:
        jobs = schedules(house, db, text, now)
        ids = [each.row["id"] for each in jobs] if text.strip() else None
        runs = _runs(house, db, edges, ids, now)
        missed: list[set[str]] = [set() for _ in range(count)]
        for row in rows.missed(db, edges[0], edges[-1], MOST_MISSED):
            if ids is None or row["job_id"] in ids:
                for n in range(_day(edges, row["due"]), _day(edges, row["last_due"]) + 1):
                    missed[n].add(row["job_id"])
        planned = _planned(house, jobs, edges, now)
    return tuple(
        Day(first + timedelta(days=n), edges[n], edges[n + 1], runs[n], len(missed[n]), planned[n])
        for n in range(count)
    )


def today(house: House, zone: str) -> date:
    """Raises BadCron for a zone that does not exist."""
    return moment(house.clock.now()).astimezone(zone_of(zone)).date()


def midnight(day: date, zone: str) -> int:
    """The first moment of a day; where the clocks skip midnight, the first after it. Raises Invalid."""
    try:
        return millis(datetime.combine(day, time(), zone_of(zone)))
    except (OverflowError, ValueError) as error:
        raise Invalid(f"{day} is too far away") from error


def _day(edges: list[int], at: int) -> int:
    return min(max(bisect_right(edges, at) - 1, 0), len(edges) - 2)


def _runs(house: House, db: Connection, edges: list[int], ids: list[str] | None, now: int) -> list[dict[str, int]]:
    """Days that are over are counted once: what began in them has ended, and nothing comes to it."""
    settled = min(now, rows.oldest_active(db, now)) - HOUR
    key = tuple(ids) if ids is not None else None
    shelf = house.outlook.counts
    spans = list(pairwise(edges))
    found = {n: shelf.get((span, key)) for n, span in enumerate(spans)}
    open_days = [n for n, counts in found.items() if counts is None and spans[n][0] <= now]
    counted: dict[int, dict[str, int]] = {n: {} for n in open_days}
    for row in rows.by_day(db, [spans[n] for n in open_days], ids) if open_days else ():
        counted[open_days[row["day"]]][row["state"]] = row["count"]
    for n, counts in counted.items():
        if spans[n][1] <= settled:
            shelf.put((spans[n], key), counts)
    return [dict(counted.get(n) or found[n] or {}) for n in range(len(spans))]


def _planned(house: House, jobs: list[Job], edges: list[int], now: int) -> list[int]:
    """Of this hour by its moments; of all later ones by schedule, once an hour."""
    this, high = max(edges[0], now // HOUR * HOUR), edges[-1]
    following = max(edges[0], now // HOUR * HOUR + HOUR)
    alike = Counter(
        (each.facts.trigger, 0 if each.since <= now else each.since)
        for each in jobs
        if each.since is not None and each.facts.trigger is not None
    )
    key = (tuple(edges), following, tuple(alike.items()))
    total = list(house.outlook.planned.of(key, lambda: _by_day(alike, edges, following)))
    plan = plan_of(house, jobs, this, min(following, high), now)
    for at, due in plan.at_once.items() if plan else ():
        if at > now:
            total[_day(edges, at)] += due
    return total


def _by_day(alike: Mapping[tuple[Trigger, int], int], edges: list[int], low: int) -> tuple[int, ...]:
    total = [0] * (len(edges) - 1)
    for (trigger, since), jobs in alike.items():
        first = max(low, since)
        if first >= edges[-1]:
            continue
        for start, offsets in trigger.days(first - 1, edges[-1] - 1):
            place = bisect_left(offsets, first - start)  # some triggers tell whole days
            while place < len(offsets) and start + offsets[place] < edges[-1]:
                day = _day(edges, start + offsets[place])
                inside = bisect_left(offsets, edges[day + 1] - start, place)
                total[day] += (inside - place) * jobs
                place = inside
    return tuple(total)

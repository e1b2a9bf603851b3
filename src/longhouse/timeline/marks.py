"""What the picture shows of each job: marks for runs, for due times that started none, and for those to come."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from longhouse.pauses import INSTANCE
from longhouse.simulation.plan import Plan
from longhouse.store import timeline as rows
from longhouse.store.database import Connection, Row
from longhouse.store.pauses import Pause
from longhouse.timeline.jobs import Job

MARKS = 1_200
"""Of all jobs in the picture, about; each job has its share."""
FEWEST_MARKS, MOST_MARKS = 8, 60
"""Of one kind and job. What are more are joined."""
GRAINS = 160
"""Runs of one kind that begin within such a part of the span are one mark."""
DENSE = 600
"""Runs of a job in the span beyond which they are only counted."""
BANDS = 24
PLANNED = "planned"


@dataclass(frozen=True)
class Mark:
    """One run, one due time, or several of a kind that lie too close to be told apart."""

    kind: str
    """The state of a run, how a due time ended that started none, or `planned`."""
    first: int
    last: int
    """Of a run its end; now, if it has none yet."""
    count: int
    run_id: int | None
    """The run, or the newest of several."""


@dataclass(frozen=True)
class Lane:
    """A job in the picture."""

    job_id: str
    standing: str
    """disabled, paused, removed, or nothing: it fires by its schedule, or has none."""
    resumes: int | None
    """The end of its pause, if it has one."""
    marks: tuple[Mark, ...]
    """In order of time."""
    totals: dict[str, int]
    """By kind of mark."""


def lanes_of(
    db: Connection, jobs: Sequence[Job], held: Mapping[str, Pause], plan: Plan | None, low: int, high: int, now: int
) -> tuple[Lane, ...]:
    ids = [each.row["id"] for each in jobs]
    marks: dict[str, list[Mark]] = {job_id: [] for job_id in ids}
    many = [job_id for job_id, count in rows.counts(db, ids, low, high).items() if count > DENSE]
    most = min(MOST_MARKS, max(FEWEST_MARKS, MARKS // 2 // max(1, len(jobs))))
    grain = max(1, (high - low) // min(GRAINS, 2 * most))
    band = -(-(high - low) // BANDS)
    past = rows.runs(db, [each for each in ids if each not in many], low, high, step=grain, now=now)
    edges = [(at, min(at + band, high)) for at in range(low, high, band)]
    if many:
        past += [{**row, "run_id": None} for row in rows.dense(db, many, edges)]
    for row in past:
        last = row["last"] if row["state"] != "queued" else row["first"]
        kind = PLANNED if row["state"] == "queued" and row["first"] > now else row["state"]
        marks[row["job_id"]].append(Mark(kind, row["first"], min(last, max(now, high)), row["count"], row["run_id"]))
    known = {each.row["id"]: each for each in jobs}
    for row in rows.left_out(db, ids, low, high, step=grain):
        mark = _left_out(row, known[row["job_id"]], low, high, now)
        if mark is not None:
            marks[row["job_id"]].append(mark)
    return tuple(_lane(each, held, marks[each.row["id"]], plan, low, high, now, most) for each in jobs)


def _left_out(row: Row, job: Job, low: int, high: int, now: int) -> Mark | None:
    """An entry that still grows, or is longer than the span, counts what lies in it."""
    last, count, first = row["last"], row["count"], row["first"]
    if row["open"] or first < low or last >= high:
        trigger, first, end = job.facts.trigger, max(first, low), min(high - 1, now if row["open"] else last)
        last = trigger.latest(first - 1, end) if trigger else None
        if trigger is None or last is None:
            return None
        first, count = trigger.after(first - 1) or first, trigger.count(first - 1, last)
    return Mark(row["end"], first, last, count, row["run_id"])


def _lane(
    job: Job,
    held: Mapping[str, Pause],
    marks: list[Mark],
    plan: Plan | None,
    low: int,
    high: int,
    now: int,
    most: int,
) -> Lane:
    if plan is not None and job.since is not None and job.facts.trigger is not None:
        ahead = plan.moments(job.facts.trigger, max(low, now + 1, job.since))
        marks += _planned(list(ahead), low, high, most)
    totals: dict[str, int] = {}
    for mark in marks:
        totals[mark.kind] = totals.get(mark.kind, 0) + mark.count
    standing = "removed" if job.row["removed"] else "" if job.row["enabled"] else "disabled"
    pause = held.get(job.row["id"]) or held.get(INSTANCE)
    if not standing and pause is not None:
        standing = "paused"
    joined = [mark for kind in totals for mark in join([each for each in marks if each.kind == kind], low, high, most)]
    return Lane(
        job.row["id"],
        standing,
        pause.until if standing == "paused" and pause is not None else None,
        tuple(sorted(joined, key=lambda mark: (mark.first, mark.kind))),
        totals,
    )


def _planned(moments: list[int], low: int, high: int, most: int) -> list[Mark]:
    if len(moments) <= most:
        return [Mark(PLANNED, moment, moment, 1, None) for moment in moments]
    band = -(-(high - low) // BANDS)
    found = []
    for start in range(low, high, band):
        inside = moments[bisect_left(moments, start) : bisect_left(moments, start + band)]
        if inside:
            found.append(Mark(PLANNED, inside[0], inside[-1], len(inside), None))
    return found


def join(marks: list[Mark], low: int, high: int, most: int) -> list[Mark]:
    """At most `most` of one kind: neighbours become one where there are more."""
    pieces = GRAINS
    while len(marks) > most:
        pieces //= 2
        slots: dict[int, Mark] = {}
        for mark in sorted(marks, key=lambda each: each.first):
            slot = max(0, mark.first - low) * pieces // (high - low)
            slots[slot] = _both(slots[slot], mark) if slot in slots else mark
        marks = list(slots.values())
    return marks


def _both(one: Mark, other: Mark) -> Mark:
    last = other.last if other.last > one.last else one.last
    return Mark(one.kind, one.first, last, one.count + other.count, max(one.run_id or 0, other.run_id or 0) or None)

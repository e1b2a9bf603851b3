"""The ledger: every due time that has passed gets its one entry, and the runs that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from longhouse import queue
from longhouse.house import SYSTEM, House
from longhouse.runs import retry
from longhouse.store import firings, jobs
from longhouse.store import runs as run_rows
from longhouse.store.database import Connection
from longhouse.store.jobs import Job
from longhouse.triggers import Trigger, trigger_of
from longhouse.triggers.misfire import End, Fire, Missed, Overlap, admitted, policy_of, settle


def standing(job: Job) -> End | None:
    """How due times of `job` end as things stand; None: they fire. Disabled counts before paused."""
    if not job.enabled:
        return End.SKIPPED_DISABLED
    return End.SKIPPED_PAUSED if job.paused else None


def overlap_of(db: Connection, job: Job, now: int) -> Overlap:
    """By the runs that are in the way at `now`: see `store.runs.in_the_way`."""
    return Overlap(job.spec.overlap, len(run_rows.in_the_way(db, job.id, now)))


def settle_job(house: House, db: Connection, job: Job, now: int) -> int:
    """Enter every due time of `job` up to `now`, start what is to start; the number of new runs.

    A disabled or paused job has one open entry instead and is left alone.
    """
    trigger = trigger_of(job.spec, house.zone)
    if trigger is None or standing(job) is not None:
        return 0
    entries = settle(trigger, job.cursor, now, policy=policy_of(job.spec), up_since=house.up_since)
    if not entries:
        return 0
    created = 0
    # Known: the clock was set back, and then the cursor by a change of the job. What has its entry has its run.
    for step in admitted(entries, overlap_of(db, job, now), house.up_since, lambda due: firings.known(db, job.id, due)):
        if isinstance(step, Missed):
            _enter(db, job, step, run_id=None, now=now)
            continue
        run_id = _fire(house, db, job, step.fire, now)
        for missed in step.covers:
            _enter(db, job, missed, run_id=run_id, now=now)
        created += 1
    last = entries[-1]
    jobs.set_cursor(db, job.id, last.due if isinstance(last, Fire) else last.last)
    return created


def _fire(house: House, db: Connection, job: Job, fire: Fire, now: int) -> int:
    spread = retry.jitter_ms(job.id, fire.due, job.spec.jitter_minutes)
    run_id = queue.enqueue(
        house,
        db,
        job,
        trigger="catch_up" if fire.late else "schedule",
        by=SYSTEM,
        due=fire.due,
        not_before=(now if fire.late else fire.due) + spread,
        params=job.spec.params,
    )
    firings.record(db, job.id, fire.due, last=fire.due, count=1, end=End.RAN, run_id=run_id, now=now)
    return run_id


def _enter(db: Connection, job: Job, entry: Missed, *, run_id: int | None, now: int) -> None:
    firings.record(db, job.id, entry.first, last=entry.last, count=entry.count, end=entry.end, run_id=run_id, now=now)


# --- while nothing fires --------------------------------------------------------------------------------------------


def turn(house: House, db: Connection, job: Job, end: End | None, now: int) -> None:
    """`job` as it has been; from `now` on its due times end as `end`, or fire. What came before is explained."""
    before = standing(job)
    if before is end:
        return
    leave(house, db, job, now)
    if end is not None:
        open_skip(house, db, job, end, now)


def leave(house: House, db: Connection, job: Job, now: int) -> None:
    """Explain every due time of `job` up to `now` by how it has been."""
    if standing(job) is None:
        settle_job(house, db, job, now)
    else:
        close_skip(house, db, job, now)


def open_skip(house: House, db: Connection, job: Job, end: End, now: int) -> None:
    """From now on, due times of `job` end as `end`: one open entry, which writes nothing while it lasts."""
    trigger = trigger_of(job.spec, house.zone)
    first = trigger.after(now) if trigger else None
    if first is not None:
        firings.open_range(db, job.id, first, end, now)


def close_skip(house: House, db: Connection, job: Job, now: int) -> None:
    """The open entry ends here; the cursor moves to now, for what was skipped is explained."""
    trigger = trigger_of(job.spec, house.zone)
    row = firings.opened(db, job.id)
    if row is not None:
        last = trigger.latest(row["due"] - 1, now) if trigger else None
        count = _count(trigger, row["due"], last)
        firings.close_range(db, row["id"], last, count, now)
    jobs.set_cursor(db, job.id, now)


def _count(trigger: Trigger | None, first: int, last: int | None) -> int:
    return trigger.count(first - 1, last) if trigger and last is not None else 0


# --- looking --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Firing:
    """One row of the ledger as people see it; `last` and `count` of an open row are computed up to now."""

    job_id: str
    first: int
    last: int
    count: int
    end: str
    run_id: int | None
    open: bool


def shown(house: House, db: Connection, job: Job, low: int, high: int, limit: int) -> list[Firing]:
    """The entries that touch [low, high] (milliseconds), newest first."""
    now, trigger = house.clock.now(), trigger_of(job.spec, house.zone)
    found = []
    for row in firings.between(db, job.id, low, high, limit):
        last, count, is_open = row["last_due"], row["count"], row["last_due"] is None
        if is_open:
            last = trigger.latest(row["due"] - 1, now) if trigger else None
            if last is None:
                continue  # opened, but nothing has been due yet
            count = _count(trigger, row["due"], last)
        found.append(Firing(job.id, row["due"], last, count, row["end"], row["run_id"], is_open))
    return found

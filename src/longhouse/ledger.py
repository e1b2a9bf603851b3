"""The ledger: every due time that has passed gets its one entry, and the runs that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from longhouse import jumps, queue
from longhouse.house import SYSTEM, House
from longhouse.jumps import Gap
from longhouse.runs import retry
from longhouse.store import firings, jobs
from longhouse.store import runs as run_rows
from longhouse.store.database import Connection, Row
from longhouse.store.jobs import Job
from longhouse.triggers import BadCron, Trigger, fullness, trigger_of
from longhouse.triggers.misfire import ROOM, End, Fire, Missed, Overlap, admitted, policy_of, settle, without

BATCH = 200
"""Jobs in one transaction."""


def standing(job: Job) -> End | None:
    """How due times of `job` end as things stand; None: they fire. Disabled counts before paused."""
    if not job.enabled:
        return End.SKIPPED_DISABLED
    return End.SKIPPED_PAUSED if job.paused else None


def overlap_of(db: Connection, job: Job, now: int) -> Overlap:
    """By the runs that are in the way at `now`: see `store.runs.in_the_way`. Where none can be, nobody looks."""
    rule = job.spec.overlap
    return Overlap(rule, 0 if ROOM[rule] == math.inf else len(run_rows.in_the_way(db, job.id, now)))


def settle_job(house: House, db: Connection, job: Job, now: int, gaps: list[Gap] | None = None) -> int:
    """Enter every due time of `job` up to `now`, start what is to start; the number of new runs.

    A disabled or paused job has one open entry instead and is left alone. `gaps` are those of this transaction, for
    whoever settles many jobs in it: asked for after `now` was.
    """
    trigger = trigger_of(job.spec, house.zone)
    if trigger is None or standing(job) is not None:
        return 0
    if job.cursor > now:
        job = rewind(house, db, job, now)
    held = [(gap.low, gap.high) for gap in (jumps.gaps(house, db) if gaps is None else gaps)]
    up_since = house.up_since if house.up_since <= now else None
    entries = settle(trigger, job.cursor, now, policy=policy_of(job.spec), up_since=up_since, held=held)
    if not entries:
        return 0
    created = enter(house, db, job, trigger, entries, now)
    last = entries[-1]
    jobs.set_cursor(db, job.id, last.due if isinstance(last, Fire) else last.last)
    return created


def enter(house: House, db: Connection, job: Job, trigger: Trigger, entries: list[Fire | Missed], now: int) -> int:
    """Write `entries` and start their runs as far as the overlap setting has room; the number of new runs."""
    first, last = entries[0], entries[-1]
    low, high = _span(first)[0], _span(last)[1]
    # The clock was set back: what has run keeps its run, and gets no second one.
    known = firings.ran(db, job.id, low, high)
    up_since = house.up_since if house.up_since <= now else None
    created = 0
    steps = admitted(entries, overlap_of(db, job, now), up_since, lambda due: due in known)
    full_since, last_full = house.reserve.since(now), house.reserve.last
    for step in fullness.explained(trigger, steps, full_since=full_since, last=last_full):
        if isinstance(step, Missed):
            _enter(db, job, without(step, trigger, known), run_id=None, now=now)
            continue
        run_id = _fire(house, db, job, step.fire, now)
        for missed in step.covers:
            _enter(db, job, without(missed, trigger, known), run_id=run_id, now=now)
        created += 1
    return created


def _span(entry: Fire | Missed) -> tuple[int, int]:
    return (entry.due, entry.due) if isinstance(entry, Fire) else (entry.first, entry.last)


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


def _enter(db: Connection, job: Job, pieces: Iterable[Missed], *, run_id: int | None, now: int) -> None:
    for each in pieces:
        firings.record(db, job.id, each.first, last=each.last, count=each.count, end=each.end, run_id=run_id, now=now)


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
    """From now on, due times of `job` end as `end`: one open entry, which writes nothing while it lasts.

    What was due up to now has its entry; nothing that lies ahead has one but runs, if the clock was set back.
    """
    first = _first_free(db, job.id, trigger_of(job.spec, house.zone), now)
    if first is not None:
        firings.open_range(db, job.id, first, end, now)
    jobs.set_cursor(db, job.id, now)


def _first_free(db: Connection, job_id: str, trigger: Trigger | None, now: int) -> int | None:
    """The first due time later than `now` that has no entry."""
    first = trigger.after(now) if trigger else None
    while first is not None and trigger is not None and firings.known(db, job_id, first):
        first = trigger.after(first)
    return first


def close_skip(house: House, db: Connection, job: Job, now: int) -> None:
    """The open entry ends here; the cursor moves to now, for what was skipped is explained."""
    row = firings.opened(db, job.id)
    if row is not None:
        firings.drop(db, row["id"])
        for piece in _lasted(db, job, trigger_of(job.spec, house.zone), row, now):
            _enter(db, job, [piece], run_id=None, now=now)
    start(house, db, job, now)


def _lasted(db: Connection, job: Job, trigger: Trigger | None, row: Row, now: int) -> list[Missed]:
    """What an open entry stands for up to now."""
    last = trigger.latest(row["due"] - 1, now) if trigger else None
    if trigger is None or last is None:
        return []
    whole = Missed(row["due"], last, trigger.count(row["due"] - 1, last), End(row["end"]))
    return without(whole, trigger, firings.ran(db, job.id, row["due"], last))


def start(house: House, db: Connection, job: Job, now: int) -> None:
    """What `job` is due for counts from now on; all before has its entries, or the job was not there."""
    if job.cursor > now:
        rewind(house, db, job, now)
    else:
        jobs.set_cursor(db, job.id, now)


def rewind(house: House, db: Connection, job: Job, now: int) -> Job:
    """The clock was set back: due times after `now` that started no run have not come yet and lose their entries."""
    trigger = trigger_of(job.spec, house.zone)
    firings.forget_after(db, job.id, now)
    row = firings.over(db, job.id, now)
    if row is not None and trigger is not None:
        last = trigger.latest(row["due"] - 1, now) or row["due"]
        count = max(1, row["count"] - trigger.count(last, row["last_due"]))
        firings.shorten(db, row["id"], last, count, now)
    row = firings.opened(db, job.id)
    if row is not None and row["due"] > now:
        firings.drop(db, row["id"])
        open_skip(house, db, job, End(row["end"]), now)
    jobs.set_cursor(db, job.id, now)
    return replace(job, cursor=now)


def rewind_all(house: House) -> int:
    """After the clock was set back: every job goes on from now; how many there were. Writes nothing if none."""
    now = house.clock.now()
    with house.db.read() as db:
        ahead = jobs.ahead(db, now)
    for first in range(0, len(ahead), BATCH):
        with house.db.write() as db:
            for job_id in ahead[first : first + BATCH]:
                job = jobs.get(db, job_id)
                if job is not None:
                    with suppress(BadCron):  # it fires no more, set back or not
                        rewind(house, db, job, now)
    return len(ahead)


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
        if row["last_due"] is not None:
            found.append(
                Firing(job.id, row["due"], row["last_due"], row["count"], row["end"], row["run_id"], open=False)
            )
        elif pieces := _lasted(db, job, trigger, row, now):  # else nothing has been due since it was opened
            count = sum(piece.count for piece in pieces)
            found.append(Firing(job.id, pieces[0].first, pieces[-1].last, count, row["end"], None, open=True))
    return found

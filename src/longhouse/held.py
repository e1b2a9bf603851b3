"""What was due while the clock was set forward by more than an hour, and what a person decides about it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass

from longhouse import audit, jumps, ledger
from longhouse.clock import iso
from longhouse.errors import Conflict
from longhouse.house import By, House
from longhouse.jumps import Gap
from longhouse.ledger import BATCH
from longhouse.store import events, firings, jobs
from longhouse.store.database import Connection, Row
from longhouse.store.jobs import Job
from longhouse.triggers import BadCron, trigger_of
from longhouse.triggers.misfire import caught_up, policy_of


@dataclass(frozen=True)
class Held:
    """One step of the clock that waits for a decision."""

    gap: Gap
    jobs: int
    due_times: int


@dataclass(frozen=True)
class Decided:
    runs: int
    """New runs."""
    due_times: int
    """Treated by their jobs' catch-up settings."""
    left: int
    """Due times that stay held: nobody wanted them, or their job is disabled, paused or has other times now."""


def overview(house: House) -> list[Held]:
    """What waits for a decision, oldest first."""
    with house.db.read() as db:
        found = []
        for gap in jumps.current(db):
            rows = firings.held(db, gap.low, gap.high)
            found.append(Held(gap, len(rows), sum(row["count"] for row in rows)))
    return found


def sentences(house: House) -> list[str]:
    """One for each step that waits for a decision; doctor, readiness and every page say them."""
    return [
        f"the clock was set forward from {iso(each.gap.low)} to {iso(each.gap.high)}:"
        f" {each.due_times} due time{'' if each.due_times == 1 else 's'} in between"
        f" {'is' if each.due_times == 1 else 'are'} held"
        for each in overview(house)
    ]


HINT = "Catch up by each job's setting: longhouse-jobs clock accept. Leave them: longhouse-jobs clock leave"


def accept(house: House, by: By) -> Decided:
    """The clock is right: what was held is treated by each job's catch-up setting. Raises Conflict if nothing is."""
    gaps = _settled(house)
    runs = done = left = 0
    for job_id in _ids(house):
        with house.db.write() as db:
            job = jobs.get(db, job_id)
            for row in _rows(db, job_id, gaps):
                started = _catch_up(house, db, job, row) if job is not None else None
                if started is None:
                    left += row["count"]
                else:
                    runs, done = runs + started, done + row["count"]
    return _decide(house, by, "clock.accept", gaps, Decided(runs, done, left))


def leave(house: House, by: By) -> Decided:
    """What was held starts no run; it stays in the ledger as held. Raises Conflict if nothing is."""
    gaps = _settled(house)
    with house.db.read() as db:
        left = sum(row["count"] for gap in gaps for row in firings.held(db, gap.low, gap.high))
    return _decide(house, by, "clock.leave", gaps, Decided(0, 0, left))


def _settled(house: House) -> list[Gap]:
    """Every job has its entries for what was held."""
    jumps.notice(house)
    ids = _ids(house)
    for first in range(0, len(ids), BATCH):
        with house.db.write() as db:
            now = house.clock.now()
            found = jumps.gaps(house, db)
            for job_id in ids[first : first + BATCH]:
                job = jobs.get(db, job_id)
                if job is not None:
                    with suppress(BadCron):
                        ledger.settle_job(house, db, job, now, found)
    with house.db.read() as db:
        gaps = jumps.current(db)
    if not gaps:
        raise Conflict("nothing is held: the clock was not set forward by more than an hour, or it was decided already")
    return gaps


def _ids(house: House) -> list[str]:
    with house.db.read() as db:
        return [job.id for job in jobs.all_jobs(db)]


def _rows(db: Connection, job_id: str, gaps: list[Gap]) -> list[Row]:
    return [row for gap in gaps for row in firings.held_rows(db, job_id, gap.low, gap.high)]


def _catch_up(house: House, db: Connection, job: Job, row: Row) -> int | None:
    """How many runs; None if the job does not fire, or has had other due times then."""
    trigger, first, last = None, row["due"], row["last_due"]
    with suppress(BadCron):
        trigger = trigger_of(job.spec, house.zone)
    if trigger is None or ledger.standing(job) is not None:
        return None
    if (trigger.count(first - 1, last), trigger.latest(first - 1, last)) != (row["count"], last):
        return None
    firings.drop(db, row["id"])
    entries = caught_up(trigger, first - 1, last, policy_of(job.spec))
    return ledger.enter(house, db, job, trigger, entries, house.clock.now())


def _decide(house: House, by: By, verb: str, gaps: list[Gap], decided: Decided) -> Decided:
    with house.db.write() as db:
        jumps.put(db, [gap for gap in jumps.current(db) if gap not in gaps])
        before = [{"from": iso(gap.low), "to": iso(gap.high)} for gap in gaps]
        audit.record(house, db, by, verb, "clock", before={"held": before}, after=asdict(decided))
        events.append(db, "scheduler.changed", "clock", asdict(decided), house.clock.now())
    return decided

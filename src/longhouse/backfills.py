"""Backfills: a range of past due times as runs, each with its `ctx.due`.

They are a queue of their own, as catching up is: they wait for each other as the job's overlap setting says, come after
everything else, and leave a slot free. The ledger is not touched: what became of a due time at its time stays so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from longhouse import audit, jobs, queue
from longhouse.clock import iso
from longhouse.errors import Conflict, Invalid, NotFound
from longhouse.house import By, House
from longhouse.moments import moment_of, refused
from longhouse.runs.state import ACTIVE
from longhouse.store import backfills as rows
from longhouse.store.backfills import Backfill
from longhouse.store.database import Connection
from longhouse.store.jobs import Job
from longhouse.triggers import trigger_of, upcoming

MOST = 1000
"""Due times in one backfill."""


@dataclass(frozen=True)
class Range:
    """What a backfill would run."""

    job_id: str
    low: int
    high: int
    dues: tuple[int, ...]
    """Never empty, in order."""
    ran_before: int
    """Those of them that have a run already; they run again."""


def plan(house: House, job_id: str, low: str, high: str) -> Range:
    """The due times from `low` to `high`, both included, as the job's schedule is now.

    Raises NotFound, and Invalid: times, no due time in between, more than MOST of them.
    """
    with house.db.read() as db:
        return _range(house, db, jobs.get_known(db, job_id), low, high)


def start(
    house: House,
    job_id: str,
    low: str,
    high: str,
    by: By,
    *,
    confirm: int,
    params: dict[str, Any] | None = None,
    text: bool = False,
) -> Backfill:
    """Queue the runs. `confirm` is the number of due times that whoever asks has seen.

    Raises as `plan` does, Invalid for parameters, and Conflict if there is another number of due times.
    """
    with house.db.write() as db:
        job, now = jobs.get_known(db, job_id), house.clock.now()
        values = jobs.checked_params(job.spec, params or {}, text=text)
        found = _range(house, db, job, low, high)
        if len(found.dues) != confirm:
            raise Conflict(
                f"the range has {_times(len(found.dues))} of {job_id}, not {confirm}",
                hint="Look at it again (dry_run), then confirm that number.",
            )
        backfill_id = rows.add(
            db,
            {
                "job_id": job_id,
                "low": found.low,
                "high": found.high,
                "first": found.dues[0],
                "last": found.dues[-1],
                "count": len(found.dues),
                "actor": by.name,
                "surface": by.surface,
                "now": now,
            },
        )
        for due in found.dues:
            queue.enqueue(house, db, job, trigger="backfill", by=by, due=due, params=values, backfill_id=backfill_id)
        after = {"backfill": backfill_id, "from": found.low, "to": found.high, "count": confirm, "params": values}
        audit.record(house, db, by, "backfill.create", f"job:{job_id}", after=after)
        return _get(db, backfill_id)


def cancel(house: House, backfill_id: int, by: By) -> Backfill:
    """Ask all its runs that have not ended to stop. Raises NotFound, and Conflict when none is left."""
    with house.db.write() as db:
        found = _get(db, backfill_id)
        left = rows.active_ids(db, backfill_id)
        if not left:
            raise Conflict(f"backfill {backfill_id} is over: its runs have ended", hint="There is nothing to cancel.")
        jobs.cancel_each(house, db, left, by)
        if found.cancelled_at is None:
            rows.set_cancelled(db, backfill_id, house.clock.now())
            audit.record(house, db, by, "backfill.cancel", f"job:{found.job_id}", before={"backfill": backfill_id})
        return _get(db, backfill_id)


def get(house: House, backfill_id: int) -> Backfill:
    """Raises NotFound."""
    with house.db.read() as db:
        return _get(db, backfill_id)


def list_backfills(
    house: House, *, job_id: str | None = None, before: int | None = None, limit: int = 50
) -> tuple[list[Backfill], int | None]:
    """At most `limit` with an id below `before`, newest first, and where the next page starts (None: nowhere)."""
    with house.db.read() as db:
        found = rows.page(db, job_id=job_id, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def left(backfill: Backfill) -> int:
    """Its runs that have not ended."""
    return sum(count for state, count in backfill.runs.items() if state in ACTIVE)


def _range(house: House, db: Connection, job: Job, low_text: str, high_text: str) -> Range:
    low, high = moment_of(house, "from", low_text), moment_of(house, "to", high_text)
    if high < low:
        raise refused("to", f"the range ends before it begins, at {iso(low)}")
    if high > house.clock.now():
        raise refused("to", "the range ends in the future; what is due then fires by itself")
    trigger = trigger_of(job.spec, house.zone)
    if trigger is None:
        raise Invalid(f"{job.id} has no schedule, so it has no due times", hint="Run it with: longhouse-jobs run")
    dues = list(takewhile(lambda due: due <= high, upcoming(trigger, low - 1, MOST + 1)))
    if not dues:
        raise refused("from", f"{job.id} has no due time between {iso(low)} and {iso(high)}")
    if len(dues) > MOST:
        raise Invalid(
            f"{job.id} has more than {MOST} due times between {iso(low)} and {iso(high)}",
            hint=f"That is the most in one backfill; the first {MOST} end at {iso(dues[MOST - 1])}.",
            errors=[{"pointer": "/to", "message": f"more than {MOST} due times"}],
        )
    return Range(job.id, low, high, tuple(dues), rows.ran_before(db, job.id, dues))


def _get(db: Connection, backfill_id: int) -> Backfill:
    found = rows.get(db, backfill_id)
    if found is None:
        raise NotFound(f"there is no backfill {backfill_id}", hint="List them with: longhouse-jobs backfills list")
    return found


def _times(count: int) -> str:
    return "1 due time" if count == 1 else f"{count} due times"

"""Runs as they are looked at, while they wait, run, and when they have ended. Nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from longhouse.errors import NotFound
from longhouse.house import House
from longhouse.store import attempts as attempt_rows
from longhouse.store import firings, run_place, run_search
from longhouse.store import runs as rows
from longhouse.store.database import Connection, Row
from longhouse.store.jobs import Job
from longhouse.store.run_search import Wanted
from longhouse.store.runs import Run
from zerg._wire import job_description


@dataclass(frozen=True)
class Details:
    run: Run
    attempts: list[Row]
    artifacts: list[Row]
    firings: list[Row]
    """The ledger entries that this run answers for."""


def get(house: House, run_id: int) -> Run:
    """Raises NotFound."""
    with house.db.read() as db:
        return in_transaction(db, run_id)


def in_transaction(db: Connection, run_id: int) -> Run:
    """Like `get`, for callers with a transaction of their own. Raises NotFound."""
    run = rows.get(db, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}", hint="List runs with: longhouse-jobs runs list")
    return run


def list_runs(
    house: House,
    wanted: Wanted | None = None,
    *,
    job_id: str | None = None,
    states: tuple[str, ...] = (),
    backfill_id: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[list[Run], int | None]:
    """At most `limit` runs with an id below `before`, newest first, and where the next page starts (None: nowhere).

    Listed runs carry no spec, result or error. `wanted` stands for all conditions, or name a few.
    """
    wanted = wanted or Wanted(job_id=job_id, states=states, backfill_id=backfill_id)
    with house.db.read() as db:
        found = run_search.page(db, wanted, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def details(house: House, run_id: int) -> Details:
    """A run with all that belongs to it. Raises NotFound."""
    with house.db.read() as db:
        return Details(
            in_transaction(db, run_id),
            attempt_rows.of_run(db, run_id),
            rows.artifacts(db, run_id),
            firings.of_run(db, run_id),
        )


def neighbours(house: House, run: Run) -> tuple[int | None, int | None]:
    """The run of its job before it, and the one after it."""
    with house.db.read() as db:
        return run_place.neighbours(db, run.job_id, run.id)


def job_as_it_ran(job: Job, run: Run) -> Job:
    """`job` with the settings, commit and environment that `run` had."""
    return replace(
        job,
        spec=job_description(run.spec),
        commit_sha=run.commit_sha or job.commit_sha,
        environment=run.environment,
    )

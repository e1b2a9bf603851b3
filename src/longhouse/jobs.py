"""What people do with jobs: list, look, run now, enable, disable, try the tree as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longhouse import audit, history, ledger, queue
from longhouse.errors import Conflict, Invalid, NotFound
from longhouse.house import By, House
from longhouse.ledger import Firing
from longhouse.store import events, settings
from longhouse.store import jobs as rows
from longhouse.store import runs as run_rows
from longhouse.store.database import Connection, Row
from longhouse.store.jobs import Job
from longhouse.store.runs import Run
from longhouse.triggers import trigger_of, upcoming
from longhouse.triggers.misfire import End
from zerg._wire import JobDescription
from zerg.parameters import BadParameters, coerce

STRIP = 20
"""Runs in a job's strip."""


@dataclass(frozen=True)
class Overview:
    """A job as lists show it."""

    job: Job
    next_due: int | None
    """Milliseconds; None for a disabled or manual job."""
    recent: list[Row]
    """The newest runs, newest first."""


@dataclass(frozen=True)
class Manifest:
    """Whether what is on disk is what runs."""

    ok: bool
    loaded_commit: str | None
    error: str | None = None
    file: str | None = None
    line: int | None = None
    traceback: str = ""
    broken_since: int | None = None


def list_jobs(house: House, *, after: str = "", limit: int = 50) -> tuple[list[Overview], str | None]:
    """At most `limit` jobs with an id above `after`, and where the next page starts (None: that was all)."""
    with house.db.read() as db:
        found = rows.page(db, after, limit + 1)
        shown = found[:limit]
        recent = run_rows.newest_of_jobs(db, [job.id for job in shown], STRIP)
    items = [Overview(job, next_due(house, job), recent[job.id]) for job in shown]
    return items, shown[-1].id if len(found) > limit else None


def get_job(house: House, job_id: str) -> Overview:
    """Raises NotFound."""
    with house.db.read() as db:
        job = _get(db, job_id)
        recent = run_rows.newest_of_jobs(db, [job_id], STRIP)
    return Overview(job, next_due(house, job), recent[job_id])


def next_due(house: House, job: Job) -> int | None:
    trigger = trigger_of(job.spec, house.zone) if job.enabled else None
    return trigger.after(house.clock.now()) if trigger else None


def upcoming_of(house: House, job: Job, limit: int) -> list[int]:
    """The next due times, whether the job is enabled or not."""
    trigger = trigger_of(job.spec, house.zone)
    return list(upcoming(trigger, house.clock.now(), limit)) if trigger else []


def firings(house: House, job_id: str, *, low: int, high: int, limit: int = 200) -> list[Firing]:
    """The ledger of one job between two times (milliseconds), newest first. Raises NotFound."""
    with house.db.read() as db:
        return ledger.shown(house, db, _get(db, job_id, removed=True), low, high, limit)


def manifest(house: House) -> Manifest:
    with house.db.read() as db:
        stored = settings.get(db, "manifest")
    return Manifest(**stored) if stored else Manifest(ok=True, loaded_commit=None)


def run_now(house: House, job_id: str, by: By, *, params: dict[str, Any] | None = None, text: bool = False) -> Run:
    """A run of its own, at once, for a disabled job too. `text`: the values come from a command line or form.

    Raises NotFound, Invalid (parameters), and Conflict while the job's overlap setting leaves no room.
    """
    with house.db.write() as db:
        job = _get(db, job_id)
        values = checked_params(job.spec, params or {}, text=text)
        _refuse_overlap(db, job)
        run_id = queue.enqueue(house, db, job, trigger="manual", by=by, params=values)
        return _run(db, run_id)


def checked_params(spec: JobDescription, given: dict[str, Any], *, text: bool) -> dict[str, Any]:
    """The manifest's `params` overlaid with `given`, complete and of the right types. Raises Invalid naming each."""
    try:
        values = {**spec.params, **coerce(spec.parameters, given, text=text, partial=True)}
        return coerce(spec.parameters, values)
    except BadParameters as error:
        raise Invalid(
            f"the parameters do not fit {spec.id}: {error}",
            hint="GET /api/jobs/{id} and `longhouse-jobs jobs show` list the parameters.",
            errors=[{"pointer": f"/params/{name}", "message": text} for name, text in error.problems.items()],
        ) from error


def _refuse_overlap(db: Connection, job: Job) -> None:
    overlap = ledger.overlap_of(db, job)
    if overlap.admits():
        return
    active = run_rows.active_of_job(db, job.id)[-1]
    state = {"queued": "is queued", "running": "is running", "retrying": "waits to be tried again"}[active["state"]]
    raise Conflict(
        f"{job.id} has run {active['id']}, which {state}; its overlap setting is {job.spec.overlap!r}",
        hint=f"Wait for it or cancel it (longhouse-jobs runs cancel {active['id']}), or set overlap='allow'.",
        run=active["id"],
    )


def rerun(house: House, run_id: int, by: By, *, same_commit: bool) -> Run:
    """The run once more with the same parameters: on the commit it ran, or on the one that is loaded now.

    Raises NotFound, Conflict (still active, overlap) and Invalid if the parameters do not fit the latest code.
    """
    with house.db.write() as db:
        old = history.in_transaction(db, run_id)
        job = rows.get(db, old.job_id, removed=True)
        if job is None:
            raise NotFound(f"run {run_id} belongs to a job {old.job_id!r} that is not known")
        if same_commit:
            pinned = history.job_as_it_ran(job, old)
            params = old.params
        else:
            pinned = _get(db, old.job_id)
            params = checked_params(pinned.spec, old.params, text=False)
        trial = same_commit and old.trigger == "trial"
        if not trial:
            _refuse_overlap(db, job)
        new = queue.enqueue(
            house,
            db,
            pinned,
            trigger="trial" if trial else "rerun",
            by=by,
            due=old.due,
            params=params,
            pinned=same_commit,
            rerun_of=run_id,
            max_attempts=1 if trial else None,
        )
        return _run(db, new)


def set_enabled(house: House, job_id: str, enabled: bool, by: By) -> Job:
    """Enable or disable at once; the override follows into jobs.toml as a commit. Raises NotFound.

    Waits for no manifest, git lock or disk space but the database's own.
    """
    with house.db.write() as db:
        job, now = _get(db, job_id), house.clock.now()
        if job.enabled != enabled:
            change_enabled(house, db, job, enabled, now)
            audit.record(
                house,
                db,
                by,
                "job.enable" if enabled else "job.disable",
                f"job:{job_id}",
                before={"enabled": job.enabled},
                after={"enabled": enabled},
            )
            rows.put_override(db, job_id, enabled, by.name, by.surface, now)
        changed = _get(db, job_id)
    house.feed.replan()
    house.feed.repo.ring()
    return changed


def change_enabled(house: House, db: Connection, job: Job, enabled: bool, now: int) -> None:
    """The ledger and the row; whoever calls writes the audit row."""
    if enabled:
        ledger.close_skip(house, db, job, now)
    else:
        ledger.settle_job(house, db, job, now)
        ledger.open_skip(house, db, job, End.SKIPPED_DISABLED, now)
    rows.set_enabled(db, job.id, enabled)
    events.append(db, "job.changed", f"job:{job.id}", {"job": job.id, "enabled": enabled}, now)


def _get(db: Connection, job_id: str, *, removed: bool = False) -> Job:
    job = rows.get(db, job_id, removed=removed)
    if job is None:
        gone = rows.get(db, job_id, removed=True)
        if gone is not None:
            raise NotFound(f"the job {job_id!r} is no longer in the manifest", hint="Its runs are still listed.")
        raise NotFound(f"there is no job {job_id!r}", hint="List jobs with: longhouse-jobs jobs list")
    return job


def _run(db: Connection, run_id: int) -> Run:
    run = run_rows.get(db, run_id)
    assert run is not None
    return run

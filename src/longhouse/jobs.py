"""What people do with jobs: list, look, run now, enable, disable, try the tree as it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from longhouse import audit, history, ledger, pauses, queue, secrets
from longhouse.errors import Conflict, Invalid, NotFound
from longhouse.house import By, House
from longhouse.ledger import Firing
from longhouse.moments import ahead
from longhouse.pauses import INSTANCE
from longhouse.store import events, settings
from longhouse.store import jobs as rows
from longhouse.store import runs as run_rows
from longhouse.store.database import Connection, Row
from longhouse.store.idempotency import Joined
from longhouse.store.jobs import Job
from longhouse.store.pauses import Pause
from longhouse.store.runs import Run
from longhouse.triggers import trigger_of, upcoming
from longhouse.triggers.turns import Turn, turns
from zerg._wire import JobDescription
from zerg.parameters import BadParameters, coerce

STRIP = 60
"""Runs in a job's strip."""
TURNS_AHEAD_MS = 2 * 366 * 86_400_000


@dataclass(frozen=True)
class Overview:
    """A job as lists show it."""

    job: Job
    next_due: int | None
    """Milliseconds; None for a disabled or manual job, and while it is paused until somebody resumes."""
    recent: list[Row]
    """The newest runs, newest first."""
    pause: Pause | None
    """Its own."""
    held: bool
    """By its own pause or by that of the instance."""


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


def list_jobs(
    house: House, *, after: str = "", limit: int = 50, among: list[str] | None = None, recent: int = STRIP
) -> tuple[list[Overview], str | None]:
    """At most `limit` jobs with an id above `after`, and where the next page starts (None: that was all).

    `among`: only these, in order of their ids.
    """
    with house.db.read() as db:
        if among is None:
            found = rows.page(db, after, limit + 1)
        else:
            found = rows.those(db, [job_id for job_id in among if job_id > after][: limit + 1])
        shown = found[:limit]
        newest = run_rows.newest_of_jobs(db, [job.id for job in shown], recent)
    held = pauses.current(house)
    items = [_overview(house, job, newest[job.id], held) for job in shown]
    return items, shown[-1].id if len(found) > limit else None


def overviews(house: House, job_ids: list[str]) -> list[Overview]:
    """Those that are jobs of the manifest, in this order; of their runs only what a strip shows."""
    with house.db.read() as db:
        found = rows.those(db, job_ids)
        recent = run_rows.strips_of_jobs(db, [job.id for job in found], STRIP)
    held = pauses.current(house)
    return [_overview(house, job, recent[job.id], held) for job in found]


def get_job(house: House, job_id: str) -> Overview:
    """Raises NotFound."""
    with house.db.read() as db:
        job = get_known(db, job_id)
        recent = run_rows.newest_of_jobs(db, [job_id], STRIP)
    return _overview(house, job, recent[job_id], pauses.current(house))


def _overview(house: House, job: Job, recent: list[Row], held: dict[str, Pause]) -> Overview:
    start = pauses.resumes_at(held, job.id, house.clock.now()) if job.enabled else None
    trigger = trigger_of(job.spec, house.zone) if start is not None else None
    due = trigger.after(_before(house, start)) if trigger and start is not None else None
    return Overview(job, due, recent, held.get(job.id), bool({INSTANCE, job.id} & held.keys()))


def _before(house: House, start: int) -> int:
    """The last moment that does not count: what is due now has been due, what is due as a pause ends fires."""
    return start if start == house.clock.now() else start - 1


def upcoming_of(house: House, job: Job, limit: int) -> list[int]:
    """The next due times, whether the job is enabled or not; those after its pause if that has an end."""
    trigger, now = trigger_of(job.spec, house.zone), house.clock.now()
    start = pauses.resumes_at(pauses.current(house), job.id, now)
    return list(upcoming(trigger, _before(house, now if start is None else start), limit)) if trigger else []


def clock_changes(house: House, job: Job) -> list[Turn]:
    """The next two changes of its zone's clocks that do something to its due times, if there are any in two years."""
    if job.spec.cron is None:
        return []
    now = house.clock.now()
    return list(islice(turns(job.spec.cron, job.spec.timezone or house.zone, now, now + TURNS_AHEAD_MS), 2))


def firings(house: House, job_id: str, *, low: int, high: int, limit: int = 200) -> list[Firing]:
    """The ledger of one job between two times (milliseconds), newest first. Raises NotFound."""
    with house.db.read() as db:
        return ledger.shown(house, db, get_known(db, job_id, removed=True), low, high, limit)


def manifest(house: House) -> Manifest:
    with house.db.read() as db:
        stored = settings.get(db, "manifest")
    return Manifest(**stored) if stored else Manifest(ok=True, loaded_commit=None)


def run_now(
    house: House,
    job_id: str,
    by: By,
    *,
    params: dict[str, Any] | None = None,
    text: bool = False,
    at: str | None = None,
    debug: bool = False,
) -> Run:
    """A run of its own, at once or at a time to come, for a disabled job too.

    `text`: the values come from a command line or form. `debug`: with all that `logging` has to say. Until its time a
    run for later is in nobody's way; then it waits its turn like any other. Raises NotFound, Invalid (parameters,
    time), and Conflict while the job's overlap setting leaves no room for a run at once.
    """
    with house.db.write() as db:
        job = get_known(db, job_id)
        values = checked_params(job.spec, params or {}, text=text)
        start = None if at is None else ahead(house, "at", at)
        if start is None:
            _refuse_overlap(house, db, job)
        trigger = "manual" if start is None else "later"
        run_id = queue.enqueue(house, db, job, trigger=trigger, by=by, not_before=start, params=values, debug=debug)
        return _run(db, run_id)


def checked_params(
    spec: JobDescription, given: dict[str, Any], *, text: bool, over: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The manifest's `params` overlaid with `over` and then `given`, complete and of the right types.

    Raises Invalid naming each.
    """
    try:
        values = {**spec.params, **(over or {}), **coerce(spec.parameters, given, text=text, partial=True)}
        return coerce(spec.parameters, values)
    except BadParameters as error:
        raise Invalid(
            f"the parameters do not fit {spec.id}: {error}",
            hint="GET /api/jobs/{id} and `longhouse-jobs jobs show` list the parameters.",
            errors=[{"pointer": f"/params/{name}", "message": text} for name, text in error.problems.items()],
        ) from error


def _refuse_overlap(house: House, db: Connection, job: Job) -> None:
    now = house.clock.now()
    if ledger.overlap_of(db, job, now).admits():
        return
    active = run_rows.in_the_way(db, job.id, now)[-1]
    state = {"queued": "is queued", "running": "is running", "retrying": "waits to be tried again"}[active["state"]]
    raise Conflict(
        f"{job.id} has run {active['id']}, which {state}; its overlap setting is {job.spec.overlap!r}",
        hint=f"Wait for it or cancel it (longhouse-jobs runs cancel {active['id']}), or set overlap='allow'.",
        run=active["id"],
    )


def no_room(house: House, job_id: str) -> Conflict | None:
    """Why a run of the job cannot start at once or wait, by its overlap setting; None if it can."""
    with house.db.read() as db:
        job = rows.get(db, job_id, removed=True)
        try:
            if job is not None:
                _refuse_overlap(house, db, job)
        except Conflict as error:
            return error
    return None


def rerun(
    house: House,
    run_id: int,
    by: By,
    *,
    same_commit: bool,
    params: dict[str, Any] | None = None,
    text: bool = False,
    whole: bool = False,
    debug: bool | None = None,
    crowd: bool = False,
) -> Run:
    """The run once more: on the commit it ran, or on the one that is loaded now.

    `params` change those that the run had, or with `whole` are all there are; `text` as in `run_now`. `debug` None: as
    the run had it. `crowd`: it is one of several that may wait for each other; whoever asks has seen to it that there
    was room for them.

    Raises NotFound, Conflict (still active, overlap) and Invalid if the parameters do not fit the code.
    """
    with house.db.write() as db:
        old = history.in_transaction(db, run_id)
        job = rows.get(db, old.job_id, removed=True)
        if job is None:
            raise NotFound(f"run {run_id} belongs to a job {old.job_id!r} that is not known")
        pinned = history.job_as_it_ran(job, old) if same_commit else get_known(db, old.job_id)
        values = old.params
        if params is not None or not same_commit:
            values = checked_params(pinned.spec, params or {}, text=text, over={} if whole else old.params)
        trial = same_commit and old.trigger == "trial"
        if not trial and not crowd:
            _refuse_overlap(house, db, job)
        new = queue.enqueue(
            house,
            db,
            pinned,
            trigger="trial" if trial else "rerun",
            by=by,
            due=old.due,
            params=values,
            pinned=same_commit,
            debug=old.debug if debug is None else debug,
            rerun_of=run_id,
            max_attempts=1 if trial else None,
        )
        return _run(db, new)


def set_enabled(house: House, job_id: str, enabled: bool, by: By) -> Job:
    """Enable or disable at once; the override follows into jobs.toml as a commit. Raises NotFound, and
    secrets.Missing for a job that is to be enabled and lacks one.

    Waits for no manifest, git lock or disk space but the database's own.
    """
    with house.db.write() as db:
        now = house.clock.now()
        pauses.expire(house, db, now)
        job = get_known(db, job_id)
        if enabled:
            secrets.require(db, job.spec)
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
        changed = get_known(db, job_id)
    house.feed.replan()
    house.feed.repo.ring()
    return changed


def change_enabled(house: House, db: Connection, job: Job, enabled: bool, now: int) -> None:
    """The ledger and the row; whoever calls writes the audit row."""
    ledger.turn(house, db, job, ledger.standing(replace(job, enabled=enabled)), now)
    rows.set_enabled(db, job.id, enabled)
    events.append(db, "job.changed", f"job:{job.id}", {"job": job.id, "enabled": enabled}, now)


def pause(house: House, job_id: str, by: By, *, until: str | None = None) -> Pause:
    """Hold the job's schedule back, at once, also while the instance is paused. Raises NotFound, Invalid (time)."""
    with house.db.write() as db:
        pauses.expire(house, db, house.clock.now())
        found = pauses.begin(house, db, job_id, [get_known(db, job_id)], by, until)
    house.feed.replan()
    return found


def resume(house: House, job_id: str, by: By) -> bool:
    """False if it was not paused by itself. It stays held back while the instance is paused. Raises NotFound."""
    with house.db.write() as db:
        pauses.expire(house, db, house.clock.now())
        was = pauses.end(house, db, get_known(db, job_id).id, by, house.clock.now())
    house.feed.replan()
    return was


def active_runs(house: House, job_id: str) -> int:
    """How many of its runs have not ended."""
    with house.db.read() as db:
        return len(run_rows.active_ids(db, job_id))


def cancel_runs(house: House, job_id: str, by: By) -> list[Run]:
    """Ask every run of the job that has not ended to stop, those for a time to come too. Raises NotFound."""
    with house.db.write() as db:
        get_known(db, job_id, removed=True)
        return cancel_each(house, db, run_rows.active_ids(db, job_id), by)


def cancel_each(house: House, db: Connection, run_ids: list[int], by: By) -> list[Run]:
    """All of them or, if one cannot be, none."""
    inside = replace(house, db=Joined(db, house.db))
    return [queue.cancel(inside, run_id, by) for run_id in run_ids]


def get_known(db: Connection, job_id: str, *, removed: bool = False) -> Job:
    """A job of the manifest, or one that was; for verbs with a transaction of their own. Raises NotFound."""
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


# --- ctx.state ------------------------------------------------------------------------------------------------------


def memory(house: House, job_id: str) -> dict[str, Any]:
    """What the job keeps in `ctx.state`, by key. Raises NotFound."""
    with house.db.read() as db:
        return rows.state(db, get_known(db, job_id, removed=True).id)


def forget(house: House, job_id: str, key: str | None, by: By) -> int:
    """Clear one key of the job's state, or all of it (None); how many went. Raises NotFound.

    A run that is alive goes on with what it was given, and what it sets is kept.
    """
    with house.db.write() as db:
        job = get_known(db, job_id, removed=True)
        gone = [each for each in rows.state(db, job.id) if key in (None, each)]
        if key is not None and not gone:
            raise NotFound(f"{job_id} keeps nothing under {key!r}", hint=f"See: longhouse-jobs jobs state {job_id}")
        for each in gone:
            rows.drop_state(db, job.id, each)
        if gone:
            audit.record(house, db, by, "job.forget", f"job:{job.id}", before={"keys": sorted(gone)[:100]})
            events.append(db, "job.changed", f"job:{job.id}", {"job": job.id}, house.clock.now())
    return len(gone)

"""Pausing: schedules do not fire and nothing that waits is started, for the whole instance or for one job.

Runs that have begun go on, and what somebody starts by hand (Run now, rerun, trial) starts. Due times inside a pause
end as skipped_paused and are not made up for. A pause with an end is over at that moment, whoever runs then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from longhouse import audit, ledger
from longhouse.house import SYSTEM, By, House
from longhouse.logs import Log
from longhouse.moments import ahead
from longhouse.store import events, jobs
from longhouse.store import pauses as rows
from longhouse.store.database import Connection
from longhouse.store.jobs import Job
from longhouse.store.pauses import Pause
from longhouse.triggers import BadCron

log = Log("longhouse.pauses")

INSTANCE = ""
"""The key of the pause that holds for all jobs."""


def current(house: House) -> dict[str, Pause]:
    """The pauses that last, by job id; that of the instance under INSTANCE."""
    with house.db.read() as db:
        found = rows.every(db)
    now = house.clock.now()
    return {each.job_id: each for each in found if each.until is None or each.until > now}


def of_instance(house: House) -> Pause | None:
    return current(house).get(INSTANCE)


def resumes_at(held: Mapping[str, Pause], job_id: str, now: int) -> int | None:
    """The moment from which the job fires by its schedule: `now` if nothing holds it, None if nobody knows when."""
    ends = [held[key].until for key in (INSTANCE, job_id) if key in held]
    return None if None in ends else max([now, *(end for end in ends if end is not None)])


# --- the switch -----------------------------------------------------------------------------------------------------


def pause(house: House, by: By, *, until: str | None = None) -> Pause:
    """Hold everything back, at once; again with another end: that end counts. Raises Invalid for the time."""
    with house.db.write() as db:
        expire(house, db, house.clock.now())
        found = begin(house, db, INSTANCE, jobs.all_jobs(db), by, until)
    house.feed.replan()
    return found


def resume(house: House, by: By) -> bool:
    """False if nothing was paused. Jobs that are paused by themselves stay so."""
    with house.db.write() as db:
        expire(house, db, house.clock.now())
        was = end(house, db, INSTANCE, by, house.clock.now())
    house.feed.replan()
    return was


def begin(house: House, db: Connection, key: str, held: Iterable[Job], by: By, until: str | None) -> Pause:
    """`held` are the jobs that `key` stands for. Raises Invalid for the time."""
    now = house.clock.now()
    at = None if until is None else ahead(house, "until", until)
    before = rows.get(db, key)
    for job in held:
        if not job.paused:
            _turn(house, db, job, True, now)
    found = Pause(key, before.since if before else now, at, by.name, by.surface)
    rows.put(db, found)
    audit.record(house, db, by, "pause", _subject(key), before=_said(before), after=_said(found))
    _tell(house, db, key, True, now)
    return found


def end(house: House, db: Connection, key: str, by: By, last: int) -> bool:
    """The pause is over after `last`, milliseconds. False if there was none."""
    before = rows.get(db, key)
    if before is None:
        return False
    rows.drop(db, key)
    still = {each.job_id for each in rows.every(db)} if key == INSTANCE else set()
    for job in jobs.all_jobs(db) if key == INSTANCE else filter(None, [jobs.get(db, key)]):
        if job.id not in still and (key == INSTANCE or not job.paused):
            _turn(house, db, replace(job, paused=True), False, last)
    audit.record(house, db, by, "resume", _subject(key), before=_said(before))
    _tell(house, db, key, False, house.clock.now())
    return True


def expire(house: House, db: Connection, now: int) -> bool:
    """End every pause whose time is up, each at its own time. To be called before anything else changes how jobs stand.

    False if there was none; then nothing is written.
    """
    over = rows.over(db, now)
    for each in over:
        assert each.until is not None
        end(house, db, each.job_id, SYSTEM, each.until - 1)
    return bool(over)


def _turn(house: House, db: Connection, job: Job, paused: bool, now: int) -> None:
    """`job` as it has been."""
    try:
        ledger.turn(house, db, job, ledger.standing(replace(job, paused=paused)), now)
    except BadCron as error:  # it fires no more, paused or not; it must not keep the others from being paused
        log.error("a job cannot be scheduled any more", job=job.id, error=error)


def _subject(key: str) -> str:
    return "instance" if key == INSTANCE else f"job:{key}"


def _said(pause: Pause | None) -> dict[str, object] | None:
    return None if pause is None else {name: value for name, value in asdict(pause).items() if name != "job_id"}


def _tell(house: House, db: Connection, key: str, paused: bool, now: int) -> None:
    if key == INSTANCE:
        events.append(db, "scheduler.changed", "instance", {"paused": paused}, now)
    else:
        events.append(db, "job.changed", f"job:{key}", {"job": key, "paused": paused}, now)

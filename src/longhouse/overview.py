"""Is everything fine? What runs, what failed since somebody last looked, what comes next, what was missed, and how the
instance stands: all that Home, `GET /api/overview` and `longhouse-jobs status` say."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from longhouse import doctor, pauses
from longhouse.accounts import OWNER
from longhouse.doctor import Check
from longhouse.house import House
from longhouse.moments import DAY_MS
from longhouse.store import jobs as job_rows
from longhouse.store import overview as rows
from longhouse.store import run_search, settings
from longhouse.store import runs as run_rows
from longhouse.store.database import Connection
from longhouse.store.pauses import Pause
from longhouse.store.run_search import Wanted
from longhouse.store.runs import Run
from longhouse.triggers import BadCron, trigger_of
from longhouse.triggers.misfire import End
from zerg._wire import JobDescription

RUNNING = 10
FAILED = 10
NEXT = 10
MISSED = 20
MOST_FAILURES = 1_000
"""Newest failures and newest missed entries that are looked at; `…_cut` says that there are more."""
MOST_MISSED = 2_000
MISSED_DAYS = 7
NEVER_LOOKED_DAYS = 7
"""Who has never looked is told of so many days."""
MARK = f"looked:{OWNER}"
"""There is one account."""

URGENT_WARNINGS = frozenset({"repo", "sync", "disk", "clock", "queue"})
"""Checks of which a warning, too, needs somebody. The others warn of how the instance was set up."""


@dataclass(frozen=True)
class Need:
    """One thing that needs somebody."""

    code: str
    """failures, missed, paused, stopping, engine, or the name of a check."""
    sentence: str
    job_id: str | None = None
    run_id: int | None = None


@dataclass(frozen=True)
class Failure:
    """The runs of one job that have failed since somebody last looked."""

    job_id: str
    count: int
    run: Run
    """The newest of them."""
    recovered: bool
    """A later run has succeeded."""


@dataclass(frozen=True)
class Upcoming:
    job_id: str
    due: int
    zone: str


@dataclass(frozen=True)
class Missed:
    """Due times of one job in the last seven days that started no run, all for the same reason."""

    job_id: str
    end: str
    count: int
    first: int
    last: int
    new: bool
    """Entered since somebody last looked."""


@dataclass(frozen=True)
class Overview:
    now: int
    headline: str
    needs: list[Need]
    jobs: int
    enabled: int
    paused: bool
    running: list[Run]
    """The newest of those that run now."""
    active: dict[str, int]
    """Unfinished runs by state."""
    looked_at: int | None
    since: int
    """Failures after this time are told."""
    failures: list[Failure]
    failed_runs: int
    failed_jobs: int
    upcoming: list[Upcoming]
    missed: list[Missed]
    missed_jobs: int
    """Rows of `missed` before they were cut."""
    checks: list[Check]
    version: str
    up_since: int

    @property
    def fine(self) -> bool:
        return not self.needs


def overview(house: House, engine: Sequence[str] = ()) -> Overview:
    """`engine`: what the loops complain of, for they are not the verbs' to ask."""
    now = house.clock.now()
    with house.db.read() as db:
        looked = settings.get(db, MARK)
        since = looked if looked is not None else now - NEVER_LOOKED_DAYS * DAY_MS
        failed = rows.failures(db, since, MOST_FAILURES)
        failures = list(_failures(db, failed[:FAILED]))
        missed = [
            Missed(row["job_id"], row["end"], row["count"], row["first"], row["last"], row["recorded_at"] > since)
            for row in rows.missed(db, now - MISSED_DAYS * DAY_MS, MOST_MISSED)
        ]
        running = run_search.page(db, Wanted(states=("running",)), before=None, limit=RUNNING)
        active = {"running": 0, "queued": 0, "retrying": 0, **run_rows.counts(db)}
        known, enabled = job_rows.counts(db)
    paused = pauses.of_instance(house) is not None
    checks = doctor.report(house)
    needs = [
        *(Need("engine", sentence) for sentence in engine),
        *_standing(house, paused),
        *_of_checks(checks),
        *_of_failures(failures, len(failed), sum(row["count"] for row in failed)),
        *_of_missed([each for each in missed if each.new and each.end != End.SKIPPED_OVERLAP]),
    ]
    return Overview(
        now=now,
        headline=_headline(needs, known),
        needs=needs,
        jobs=known,
        enabled=enabled,
        paused=paused,
        running=running,
        active=active,
        looked_at=looked,
        since=since,
        failures=failures,
        failed_runs=sum(row["count"] for row in failed),
        failed_jobs=len(failed),
        upcoming=next_firings(house, NEXT),
        missed=missed[:MISSED],
        missed_jobs=len(missed),
        checks=checks,
        version=house.version,
        up_since=house.up_since,
    )


def mark_seen(house: House, until: int | None = None) -> int:
    """Failures and missed due times up to `until` (milliseconds; None: now) have been seen; the mark.

    It never goes back."""
    with house.db.write() as db:
        now = house.clock.now()
        mark = max(settings.get(db, MARK) or 0, min(until if until is not None else now, now))
        settings.put(db, MARK, mark)
    return mark


def next_firings(house: House, limit: int) -> list[Upcoming]:
    """The next due times of all jobs together, one job several times if it is often due, earliest first."""
    now, held = house.clock.now(), pauses.current(house)
    with house.db.read() as db:
        schedules = job_rows.scheduled(db)
    return list(_merged(house, now, held, schedules, limit))


def _merged(
    house: House,
    now: int,
    held: Mapping[str, Pause],
    schedules: Sequence[JobDescription],
    limit: int,
) -> Iterator[Upcoming]:
    heap = []
    for number, each in enumerate(schedules):
        start = pauses.resumes_at(held, each.id, now) if held else now
        if start is None:
            continue
        try:
            trigger = trigger_of(each, house.zone)
        except BadCron:  # its zone left the machine: it fires no more, and its own page says so
            continue
        assert trigger is not None
        due = trigger.after(start if start == now else start - 1)
        if due is not None:
            heap.append((due, number, trigger))
    heapq.heapify(heap)
    while heap and limit > 0:
        limit -= 1
        due, number, trigger = heap[0]
        job = schedules[number]
        yield Upcoming(job.id, due, job.timezone or house.zone)
        after = trigger.after(due)
        if after is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (after, number, trigger))


def _failures(db: Connection, failed: list[dict[str, int | str]]) -> Iterator[Failure]:
    newest = run_rows.newest_of_jobs(db, [str(row["job_id"]) for row in failed], 1)
    for row in failed:
        run = run_rows.get(db, int(row["run_id"]))
        assert run is not None
        last = newest[run.job_id]
        recovered = bool(last) and last[0]["id"] > run.id and last[0]["state"] == "succeeded"
        yield Failure(run.job_id, int(row["count"]), run, recovered)


# --- what needs somebody --------------------------------------------------------------------------------------------


def _headline(needs: list[Need], jobs: int) -> str:
    if needs:
        return "1 thing needs you" if len(needs) == 1 else f"{len(needs)} things need you"
    return "Everything is fine" if jobs else "Everything is ready for your first job"


def _standing(house: House, paused: bool) -> Iterator[Need]:
    if house.feed.draining.is_set():
        yield Need("stopping", "the server is being stopped: nothing new starts")
    if paused:
        yield Need("paused", "everything is paused: nothing fires")


def _of_checks(checks: list[Check]) -> Iterator[Need]:
    for check in checks:
        if check.status == "error" or (check.status == "warning" and check.name in URGENT_WARNINGS):
            yield Need(check.name, check.message)


def _of_failures(failures: list[Failure], jobs: int, runs: int) -> Iterator[Need]:
    if jobs == 1:
        one = failures[0]
        times = "" if one.count == 1 else f" {one.count} times"
        since = ", and has succeeded since" if one.recovered else ""
        yield Need("failures", f"{one.job_id} has failed{times}{since}", one.job_id, one.run.id)
    elif jobs:
        yield Need(
            "failures", f"{jobs} jobs have failed, {runs}{'' if runs < MOST_FAILURES else ' or more'} runs in all"
        )


def _of_missed(missed: list[Missed]) -> Iterator[Need]:
    count, jobs = sum(each.count for each in missed), {each.job_id for each in missed}
    if not count:
        return
    what = "1 due time was missed" if count == 1 else f"{count:,} due times were missed"
    only = next(iter(jobs)) if len(jobs) == 1 else None
    yield Need("missed", f"{what}, {f'of {only}' if only else f'of {len(jobs)} jobs'}", only)

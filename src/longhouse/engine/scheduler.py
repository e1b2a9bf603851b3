"""Fires jobs on time. The ledger decides what is due; APScheduler only wakes us up, so a late, doubled or missed
wake-up loses and doubles nothing."""

from __future__ import annotations

import asyncio
import heapq
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from longhouse import jumps, ledger, pauses
from longhouse.clock import moment
from longhouse.house import House
from longhouse.logs import Log
from longhouse.store import jobs
from longhouse.store import pauses as pause_rows
from longhouse.store.jobs import Job
from longhouse.triggers import BadCron, Trigger, trigger_of

log = Log("longhouse.scheduler")

BATCH = 200
"""Jobs settled in one transaction: small enough to let a request in between, large enough for one fsync to count."""
WAKE_ANYWAY = timedelta(minutes=1)
AGAIN_MS = 1_000
WATCH_SECONDS = 1.0
HANGS_SECONDS = 15.0
SLEPT_SECONDS = 1.0
"""The watch comes later than this: the machine slept, or we were stopped."""


class Plan:
    """When each enabled job is due next; rebuilt from the database whenever jobs change."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._heap: list[tuple[int, str]] = []
        self._pause_ends: int | None = None

    def rebuild(self) -> None:
        """What is due next after each job's cursor, so a due time that passed while we were away is in it."""
        with self._house.db.read() as db:
            known = jobs.all_jobs(db)
            self._pause_ends = pause_rows.next_end(db)
        heap = []
        for job in known:
            trigger = _trigger(self._house, job)
            due = trigger.after(job.cursor) if trigger else None
            if due is not None:
                heap.append((due, job.id))
        heapq.heapify(heap)
        self._heap = heap

    def pause_is_over(self, now: int) -> bool:
        return self._pause_ends is not None and self._pause_ends <= now

    def due(self, now: int, limit: int) -> list[str]:
        """At most `limit` jobs that are due at `now`, earliest first."""
        return [job_id for due, job_id in heapq.nsmallest(limit, self._heap) if due <= now]

    def settled(self, upcoming: dict[str, int | None]) -> None:
        """These jobs are settled; this is when they are due next."""
        kept = [(due, job_id) for due, job_id in self._heap if job_id not in upcoming]
        self._heap = kept + [(due, job_id) for job_id, due in upcoming.items() if due is not None]
        heapq.heapify(self._heap)

    def first(self) -> int | None:
        """The earliest planned due time or end of a pause, passed or not."""
        first = self._heap[0][0] if self._heap else None
        return min((each for each in (first, self._pause_ends) if each is not None), default=None)


def _trigger(house: House, job: Job) -> Trigger | None:
    """None for a job that is not to fire. A schedule that has gone bad since it was loaded, because its zone left the
    machine, stops that job alone."""
    if ledger.standing(job) is not None:
        return None
    try:
        return trigger_of(job.spec, house.zone)
    except BadCron as error:
        log.error("a job cannot be scheduled any more", job=job.id, error=error)
        return None


class Scheduler:
    def __init__(self, house: House) -> None:
        self._house = house
        self._plan = Plan(house)
        self._timer: Timer | None = None
        self._seen = house.clock.monotonic()
        self.ticked_at = self._seen
        """Monotonic seconds of the last look at the clock; old when the engine hangs."""
        house.feed.plan_stale.set()

    def step(self) -> float | None:
        """Settle what is due. Seconds until the next step: 0 while more is due, else None: the timer rings."""
        if self._house.feed.plan_stale.is_set():
            self._house.feed.plan_stale.clear()
            try:
                ledger.rewind_all(self._house)
                self._plan.rebuild()
            except BaseException:
                self._house.feed.plan_stale.set()
                raise
        now = self._house.clock.now()
        if self._house.reserve.since(now) is not None:
            return None  # what is due waits: it fires, or is missed, when there is space; we are rung for then
        if self._plan.pause_is_over(now):
            with self._house.db.write() as db:
                pauses.expire(self._house, db, now)
            self._plan.rebuild()
        due = self._plan.due(now, BATCH)
        if due:
            self._plan.settled(self._settle(due, now))
        if self._timer is not None:
            self._timer.rearm()
        return 0 if self._plan.due(self._house.clock.now(), 1) else None

    def catch_up(self) -> None:
        """At the start, before a changed manifest is loaded: what was due while we were away is settled by what was
        loaded then."""
        while self.step() is not None:
            pass

    def _settle(self, job_ids: list[str], now: int) -> dict[str, int | None]:
        """One transaction; when each of the jobs is due next."""
        upcoming: dict[str, int | None] = {}
        with self._house.db.write() as db:
            gaps = jumps.gaps(self._house, db)
            for job_id in job_ids:
                job = jobs.get(db, job_id)
                trigger = _trigger(self._house, job) if job else None
                if job is not None and trigger is not None:
                    ledger.settle_job(self._house, db, job, now, gaps)
                upcoming[job_id] = trigger.after(max(now, job.cursor)) if job and trigger else None
        return upcoming

    async def ring(self) -> None:
        """What the timer calls; a coroutine, so that APScheduler runs it in the loop and not in a thread."""
        self._house.feed.plan.ring()

    def next_due(self) -> int | None:
        """When the timer has to ring. What is due already is being settled, or became due since the last step looked:
        then it rings again in a moment."""
        first, now = self._plan.first(), self._house.clock.now()
        return now + AGAIN_MS if first is not None and first <= now else first

    # --- the clock --------------------------------------------------------------------------------------------------

    def watch(self) -> float:
        """Notice that the clock was set or the machine slept: timers are late then, and the step must look again."""
        seen = self._house.clock.monotonic()
        slept = seen - self._seen > WATCH_SECONDS + SLEPT_SECONDS
        self._seen = self.ticked_at = seen
        stepped = jumps.notice(self._house)
        if slept or stepped:
            self._house.feed.replan()
            self._house.feed.dispatch.ring()
        elif self._timer is None:
            self._house.feed.plan.ring()
        return WATCH_SECONDS

    def lag_seconds(self) -> float:
        """How long the earliest due time has been waiting for its ledger entry."""
        first = self._plan.first()
        return 0.0 if first is None else max(0.0, (self._house.clock.now() - first) / 1000)

    def hangs(self) -> str | None:
        """A sentence if the clock has not been looked at for a while."""
        silent = self._house.clock.monotonic() - self.ticked_at
        return f"the scheduler has not looked at the clock for {silent:.0f} s" if silent > HANGS_SECONDS else None

    def start_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """To be called in `loop`."""
        self._timer = Timer(self, loop)

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()


class NextDue(BaseTrigger):  # type: ignore[misc]
    """The plan as APScheduler wants it: one job that fires at the earliest due time, or after a minute anyway."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        anyway: datetime = now + WAKE_ANYWAY
        due = self._scheduler.next_due()
        return anyway if due is None else min(moment(due).astimezone(now.tzinfo), anyway)


class Timer:
    """APScheduler, of which we use the alarm clock. All calls but `rearm` in the event loop."""

    def __init__(self, scheduler: Scheduler, loop: asyncio.AbstractEventLoop) -> None:
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler = scheduler
        self._loop = loop
        self._clock = AsyncIOScheduler(event_loop=loop, timezone=UTC)
        self._alarm: Any = self._clock.add_job(
            scheduler.ring, NextDue(scheduler), misfire_grace_time=None, coalesce=True, max_instances=8
        )
        self._clock.start()

    def rearm(self) -> None:
        """The plan has changed; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._set)
        except RuntimeError:
            pass  # the loop has closed: we are stopping

    def _set(self) -> None:
        if self._clock.running:
            self._alarm.reschedule(NextDue(self._scheduler))

    def stop(self) -> None:
        if self._clock.running:
            self._clock.shutdown(wait=False)

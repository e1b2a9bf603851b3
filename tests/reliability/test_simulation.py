"""The simulation and the real ledger and queue, in the same month of a clock set by hand: the same firings."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from longhouse import ledger, queue
from longhouse.house import House
from longhouse.runs.state import RunState
from longhouse.simulation import Work, simulate
from longhouse.simulation.floor import Started
from longhouse.store import jobs as job_rows
from longhouse.triggers import trigger_of
from tests.conftest import START, HandClock, job_spec
from tests.reliability.seeds import a_seed

DAYS = 30
JOBS = 20
SLOTS = 3
DAY = 86_400_000
DOWN = (START + 12 * DAY + 1_234_000, START + 13 * DAY + 777_000)


def works(chance: random.Random) -> list[Work]:
    found = []
    for number in range(JOBS):
        minute, hour = chance.choice([0, 0, 30]), chance.randrange(24)
        timed: dict[str, Any] = {
            "cron": chance.choice([f"{minute} {hour} * * *", f"{minute} {hour} * * 1", "0 */8 * * *", "30 2 * * *"])
        }
        if number % 5 == 0:
            timed = {"cron": None, "every": chance.choice([36_000, 50_000])}
        spec = job_spec(
            f"job-{number:02}",
            timezone=chance.choice(["Europe/Berlin", "UTC", "America/New_York"]),
            overlap=chance.choice(["skip", "queue", "allow"]),
            catch_up=chance.choice(["skip", "latest", "all"]),
            max_catch_up=3,
            priority=chance.randrange(2),
            concurrency_group=chance.choice([None, None, "one"]),
            **timed,
        )
        found.append(Work(spec, chance.choice([30, 1_800, 3_600, 30_000, 60_000])))
    return found


class Real:
    """The ledger and the queue; runs end when their time is over."""

    def __init__(self, house: House, clock: HandClock, known: list[Work], add_job: Callable[..., None]) -> None:
        self.house, self.clock = house, clock
        self.length = {work.spec.id: round(work.seconds * 1000) for work in known}
        self.ids = sorted(self.length)
        for work in known:
            spec = {name: value for name, value in work.spec.values().items() if name != "id"}
            add_job(work.spec.id, **{**spec, "tags": (), "parameters": (), "secrets": ()})
        self.live: dict[int, tuple[int, int, str]] = {}
        self.started: list[Started] = []
        self.triggers = {work.spec.id: trigger_of(work.spec, house.zone) for work in known}
        self.upcoming = {job_id: self.next(job_id, START - 1) for job_id in self.ids}

    def next(self, job_id: str, after: int) -> int:
        trigger = self.triggers[job_id]
        due = trigger.after(after) if trigger else None
        assert due is not None
        return due

    def until(self, end: int) -> None:
        """Every moment before `end` at which something ends or is due."""
        while (now := min([*self.upcoming.values(), *(each[0] for each in self.live.values())])) < end:
            self.at(now)

    def look(self, now: int) -> None:
        """Both clocks go on alike: a wall clock that jumps ahead alone would hold everything."""
        self.clock.seconds += (now - self.clock.ms) / 1000
        self.clock.ms = now

    def at(self, now: int) -> None:
        self.look(now)
        for run_id, (ends, attempt, _) in sorted(self.live.items()):
            if ends <= now:
                queue.finish(self.house, run_id, attempt, queue.Ending(state=RunState.SUCCEEDED))
                del self.live[run_id]
        due = sorted((due, job_id) for job_id, due in self.upcoming.items() if due <= now)
        with self.house.db.write() as db:
            for _, job_id in due:
                job = job_rows.get(db, job_id)
                assert job is not None
                ledger.settle_job(self.house, db, job, now)
                self.upcoming[job_id] = self.next(job_id, now)
        while len(self.live) < SLOTS and (claimed := queue.claim(self.house)) is not None:
            run = claimed.run
            self.live[run.id] = (now + self.length[run.job_id], claimed.attempt, run.job_id)
            self.started.append(Started(self.ids.index(run.job_id), run.not_before, now))

    def down(self, since: int, back: int) -> None:
        """What is alive is interrupted, and tried again after the return without a delay."""
        self.look(back)
        self.house = replace(self.house, up_since=back)
        for run_id, (_, attempt, _) in sorted(self.live.items()):
            queue.finish(self.house, run_id, attempt, queue.Ending(state=RunState.RETRYING, free_try=True))
        with self.house.db.write() as db:
            db.execute("UPDATE runs SET not_before = :back WHERE state = 'retrying'", {"back": back})
        self.live.clear()
        self.at(back)


def ends_of(house: House) -> dict[tuple[str, str], int]:
    with house.db.read() as db:
        rows = db.execute('SELECT job_id, "end", sum(count) AS n FROM firings GROUP BY job_id, "end"').fetchall()
    return {(job_id, end): count for job_id, end, count in rows}


def test_a_simulated_month_is_the_month_of_the_real_queue(
    house: House, clock: HandClock, add_job: Callable[..., None]
) -> None:
    seed = a_seed()
    known = works(random.Random(seed))
    real = Real(house, clock, known, add_job)
    with house.db.write() as db:
        for job_id in real.ids:
            job_rows.set_cursor(db, job_id, START - 1)
    real.until(DOWN[0])
    real.down(*DOWN)
    real.until(START + DAYS * DAY)

    trace: list[Started] = []
    span = {"zone": house.zone, "start": START, "end": START + DAYS * DAY, "slots": SLOTS, "down": DOWN}
    found = simulate(known, **span, trace=trace)
    apart = sorted(set(trace) ^ set(real.started), key=lambda each: each.at)
    assert not apart, f"seed {seed}: {apart[:3]}"
    assert len(trace) > 150
    said: dict[tuple[str, str], int] = {}
    for job in found.jobs:
        counts = {"ran": job.runs, "skipped_overlap": job.skipped}
        for end, count in job.downtime.items():
            counts[end] = counts.get(end, 0) + count
        said |= {(job.work.spec.id, end): count for end, count in counts.items() if count}
    assert said == ends_of(house), f"seed {seed}"
    quick = simulate(known, **span)
    assert (quick.jobs, quick.collisions) == (found.jobs, found.collisions)

    slow = [replace(work, seconds=work.seconds + 1) for work in known]  # the comparison sees a second
    other: list[Started] = []
    simulate(slow, **span, trace=other)
    assert sorted(other) != sorted(real.started)

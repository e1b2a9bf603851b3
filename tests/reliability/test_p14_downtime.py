"""P14: after a downtime, exactly what the catch-up setting says; P16: a stopped process; N9, N10: late and edited."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from longhouse import jobs, ledger, queue
from longhouse.engine import rescuer
from longhouse.engine.scheduler import Scheduler
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store import jobs as rows
from longhouse.store.database import many
from tests.conftest import START, HandClock, job_spec
from tests.instance import STARTER, Instance, until
from tests.reliability.seeds import a_seed
from tests.reliability.test_p11_oracle import World
from tests.reliability.walk import DAY, following

ME = By("me", "cli")
POLICIES = ("skip", "latest", "all")


def ends(house: House, job_id: str) -> Counter[str]:
    with house.db.read() as db:
        job = rows.get(db, job_id)
        assert job is not None
        found: Counter[str] = Counter()
        for entry in ledger.shown(house, db, job, 0, 2**52, 10**6):
            found[entry.end] += entry.count
        return found


def owed(policy: str, most: int, late: int, timely: int) -> dict[str, int]:
    """Counted, not computed: `overlap='allow'`, nothing active."""
    said: Counter[str] = Counter(ran=timely)
    if policy == "skip":
        said["missed_down"] += late
    elif policy == "all":
        said["ran"] += min(late, most)
        said["missed_down"] += late - min(late, most)
    elif late:
        said["ran"] += not timely
        said["caught_up_by"] += late - (not timely)
    return {end: number for end, number in said.items() if number}


@pytest.mark.parametrize(
    ("downtimes", "count"),
    [(4, 200), pytest.param(60, 200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])],
)
def test_a_downtime_is_handled_as_each_job_says(
    house: House, clock: HandClock, proves: Callable[..., None], downtimes: int, count: int
):
    chance = random.Random(a_seed())
    house.db._writer.execute("PRAGMA synchronous=OFF")
    wanted: dict[str, Counter[str]] = {}
    settings = {}
    with house.db.write() as db:
        for number in range(count):
            job_id, policy, most = f"job-{number}", chance.choice(POLICIES), chance.randint(1, 8)
            every, grace = chance.choice((60, 60, 300, 3600, 86_400)), chance.choice((1, 30, 600))
            settings[job_id], wanted[job_id] = (policy, most, every, grace), Counter()
            spec = job_spec(
                job_id,
                cron=None,
                every=every,
                catch_up=policy,
                max_catch_up=most,
                misfire_grace_seconds=grace,
                overlap="allow",
                concurrency_group="all",
                concurrency_limit=7,
            )
            rows.put(db, spec, enabled=True, commit="c", environment="", now=clock.now())
    spans = [1.0, 90 * 86_400.0, *(10 ** chance.uniform(0, 6.89) for _ in range(downtimes - 2))]
    missed = 0
    for span in spans:
        before = clock.now()
        clock.advance(span)
        now = clock.now()
        for job_id, (policy, most, every, grace) in settings.items():
            step = every * 1000
            due = now // step - before // step
            timely = min(due, max(0, now // step - (now - grace * 1000 - 1) // step))
            wanted[job_id] += Counter(owed(policy, most, due - timely, timely))
            missed += due
        server = replace(house, up_since=now)
        Scheduler(server).catch_up()
        most_at_once = 0
        live = []
        while (taken := queue.claim(server)) is not None or live:
            if taken is not None:
                live.append(taken)
                most_at_once = max(most_at_once, len(live))
                continue
            for each in live:
                queue.finish(server, each.run.id, each.attempt, Ending(state=RunState.SUCCEEDED))
            live.clear()
        assert most_at_once <= 7
    assert {job_id: dict(ends(house, job_id)) for job_id in settings} == {
        job_id: dict(found) for job_id, found in wanted.items()
    }
    with house.db.read() as db:
        late = many(db, "SELECT max(n) AS n FROM (SELECT count(*) AS n FROM runs GROUP BY job_id, created_at, trigger)")
    assert late[0]["n"] <= 600
    wrong = sum(dict(ends(house, each)) != owed("skip", 0, sum(found.values()), 0) for each, found in wanted.items())
    assert wrong
    proves(
        "P14",
        f"{len(spans)} downtimes from 1 s to 90 days, {count} jobs, {missed:,} due times: every count as the job's"
        " catch-up setting has it, never more than 7 runs of their group at once",
        f"were every job's setting skip: {wrong} jobs differ",
    )


def test_a_run_for_a_time_thirty_days_ahead_starts_once_whatever_restarts(
    house: House, clock: HandClock, proves: Callable[..., None]
):
    """N9."""
    with house.db.write() as db:
        rows.put(db, job_spec("a", cron=None), enabled=True, commit="c", environment="", now=clock.now())
        job = rows.get(db, "a")
        assert job is not None
        at = clock.now() + 30 * DAY
        run_id = queue.enqueue(house, db, job, trigger="later", by=ME, not_before=at)
    for number in range(40):
        server = replace(house, owner=f"server-{number}", up_since=clock.now())
        rescuer.rescue(server)
        Scheduler(server).catch_up()
        assert queue.claim(server) is None
        clock.advance(30 * 86_400 / 41)
    clock.ms = at
    taken = queue.claim(house)
    assert taken is not None and taken.run.id == run_id
    queue.finish(house, run_id, 1, Ending(state=RunState.SUCCEEDED))
    assert queue.claim(house) is None
    proves("P14", "a run for a time 30 days ahead: 40 restarts later it started once, in its second")


@pytest.mark.parametrize("count", [200, pytest.param(20_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_after_any_edit_the_next_due_time_is_that_of_the_manifest(
    house: House, clock: HandClock, proves: Callable[..., None], count: int
):
    """N10."""
    chance = random.Random(a_seed())
    world = World(house, clock, chance, START + 3000 * DAY)
    ids = [f"job-{number}" for number in range(6)]
    for _ in range(count):
        world.edit(chance.choice(ids))
        world.edits.clear()
        assert world.scheduler.step() is None
        expected = {}
        for job_id, walk in world.walks.items():
            fires = walk.settings is not None and walk.settings.enabled
            expected[job_id] = following(walk.settings, clock.now(), world.end) if fires and walk.settings else None
        planned = {job_id: due for due, job_id in world.scheduler._plan._heap}
        assert planned == {job_id: due for job_id, due in expected.items() if due is not None}
        with house.db.read() as db:
            present = [job.id for job in rows.all_jobs(db)]
        assert {each: jobs.get_job(house, each).next_due for each in present} == {
            each: expected[each] for each in present
        }
        clock.advance(chance.choice((1, 30, 61, 4000)))
        world.look()
    done, wrong = world.differences()
    assert wrong == []
    proves(
        "P11",
        f"{count:,} random edits, enables, disables and removals: the next due time is the manifest's own each"
        f" time, and {done:,} due times ended as they should; a removed job fires never",
    )


TICK = "def run():\n    print('tick')\n"


def last_due(instance: Instance, job_id: str) -> int:
    connection = sqlite3.connect(f"file:{instance.data / 'longhouse.db'}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT cursor FROM jobs WHERE id = ?", (job_id,)).fetchone()[0])
    finally:
        connection.close()


def test_a_stopped_server_catches_up_when_it_goes_on(instance: Instance, proves: Callable[..., None]):
    """P16."""
    instance.start()
    instance.manifest(
        STARTER + "from jobs.tick import run\n"
        "job_registry.register(JobConfig(id='tick', func=run, every=1, overlap='allow', misfire_grace_seconds=2))\n",
        tick=TICK,
    )
    began = last_due(instance, "tick")
    until(lambda: last_due(instance, "tick") > began, what="it fires")
    os.kill(instance.own(), signal.SIGSTOP)
    try:
        time.sleep(10)
        stood = last_due(instance, "tick")
    finally:
        os.kill(instance.own(), signal.SIGCONT)
    woke = time.time()
    until(lambda: last_due(instance, "tick") > (woke - 1) * 1000, what="it has caught up")
    took = time.time() - woke
    assert (woke * 1000 - stood) > 8000, "it did stand still"
    assert took < 6
    items = instance.get("/api/jobs/tick/firings")["items"]
    seen = [(each["first"], each["last"], each["count"], each["end"]) for each in items]
    assert any(end == "caught_up_by" and count >= 5 for _, _, count, end in seen), seen
    proves("P16", f"a server stopped for 10 s had caught up {took:.1f} s after it went on")

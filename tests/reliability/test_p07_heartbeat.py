"""A run that lasts many leases, on a server that hardly gets to breathe, is not taken for dead."""

from __future__ import annotations

import random
import sys
import threading
import time
from dataclasses import replace

from longhouse import queue
from longhouse.clock import SystemClock
from longhouse.engine import rescuer
from longhouse.engine.attempt import Attempt
from longhouse.engine.loop import Loop
from longhouse.engine.runner import Runner
from longhouse.house import House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store.database import many
from tests.instance import until
from tests.longhouse.test_queue import enqueued, registered
from tests.reliability.seeds import a_seed

LEASE_MS = 300
"""A hundredth of what it is, and so is all that goes with it: a starved second here is more than a minute there."""
RUNS = 100
LEASES = 10


def starve(seconds: float) -> None:
    """Keep every other thread from running: nobody gives the interpreter back before the switch interval is over."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
    finally:
        sys.setswitchinterval(usual)


def requeued(house: House, monkeypatch, *, leases: int, chance: random.Random) -> tuple[int, float]:
    """How many of the runs got a second attempt or another end than their own, and for how many seconds the server
    was starved."""
    over, starved = threading.Event(), 0.0

    def lasting(attempt, capture):
        over.wait(60)
        return Ending(state=RunState.SUCCEEDED)

    monkeypatch.setattr(queue, "LEASE_MS", LEASE_MS)
    monkeypatch.setattr(rescuer, "INTERVAL_SECONDS", LEASE_MS / 3000)
    monkeypatch.setattr(Attempt, "_guarded", lasting)
    house = replace(house, clock=SystemClock())
    house.db._writer.execute("PRAGMA synchronous=OFF").fetchall()
    job = registered(house, overlap="allow")
    for _ in range(RUNS):
        enqueued(house, job)
    runner, failures = Runner(house, RUNS), []
    beat = Loop("rescuer", lambda: rescuer.step(house, runner), lambda name, error: failures.append(error))
    runner.step()
    beat.start()
    try:
        end = time.monotonic() + leases * LEASE_MS / 1000
        while time.monotonic() < end:
            time.sleep(chance.uniform(0, 0.15))
            pause = chance.uniform(0.05, 0.5)
            starve(pause)
            starved += pause
    finally:
        over.set()
        until(lambda: not runner._live, what="all runs end")
        beat.stop()
        beat.join()
    assert not failures
    with house.db.read() as db:
        rows = many(db, "SELECT state, attempt FROM runs")
    return sum((row["state"], row["attempt"]) != ("succeeded", 1) for row in rows), starved


def test_a_long_run_on_a_starved_server_is_not_tried_again(house: House, monkeypatch, proves):
    chance = random.Random(a_seed())
    wrong, starved = requeued(house, monkeypatch, leases=LEASES, chance=chance)
    assert wrong == 0
    with monkeypatch.context() as blind:  # the negative control: nobody asks who is alive here
        blind.setattr(Runner, "live", lambda runner: frozenset())
        with house.db.write() as db:
            for table in ("attempts", "runs"):
                db.execute(f"DELETE FROM {table}").fetchall()
        control, _ = requeued(house, blind, leases=1, chance=chance)
    assert control > 0
    proves(
        "P7",
        figure=f"0 of {RUNS} runs of {LEASES} leases tried again, the server starved for "
        f"{starved * 1000 / LEASE_MS:.1f} leases in all",
        control=f"a rescuer that does not ask who is alive: {control} of {RUNS} ended",
    )

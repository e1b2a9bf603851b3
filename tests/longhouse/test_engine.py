"""The loops between the queue and the processes: nothing due is slept over, no end is lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from longhouse import boot, history, queue
from longhouse.engine.attempt import Attempt
from longhouse.engine.runner import Runner
from longhouse.engine.scheduler import Scheduler
from longhouse.errors import StorageFull, Unavailable
from longhouse.house import House
from longhouse.paths import Paths
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from tests.conftest import START, HandClock
from tests.instance import Instance, until
from tests.longhouse.test_queue import enqueued, registered

DONE = Ending(state=RunState.SUCCEEDED)


class Passing(HandClock):
    """Time that passes with every look at it."""

    def now(self) -> int:
        self.ms += 1
        return self.ms


@pytest.mark.parametrize("moment", range(12))
def test_a_run_that_becomes_due_while_the_runner_looks_is_not_slept_over(house, monkeypatch, moment):
    monkeypatch.setattr(Attempt, "start", lambda attempt: None)
    run_id = enqueued(house, registered(house), not_before=START + moment)
    runner = Runner(replace(house, clock=Passing()), 1)
    wait = runner.step()
    assert history.get(house, run_id).state == "running" or wait is not None


@pytest.mark.parametrize("moment", range(12))
def test_a_due_time_that_passes_while_the_scheduler_looks_is_not_slept_over(house, moment):
    registered(house, every=3600)
    house.clock.ms = START + 3_600_000 - moment
    scheduler = Scheduler(replace(house, clock=Passing(house.clock.ms)))
    if scheduler.step() is None and not history.list_runs(house)[0]:
        rings = scheduler.next_due()
        assert rings is not None
        assert rings <= START + 3_600_000 + 2_000


def test_a_run_without_a_thread_gives_its_slot_back(house: House, monkeypatch):
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    enqueued(house, registered(house))
    runner = Runner(house, 1)
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError):
        runner.step()
    assert runner.live() == frozenset(), "so that the rescuer ends the attempt"


def test_an_end_that_the_disk_has_no_room_for_is_recorded_when_it_has(house: House, monkeypatch):
    enqueued(house, registered(house, max_attempts=1))
    claimed, finish, refusals = queue.claim(house), queue.finish, [StorageFull("full"), StorageFull("full")]
    assert claimed is not None

    def sometimes(*args):
        if refusals:
            raise refusals.pop()
        return finish(*args)

    monkeypatch.setattr(queue, "finish", sometimes)
    monkeypatch.setattr("longhouse.engine.attempt.RECORD_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(Attempt, "_guarded", lambda attempt, capture: DONE)
    Attempt(house, claimed, lambda run_id: None)._whole()
    assert history.get(house, claimed.run.id).state == "succeeded"


def test_output_that_cannot_be_sealed_does_not_lose_the_end(house: House, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    enqueued(house, registered(house, max_attempts=1))
    claimed = queue.claim(house)
    assert claimed is not None
    failed = Ending(state=RunState.FAILED, message="ValueError: no")
    monkeypatch.setattr(Attempt, "_guarded", lambda attempt, capture: failed)
    monkeypatch.setattr("longhouse.engine.capture.Appender.append", full)
    Attempt(house, claimed, lambda run_id: None)._whole()
    assert history.get(house, claimed.run.id).message == "ValueError: no"


@pytest.mark.parametrize("step", ["open_keys", "Database"])
def test_a_first_start_that_is_killed_on_the_way_can_be_made_again(tmp_path: Path, monkeypatch, step):
    paths = Paths(tmp_path / "data")
    boot.make_data_dir(paths)
    settings = {"grace_seconds": 1.0, "installer": {}, "source_builds": False}
    whole = getattr(boot, step)

    def killed_after(*args, **named):
        whole(*args, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(boot, step, killed_after)
        with pytest.raises(KeyboardInterrupt):
            boot.open_house(paths, HandClock(), "UTC", **settings)
    house = boot.open_house(paths, HandClock(), "UTC", **settings)
    house.launcher.close()
    house.db.close()


def test_a_stop_does_not_wait_for_a_manifest_that_is_being_read(instance: Instance):
    instance.start()
    instance.write("manifest.py", "while True: pass\n")
    until(lambda: not instance.get("/api/jobs")["manifest"]["ok"], what="the manifest is being read")
    assert instance.stop() <= 4
    assert "a step failed" not in instance.log


def test_a_claim_in_flight_when_the_server_stops_costs_no_try(house: House, monkeypatch):
    """The stop waits for it and tells the attempt, which finds that nothing is started any more."""
    run_id = enqueued(house, registered(house, max_attempts=2))
    runner, claim, claiming, go_on = Runner(house, 1), queue.claim, threading.Event(), threading.Event()

    def slow(*args, **options):
        claiming.set()
        go_on.wait(10)
        return claim(*args, **options)

    def refused(attempt, capture, work):
        until(lambda: attempt._stop is not None, what="the attempt is told of the stop")
        raise Unavailable("the instance is stopping and starts nothing any more")

    monkeypatch.setattr(queue, "claim", slow)
    monkeypatch.setattr(Attempt, "_run", refused)
    starting = threading.Thread(target=runner.step)
    starting.start()
    claiming.wait(10)
    stopping = threading.Thread(target=runner.stop, args=(10,))
    stopping.start()
    until(lambda: runner._stopping, what="the stop has begun")
    go_on.set()
    starting.join()
    stopping.join()
    run = history.get(house, run_id)
    assert (run.state, run.tries_used) == ("retrying", 0)
    assert runner.live() == frozenset()


def test_what_cannot_be_started_is_a_failure_while_the_server_goes_on(house: House, monkeypatch):
    run_id = enqueued(house, registered(house, max_attempts=1))
    claimed = queue.claim(house)
    assert claimed is not None

    def refused(attempt, capture, work):
        raise Unavailable("the installer is busy", hint="Try again.")

    monkeypatch.setattr(Attempt, "_run", refused)
    Attempt(house, claimed, lambda run_id: None)._whole()
    run = history.get(house, run_id)
    assert (run.state, run.message) == ("failed", "The run could not be started: the installer is busy. Try again.")

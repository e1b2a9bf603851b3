"""At most one attempt of a run is alive: whoever was stopped past its lease is refused when it wakes.

One server holds the lock of the data directory, so "another claims" is a second house with another name on the same
database: it rescues, ends the processes of the first one, and claims; then the first one wakes.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from longhouse import history, queue
from longhouse.engine import rescuer
from longhouse.house import House
from longhouse.launch.local import Child, Spec
from longhouse.queue import LEASE_MS
from longhouse.store import attempts
from tests.conftest import HandClock
from tests.instance import processes_with, until
from tests.longhouse.test_queue import DONE, FAILED, INTERRUPTED, enqueued, registered
from tests.reliability.seeds import a_seed

FAMILY = (
    "import os, subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', 'import os, time; os.setsid(); time.sleep(600)'])\n"
    "time.sleep(600)\n"
)


def started(house: House, folder: Path, run_id: int, attempt: int) -> Child:
    """The real process tree of an attempt, recorded like any other."""
    marker = f"{house.owner}/{run_id}/{attempt}"
    child = house.launcher.start(Spec((sys.executable, "-c", FAMILY), dict(os.environ), folder, marker))
    assert queue.started(house, run_id, attempt, pid=child.pid, ticks=child.started_ticks, boot_id=child.boot_id)
    return child


def rounds(house: House, clock: HandClock, folder: Path, times: int) -> tuple[int, int]:
    """How many late voices were heard, and how many processes of an earlier attempt lived when the next one began."""
    chance, heard, overlaps = random.Random(a_seed()), 0, 0
    job = registered(house, overlap="allow", max_attempts=2)
    for number in range(times):
        first = replace(house, owner=f"first-{number}")
        run_id = enqueued(house, job)
        assert queue.claim(first) is not None
        child = started(first, folder, run_id, 1)
        marker = f"LONGHOUSE_JOBS_ATTEMPT={first.owner}/{run_id}/1"
        until(lambda marker=marker: len(processes_with(marker)) >= 2, what="the family is there")
        stopped = [child.supervisor_pid, house.launcher.runner_pid] if chance.random() < 0.5 else [child.supervisor_pid]
        for pid in stopped:
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
        clock.advance(LEASE_MS / 1000 + 1)
        second = replace(house, owner=f"second-{number}")
        with house.db.read() as db:
            assert attempts.stuck(db, second.owner, clock.now()) == 1
        assert rescuer.rescue(second) == 1
        claimed = queue.claim(second)
        assert claimed is not None and claimed.attempt == 2
        overlaps += len(processes_with(marker))
        for pid in stopped:
            assert pid is not None
            os.kill(pid, signal.SIGCONT)
        late = chance.choice((DONE, FAILED, INTERRUPTED))
        heard += queue.finish(first, run_id, 1, late) is not None
        heard += queue.heartbeat(first)
        heard += queue.started(first, run_id, 1, pid=1, ticks=1, boot_id="")
        assert history.get(house, run_id).state == "running"
        assert queue.finish(second, run_id, 2, DONE) == "succeeded"
        heard += queue.finish(first, run_id, 1, late) is not None
        child.kill()  # in the negative control it lives
        child.read_exit()
        child.close()
    return heard, overlaps


def shown(house: House, clock: HandClock, folder: Path, times: int, proves) -> None:
    began = time.monotonic()
    assert rounds(house, clock, folder, times) == (0, 0)
    print(f"{time.monotonic() - began:.1f} s")
    with pytest.MonkeyPatch.context() as without:  # the negative control: nobody ends what the first one left
        without.setattr(rescuer, "kill_leftovers", lambda *known: 0)
        _, overlaps = rounds(house, clock, folder, 2)
    assert overlaps >= 4
    proves(
        "P4",
        figure=f"0 overlaps and 0 late voices heard in {times} rounds of SIGSTOP past the lease, a new claim, SIGCONT",
        control=f"without ending what was left: {overlaps} processes of 2 attempts beside their successors",
    )


def test_who_was_stopped_past_its_lease_is_refused(house: House, clock: HandClock, tmp_path: Path, proves):
    shown(house, clock, tmp_path, 10, proves)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_rounds(house: House, clock: HandClock, tmp_path: Path, proves):
    shown(house, clock, tmp_path, 200, proves)

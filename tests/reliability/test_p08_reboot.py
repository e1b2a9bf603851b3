"""Attempts of a server that is gone are found, whatever the machine calls its processes now; strangers are spared."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from longhouse import history, queue
from longhouse.engine import rescuer
from longhouse.house import House
from longhouse.launch import _processes
from longhouse.launch._processes import MARKER, boot_id, started_ticks
from tests.longhouse.test_queue import enqueued, registered
from tests.reliability.seeds import a_seed

ROUNDS = 12
SITUATIONS = (
    "left behind",  # the server died alone, the job lives
    "left behind without its mark",  # it has cleaned its environment
    "rebooted, pid reused",
    "pid reused since",
    "pid is ours",  # a container starts again: the same host name, and the same pids
    "never started",
)


@pytest.fixture
def sleeper() -> Iterator[Any]:
    """`sleeper("marker")`: a process that would live on; with no marker it is a stranger's."""
    started: list[subprocess.Popen[bytes]] = []

    def start(marker: str = "") -> subprocess.Popen[bytes]:
        env = {MARKER: marker} if marker else {}
        argv = ["/bin/sleep", "600"] if os.path.exists("/bin/sleep") else [sys.executable, "-c", "input()"]
        started.append(subprocess.Popen(argv, env=env, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def found(house: House, sleeper: Any, rounds: int) -> Counter[str]:
    """So many starts after a death, with an attempt in each situation; what became of them and of the strangers."""
    chance, counts = random.Random(a_seed()), Counter()
    registered(house, overlap="allow", max_attempts=1)
    for number in range(rounds):
        old, new = replace(house, owner=f"old-{number}"), replace(house, owner=f"new-{number}")
        runs, left, strangers = [], [], []
        for situation in chance.sample(SITUATIONS, len(SITUATIONS)):
            run_id = enqueued(house, registered(house, overlap="allow", max_attempts=1))
            assert queue.claim(old) is not None
            runs.append(run_id)
            marker = f"{old.owner}/{run_id}/1"
            if situation == "never started":
                continue
            if situation == "pid is ours":
                known = (os.getpid(), 1, boot_id())
            else:
                process = sleeper(marker if situation == "left behind" else "")
                (left if situation.startswith("left") else strangers).append(process)
                ticks = started_ticks(process.pid) or 0
                known = (process.pid, ticks, boot_id())
                if situation.startswith("rebooted"):
                    known = (process.pid, ticks, "another boot")
                elif situation == "pid reused since":
                    known = (process.pid, ticks - 1, boot_id())
            queue.started(old, run_id, 1, pid=known[0], ticks=known[1], boot_id=known[2])
        began = time.monotonic()
        counts["found"] += rescuer.rescue(new)
        counts["slowest ms"] = max(counts["slowest ms"], int((time.monotonic() - began) * 1000))
        counts["attempts"] += len(runs)
        counts["interrupted"] += sum(history.get(house, run_id).reason == "interrupted" for run_id in runs)
        counts["survivors"] += sum(process.poll() is None for process in left)
        counts["killed strangers"] += sum(process.poll() is not None for process in strangers)
        counts["strangers"] += len(strangers)
    return counts


def test_a_dead_servers_runs_are_found_and_no_stranger_is_killed(house: House, sleeper, monkeypatch, proves):
    seen = found(house, sleeper, ROUNDS)
    assert seen["found"] == seen["interrupted"] == seen["attempts"] == ROUNDS * len(SITUATIONS)
    assert seen["survivors"] == seen["killed strangers"] == 0
    assert seen["slowest ms"] <= 10_000
    with monkeypatch.context() as trusting:  # the negative controls: a pid is believed, a host name is an owner
        ours = os.getpid()
        trusting.setattr(_processes, "started_ticks", lambda pid: None if pid == ours else 7)
        trusting.setattr(_processes, "boot_id", lambda: "")
        trusting.setattr(rescuer, "kill_leftovers", lambda pid, *rest: _processes.kill_leftovers(pid, 7, "", rest[-1]))
        killed = found(house, sleeper, 2)["killed strangers"]
    assert killed == 4
    run_id = enqueued(house, registered(house, "b"))
    queue.claim(replace(house, owner="host-1"))
    assert rescuer.rescue(replace(house, owner="host-1")) == 0 and history.get(house, run_id).state == "running"
    proves(
        "P8",
        figure=f"{seen['found']} of {seen['attempts']} attempts found after a new boot id, a reused pid or a restart "
        f"under the same name, each start within {seen['slowest ms'] / 1000:.1f} s; "
        f"0 of {seen['strangers']} strangers killed",
        control=f"believing the pid: {killed} of 4 strangers killed; host name and pid as owner: 0 found",
    )

"""The real house and engine in a process of its own, in which somebody dies at a named point of a run's life.

`python -m tests.reliability.house_process` reads orders, a line of JSON each: {folder, point, victim}. For every order
it forks, so that a new life costs no imports. A life ends what the one before it left, works that off, says `recovered
<milliseconds>`, then sets the trap, accepts one run, says `accepted <run>` and works until that has ended. When the
trap springs it says `sprung`, and the victim is killed with SIGKILL. `ended <exit code, or minus the signal>` is said
of every life. The job writes into a file what really happened.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from longhouse import audit, boot, history, jobs, loading, queue
from longhouse.clock import SystemClock
from longhouse.engine import Engine, attempt, rescuer, verdict
from longhouse.engine.attempt import Attempt
from longhouse.engine.capture import Capture
from longhouse.engine.notes import Notes
from longhouse.engine.runner import Runner
from longhouse.house import By, House
from longhouse.launch.local import Child, LocalLauncher
from longhouse.paths import Paths
from longhouse.repo import bootstrap
from longhouse.runs.state import TERMINAL
from longhouse.store import attempts, events, runs
from tests.house import Bare
from tests.reliability.queue_process import say

POINTS: dict[str, tuple[Any, str, str]] = {
    "S0 accept": (queue, "enqueue", "before"),
    "S0 row written": (runs, "enqueue", "after"),
    "S0 audit written": (queue, "enqueue", "after"),
    "S1 accepted": (jobs, "run_now", "after"),
    "S2 claim": (queue, "claim", "before"),
    "S2 run taken": (runs, "claim", "after"),
    "S2 attempt opened": (attempts, "begin", "after"),
    "S2 claimed": (queue, "claim", "after a run"),
    "S2 thread": (Attempt, "_whole", "before"),
    "S3 output opened": (Attempt, "_guarded", "before"),
    "S3 checkout": (attempt, "checkout", "before"),
    "S3 checked out": (attempt, "checkout", "after"),
    "S3 state read": (Notes, "state", "after"),
    "S4 spawn": (LocalLauncher, "start", "before"),
    "S4 spawned": (LocalLauncher, "start", "after"),
    "S4 process noted": (attempts, "started", "after"),
    "S4 process recorded": (queue, "started", "after"),
    "S5 request": (Attempt, "_attend", "before"),
    "S5 output": (Capture, "write", "after"),
    "S5 heartbeat": (queue, "heartbeat", "before"),
    "S5 lease renewed": (attempts, "renew_leases", "after"),
    "S5 last word": (Notes, "take", "after"),
    "S6 exit": (Child, "read_exit", "before"),
    "S6 exit read": (Child, "read_exit", "after"),
    "S6 verdict": (verdict, "of", "after"),
    "S7 finish": (queue, "finish", "before"),
    "S7 attempt ended": (attempts, "end", "after"),
    "S7 run ended": (runs, "change_state", "after"),
    "S8 audit": (audit, "record", "after"),
    "S8 event": (events, "append", "after an end"),
    "S8 finished": (queue, "finish", "after"),
    "S9 sealed": (Capture, "seal", "after"),
    "S9 slot freed": (Runner, "_ended", "before"),
}
VICTIMS = ("server", "runner", "supervisor", "child", "server and runner")
"""Where there is no supervisor and no child yet, or no more, the server dies in their place."""

MANIFEST = """from zerg.jobs import JobConfig, job_registry
from jobs.work import run
job_registry.register(JobConfig(id="work", func=run, max_attempts=3, retry_delay_seconds=0, overlap="queue"))
"""
JOB = """
import os, time

def note(ctx, what):
    with open({file!r}, "a") as file:
        file.write(f"{{what}} {{ctx.run_id}} {{ctx.attempt}} {{os.getpid()}}\\n")

def run(ctx):
    for line in open({file!r}) if os.path.exists({file!r}) else ():
        what, run, attempt, pid = line.split()
        if what == "begin" and int(run) == ctx.run_id and os.path.exists(f"/proc/{{pid}}"):
            note(ctx, "overlap")
    note(ctx, "begin")
    print("working", flush=True)
    time.sleep({seconds})
    note(ctx, "end")
"""
WORK_SECONDS = 0.08


def opened(folder: Path) -> House:
    paths = Paths(folder)
    boot.make_data_dir(paths)
    house = boot.open_house(paths, SystemClock(), "UTC", grace_seconds=1.0, installer={}, source_builds=False)
    return replace(house, environments=Bare())


def prepare(folder: Path) -> None:
    """A data directory whose one job is loaded."""
    house = opened(folder)
    bootstrap.ensure(house.paths, known_commits=False)
    work = JOB.format(file=str(noted(folder)), seconds=WORK_SECONDS)
    (house.paths.tree / "jobs" / "work.py").write_text(work)
    (house.paths.tree / "manifest.py").write_text(MANIFEST)
    assert loading.boot(house) is None
    loading.settle(house)
    house.launcher.close()
    house.db.close()


def noted(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.noted")


class Trap:
    """Kills the victim when a thread of the armed process comes by the point, once."""

    def __init__(self, house: House, point: str, victim: str) -> None:
        self._house = house
        self._victim = victim
        self._armed = False
        self._lock = threading.Lock()
        place, name, self._when = POINTS[point]
        whole = getattr(place, name)
        setattr(place, name, self._guarded(whole))

    def arm(self) -> None:
        self._armed = True

    def _guarded(self, whole: Callable[..., Any]) -> Callable[..., Any]:
        def at_the_point(*args: Any, **options: Any) -> Any:
            if self._when == "before":
                self._spring()
            found = whole(*args, **options)
            past = {"after": True, "after a run": found is not None, "after an end": "run.finished" in args}
            if past.get(self._when):
                self._spring()
            return found

        return at_the_point

    def _spring(self) -> None:
        with self._lock:
            if not self._armed:
                return
            self._armed = False
            say("sprung")
            runner = self._house.launcher.runner_pid
            child = next(iter(self._house.launcher._children), None)
            pids = {
                "runner": runner,
                "supervisor": child.supervisor_pid if child is not None and child._exit is None else None,
                "child": child.pid if child is not None and child._exit is None else None,
            }
            if self._victim == "server and runner" and runner:
                os.kill(runner, signal.SIGKILL)
            target = pids.get(self._victim)
            try:
                os.kill(target or os.getpid(), signal.SIGKILL)
            except ProcessLookupError:  # it has ended by itself a moment ago
                os.kill(os.getpid(), signal.SIGKILL)


def drained(house: House) -> bool:
    with house.db.read() as db:
        return not runs.counts(db)


def wait(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not what():
        if time.monotonic() > end:
            raise AssertionError("not within a minute")
        time.sleep(0.005)


def live(folder: Path, point: str, victim: str) -> None:
    began = time.monotonic()
    rescuer.INTERVAL_SECONDS = 0.05
    house = opened(folder)
    rescuer.rescue(house)
    trap = Trap(house, point, victim) if point else None
    engine = Engine(house, slots=2)
    engine.start()
    wait(lambda: drained(house))
    say("recovered", int((time.monotonic() - began) * 1000))
    if trap is not None:
        trap.arm()
        run = jobs.run_now(house, "work", By("me", "api"))
        say("accepted", run.id)
        wait(lambda: history.get(house, run.id).state in TERMINAL)
        wait(lambda: not engine.runner.live())
    os._exit(0)  # whatever ends the server, the runner sees its socket close


def child(order: dict[str, str]) -> None:
    try:
        if order.get("prepare"):
            prepare(Path(order["folder"]))
        else:
            live(Path(order["folder"]), order["point"], order["victim"])
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(71)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        say("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()

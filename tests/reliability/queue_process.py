"""The durable queue in a process of its own, to be killed at any instant: real database, real verbs, many threads.

`python -m tests.reliability.queue_process` reads orders, a line of JSON each. For every order it forks, so that a new
life costs no imports; the child opens the database, ends what the life before it left behind, and works until it is
killed, so many `seconds` after its start or after it is `settled`, or, without that, until no run is left. On standard
output: `accepted <run> <token>` for each run, after its commit (the token is in its parameters: the number of a run
that was never committed is given again), and `ended <exit code, or minus the signal>` when a life is over.

An attempt "executes" by adding a line to a file that is synced at once: that file is what really happened.
"""

from __future__ import annotations

import json
import os
import queue as plain_queue
import random
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from longhouse import ledger, queue
from longhouse.errors import Conflict
from longhouse.house import By, House
from longhouse.launch.python import Interpreter
from longhouse.queue import Claimed, Ending
from longhouse.runs.state import Reason, RunState
from longhouse.store import attempts, jobs, runs
from tests.house import Bare, bare_house
from tests.reliability.flaws import believe_everybody
from zerg._wire import JobDescription

SPEED = 50
"""The clock runs so many times as fast: what is due every few seconds is due often enough while the process lives."""
WORKERS = 4
MOST_UNFINISHED = 30
"""Then nothing more is accepted, so that what is left at the end is drained soon."""
ME = By("me", "api")

JOBS: dict[str, dict[str, Any]] = {
    "allow": {"every": 9, "overlap": "allow", "catch_up": "all", "max_catch_up": 3},
    "skip": {"every": 4, "overlap": "skip", "catch_up": "skip"},
    "queue": {"every": 10, "overlap": "queue", "catch_up": "latest"},
    "group-1": {"overlap": "queue", "concurrency_group": "db"},
    "group-2": {"overlap": "queue", "concurrency_group": "db", "priority": 1},
}


@dataclass(frozen=True)
class Order:
    folder: str
    seed: str
    epoch: int
    """Real milliseconds at which the fast clock was right."""
    seconds: float | None
    settled: bool = False
    """The seconds count from when the start is over, so that a busy machine leaves time for work."""
    flaw: str = ""
    """What to do wrong, so that the test is seen to notice: "early", "careless" or "forgetful"."""


@dataclass(frozen=True)
class FastClock:
    epoch: int

    def now(self) -> int:
        return self.epoch + (time.time_ns() // 1000 - self.epoch * 1000) * SPEED // 1000

    def monotonic(self) -> float:
        return time.monotonic() * SPEED


class NoJobs(Bare):
    def of(self, tree: Path, file: str | None) -> tuple[str, Interpreter]:
        raise AssertionError("no job code runs here")


def open_house(folder: Path, epoch: int, owner: str, vfs: str | None = None) -> House:
    clock = FastClock(epoch)
    return bare_house(folder, clock, vfs=vfs, zone="UTC", owner=owner, sdk=folder, environments=NoJobs())


def register(house: House) -> None:
    """The jobs, in one transaction, at the first start; their cursors begin there."""
    with house.db.write() as db:
        if jobs.all_jobs(db):
            return
        for job_id, settings in JOBS.items():
            spec = JobDescription(
                id=job_id,
                module="jobs.a",
                function="run",
                file="manifest.py",
                line=1,
                source_file="jobs/a.py",
                source_line=1,
                retry_delay_seconds=0,
                misfire_grace_seconds=1,
                **settings,
            )
            jobs.put(db, spec, enabled=True, commit="c1", environment="", now=house.clock.now())


@dataclass
class Life:
    """One life of the queue process, from its start to its death."""

    house: House
    order: Order
    settled: Callable[[], None]
    _lines: int = -1
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _echoes: plain_queue.Queue[tuple[int, int]] = field(default_factory=plain_queue.Queue)

    def live(self) -> None:
        self._lines = os.open(happened(Path(self.order.folder)), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._happened("start", self.house.owner)
        register(self.house)
        if self.order.flaw == "careless":
            believe_everybody(self.house, setattr)
        if self.order.flaw != "forgetful":
            self._rescue()
        self._settle()
        self.settled()
        for _ in range(WORKERS):
            self._thread(self._work)
        self._thread(self._echo)
        if self.order.seconds is None:
            while not self._drained():
                time.sleep(0.005)
            return
        self._thread(self._accept)
        while True:
            self._settle()
            time.sleep(0.01)

    def _thread(self, target: Callable[[], None]) -> None:
        threading.Thread(target=target, daemon=True).start()

    def _happened(self, *words: object) -> None:
        """One line, on the disk when this returns."""
        os.write(self._lines, (" ".join(map(str, words)) + "\n").encode())
        os.fsync(self._lines)

    def _drained(self) -> bool:
        with self.house.db.read() as db:
            now = self.house.clock.now()
            waiting = runs.ready(db, now) is not None or runs.next_start(db, now) is not None
        with self._lock:
            return not waiting and not self._busy and self._echoes.empty()

    # --- what the server does ---------------------------------------------------------------------------------------

    def _rescue(self) -> None:
        with self.house.db.read() as db:
            foreign = attempts.foreign(db, self.house.owner)
        for row in foreign:
            ending = Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message="The process died.")
            queue.finish(self.house, row["run_id"], row["attempt"], ending)

    def _settle(self) -> None:
        for job_id in JOBS:
            with self.house.db.write() as db:
                job = jobs.get(db, job_id)
                assert job is not None
                ledger.settle_job(self.house, db, job, self.house.clock.now())

    def _work(self) -> None:
        while True:
            with self._lock:
                self._busy += 1
            claimed = queue.claim(self.house)
            if claimed is not None:
                self._attend(claimed)
            with self._lock:
                self._busy -= 1
            if claimed is None:
                time.sleep(0.003)

    def _attend(self, claimed: Claimed) -> None:
        run_id, attempt = claimed.run.id, claimed.attempt
        if not queue.started(self.house, run_id, attempt, pid=os.getpid(), ticks=0, boot_id=""):
            return
        chance = random.Random(f"{self.order.seed} {run_id} {attempt}")
        self._happened("begin", run_id, attempt, claimed.run.job_id)
        time.sleep(chance.uniform(0, 0.01))
        self._happened("end", run_id, attempt)
        self._echoes.put((run_id, attempt))
        queue.finish(self.house, run_id, attempt, _ending(chance.random()))

    def _echo(self) -> None:
        """A second voice about every attempt: at once, while the first one speaks, and long after. It is not to count
        when the first one was heard."""
        late: list[tuple[int, int]] = []
        while True:
            said = self._echoes.get()
            late.append(said)
            for run_id, attempt in (said, *([late.pop(0)] if len(late) > 3 else ())):
                queue.finish(self.house, run_id, attempt, Ending(state=RunState.FAILED, message="An echo."))

    def _accept(self) -> None:
        chance = random.Random(f"{self.order.seed} {self.house.owner}")
        while True:
            time.sleep(chance.uniform(0, 0.01))
            with self.house.db.read() as db:
                unfinished = sum(runs.counts(db).values())
            if unfinished < MOST_UNFINISHED:
                self._accept_one(chance)

    def _accept_one(self, chance: random.Random) -> None:
        with self.house.db.write() as db:
            job = jobs.get(db, chance.choice(sorted(JOBS)))
            assert job is not None
            token = secrets.token_hex(8)
            run_id = queue.enqueue(self.house, db, job, trigger="manual", by=ME, params={"token": token})
            if self.order.flaw == "early":
                say("accepted", run_id, token)
                time.sleep(0.005)  # a slow disk
        if self.order.flaw != "early":
            say("accepted", run_id, token)
        if chance.random() < 0.1:
            try:
                queue.cancel(self.house, run_id, ME)
            except Conflict:
                pass  # it has ended already


def _ending(chance: float) -> Ending:
    if chance < 0.7:
        return Ending(state=RunState.SUCCEEDED, result={"n": 1})
    if chance < 0.8:
        return Ending(state=RunState.RETRYING, retry_after_seconds=1)
    return Ending(state=RunState.FAILED, reason=Reason.EXCEPTION, message="ValueError: no")


def happened(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.happened")


def say(*words: object) -> None:
    """One write, so that a line is said whole or not at all."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def child(order: Order, settled: Callable[[], None]) -> None:
    def fatal(args: Any) -> None:
        traceback.print_exception(args.exc_value)
        sys.stderr.flush()
        os._exit(70)

    threading.excepthook = fatal
    try:
        house = open_house(Path(order.folder), order.epoch, f"{os.getpid()}-{time.time_ns()}")
        Life(house, order, settled).live()
        threading.excepthook = lambda _: None  # the idle workers find the database closed
        house.db.close()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(71)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        order = Order(**json.loads(line))
        hears, tells = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(order, partial(os.close, tells))
        os.close(tells)
        if order.settled:
            os.read(hears, 1)
        os.close(hears)
        if order.seconds is not None:
            time.sleep(order.seconds)
            os.kill(pid, signal.SIGKILL)  # ours until it has been waited for, so nobody else's
        say("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()

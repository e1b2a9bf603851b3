"""What is always on: the loops of a running instance, started and stopped together."""

from __future__ import annotations

import asyncio
import threading

from longhouse import loading
from longhouse.engine import integrity, janitor, rescuer
from longhouse.engine.disk import DiskWatch
from longhouse.engine.loop import Loop
from longhouse.engine.reports import Reports
from longhouse.engine.runner import Runner
from longhouse.engine.scheduler import Scheduler
from longhouse.engine.sweeper import Sweeper
from longhouse.engine.syncer import Syncer
from longhouse.feed import Bell
from longhouse.house import House
from longhouse.logs import Log
from longhouse.repo import bootstrap, github_device
from longhouse.repo.watch import Watch, staged

log = Log("longhouse.engine")

IDLE_MS = 10_000
RECORD_SECONDS = 1.0
"""For attempts that outlasted the grace: their processes are gone then, and their ends are still to be recorded."""


class Engine:
    """`scheduled=False` leaves out what fires jobs by itself: only for tests that tick by hand."""

    def __init__(self, house: House, *, slots: int, scheduled: bool = True) -> None:
        self._house = house
        self._scheduled = scheduled
        self.scheduler = Scheduler(house)
        self.runner = Runner(house, slots)
        report = Reports(house)
        self._watch = Watch(house.paths, ring=Bell(), staged=self._staged)
        self._loops = [
            Loop("runner", self.runner.step, report, house.feed.dispatch),
            Loop("rescuer", lambda: rescuer.step(house, self.runner), report),
            Loop("repo", self._settle, report, house.feed.repo),
            Loop("janitor", lambda: janitor.step(house), report),
            Loop("sweeper", Sweeper(house, self._idle).step, report, house.feed.sweep),
            Loop("disk", DiskWatch(house).step, report),
            Loop("integrity", lambda: integrity.step(house), report),
            Loop("github", lambda: github_device.step(house), report, house.feed.github),
        ]
        if scheduled:
            self._loops += [
                Loop("scheduler", self.scheduler.step, report, house.feed.plan),
                Loop("clock", self.scheduler.watch, report),
                Loop("sync", Syncer(house).step, report, house.feed.sync),
            ]
        self._watcher = threading.Thread(target=self._follow_tree, name="watch", daemon=True)
        self._started = False
        self._stopper: threading.Thread | None = None

    def start(self) -> None:
        """All loops, once. What is due is seen within a second even before there is a timer: the clock rings."""
        if self._started:
            return
        self._started = True
        for each in self._loops:
            each.start()
        self._watcher.start()

    def start_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the event loop: from now on due times are met to the millisecond."""
        if self._scheduled:
            self.scheduler.start_timer(loop)

    def stop_timer(self) -> None:
        """In the event loop."""
        self.scheduler.stop_timer()

    def _idle(self) -> bool:
        """Nothing runs, and nothing is due in a moment."""
        due = self.scheduler.next_due()
        return not self.runner.live() and (due is None or due > self._house.clock.now() + IDLE_MS)

    def _staged(self) -> bool:
        """Under the lock: while we read what we have staged ourselves, the index looks like a person's."""
        with self._house.repo_lock:
            return staged(bootstrap.opened(self._house.paths))

    def _follow_tree(self) -> None:
        for _ in self._watch.settled():
            self._house.feed.settled()

    def _settle(self) -> None:
        rested = self._house.feed.tree_settled.is_set()
        self._house.feed.tree_settled.clear()
        try:
            loading.settle(self._house, tree=rested)
        except BaseException:
            if rested:
                self._house.feed.tree_settled.set()
            raise
        self._house.feed.sync.ring()

    def begin_stop(self) -> None:
        """Start nothing more and end what runs; returns at once. From any thread, more than once."""
        if self._stopper is None:
            self._stopper = threading.Thread(target=self._stop, name="stop")
            self._stopper.start()

    def _stop(self) -> None:
        self._house.feed.close()
        self._watch.stop()
        self.runner.stop(self._house.grace_seconds + 1.5)
        for each in self._loops:
            each.stop()
        self._house.launcher.close()  # also what a loop waits for: a manifest being read, packages being installed
        self.runner.stop(RECORD_SECONDS)
        for each in self._loops:
            each.join()

    def stop(self) -> None:
        """Wait until it has stopped."""
        self.begin_stop()
        if self._stopper is not None:
            self._stopper.join()

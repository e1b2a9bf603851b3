"""Takes runs from the queue while slots are free, and ends those that were asked to stop."""

from __future__ import annotations

import threading

from longhouse import queue
from longhouse.engine.attempt import Attempt
from longhouse.engine.verdict import Stop
from longhouse.house import House
from longhouse.store import runs

WAIT_SECONDS = 60.0


class Runner:
    def __init__(self, house: House, slots: int) -> None:
        self._house = house
        self._slots = slots
        self._lock = threading.Lock()
        self._claiming = threading.Lock()
        """Held from before a claim until its attempt is in `_live`: whoever holds it knows all of our attempts."""
        self._live: dict[int, Attempt] = {}
        self._stopping = False
        self._empty = threading.Condition(self._lock)

    def step(self) -> float | None:
        """Start what may start. Seconds until a waiting run becomes due; every commit rings the bell before that."""
        self._stop_cancelled()
        looked = self._house.clock.now()  # before claiming: what becomes due while we claim is not slept over
        draining = self._house.feed.draining.is_set()
        if draining and not self._live and not self._stopping:
            self._house.feed.end()
        while not draining and len(self._live) < self._slots and self._start_next():
            pass
        with self._house.db.read() as db:
            at = runs.next_start(db, looked)
        return None if at is None else min(WAIT_SECONDS, max(0.0, (at - self._house.clock.now()) / 1000))

    def resize(self, slots: int) -> None:
        """From the next step on. What runs beyond fewer slots runs to its end."""
        self._slots = slots

    def _start_next(self) -> bool:
        """False if nothing may start."""
        with self._claiming:
            if self._stopping:
                return False
            claimed = queue.claim(self._house, spare=len(self._live) < max(1, self._slots - 1))
            if claimed is None:
                return False
            attempt = Attempt(self._house, claimed, self._ended)
            with self._lock:
                self._live[claimed.run.id] = attempt
        try:
            attempt.start()
        except RuntimeError:  # no more threads: the rescuer ends it, and the slot is free again
            self._ended(claimed.run.id)
            raise
        return True

    def _stop_cancelled(self) -> None:
        if not self._live:
            return
        with self._house.db.read() as db:
            asked = runs.to_cancel(db)
        for run_id in asked:
            attempt = self._live.get(run_id)
            if attempt is not None:
                attempt.stop(Stop.CANCELLED)

    def _ended(self, run_id: int) -> None:
        with self._lock:
            self._live.pop(run_id, None)
            self._empty.notify_all()
        self._house.feed.dispatch.ring()

    def live(self) -> frozenset[int]:
        """Ids of the runs that have an attempt here, those that were being claimed when this was asked among them."""
        with self._claiming, self._lock:
            return frozenset(self._live)

    def stop(self, timeout_seconds: float) -> bool:
        """Start nothing more and end all attempts; False if some were not over in time."""
        self._stopping = True
        known = self._claiming.acquire(timeout=timeout_seconds)  # a claim in flight is one of them
        try:
            with self._lock:
                attempts = list(self._live.values())
        finally:
            if known:
                self._claiming.release()
        for attempt in attempts:
            attempt.stop(Stop.SERVER)
        with self._lock:
            return self._empty.wait_for(lambda: not self._live, timeout_seconds)

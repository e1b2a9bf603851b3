"""Who wants to know that something changed: wake-ups inside the process. Nothing here is durable; the database is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Bell:
    """Wakes one engine thread. Rings while nobody waits are kept, several count as one."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ring(self) -> None:
        self._event.set()

    def wait(self, timeout_seconds: float | None) -> bool:
        """True if it rang. The ring is used up."""
        rang = self._event.wait(timeout_seconds)
        self._event.clear()
        return rang


class Listener:
    """One reader in the event loop; `changed` is set after each publication of one of its topics."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self.changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def tell(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self.changed.set)
        except RuntimeError:
            pass  # the loop has closed: its readers are gone

    async def wait(self, timeout_seconds: float) -> bool:
        """True if something was published since the last call, False after `timeout_seconds`."""
        try:
            await asyncio.wait_for(self.changed.wait(), timeout_seconds)
        except TimeoutError:
            return False
        self.changed.clear()
        return True


class Feed:
    """Topics are `events` (the events table grew) and `log:<run id>` (its output grew)."""

    def __init__(self) -> None:
        self.dispatch = Bell()
        """A run may be ready to start, or one was asked to stop."""
        self.plan = Bell()
        """Something is due, or due times have changed."""
        self.plan_stale = threading.Event()
        """Jobs changed: due times are to be planned anew."""
        self.repo = Bell()
        """The work tree or a pending override wants a look."""
        self.sync = Bell()
        """There may be something to push, or somebody wants a sync."""
        self.github = Bell()
        """Somebody signs in at GitHub with a code: it is to be asked until they have."""
        self.sweep = Bell()
        """Somebody deleted more than goes at once."""
        self.tree_settled = threading.Event()
        """The work tree changed and has come to rest."""
        self.draining = threading.Event()
        """Nothing new starts; when nothing is alive any more, the server ends."""
        self.closing = threading.Event()
        self.end: Callable[[], None] = self.close
        """Ends the server, from any thread; whoever serves sets it."""
        self._lock = threading.Lock()
        self._listeners: frozenset[Listener] = frozenset()

    def committed(self) -> None:
        """After every write transaction."""
        self.dispatch.ring()
        self.publish("events")

    def replan(self) -> None:
        """Jobs were added, changed or removed."""
        self.plan_stale.set()
        self.plan.ring()

    def settled(self) -> None:
        """The work tree is to be committed and loaded."""
        self.tree_settled.set()
        self.repo.ring()

    def resumed(self) -> None:
        """There is space on the disk again: all that waited for it goes on."""
        for bell in (self.dispatch, self.plan, self.repo, self.sync, self.github):
            bell.ring()

    def publish(self, topic: str) -> None:
        for listener in self._listeners:
            if topic in listener.topics:
                listener.tell()

    @contextmanager
    def listen(self, *topics: str) -> Iterator[Listener]:
        """Must be entered in the event loop."""
        listener = Listener(frozenset(topics))
        with self._lock:
            self._listeners |= {listener}
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners -= {listener}

    def close(self) -> None:
        """End all streams and wake all loops, for good."""
        self.closing.set()
        for bell in (self.dispatch, self.plan, self.repo, self.sync, self.github):
            bell.ring()
        for listener in self._listeners:
            listener.tell()

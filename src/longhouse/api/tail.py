"""The newest events, read and put into words once for all streams, however many are open.

One reader wakes up after a commit. It tells the streams, by the feed's topic `tail`, when there are new events or when
the session or token of one of them has ended.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from longhouse.api.streams import LOOK_SECONDS
from longhouse.clock import iso
from longhouse.doors import Caller, still_here
from longhouse.house import House
from longhouse.store import events as rows
from longhouse.store.database import Row

TOPIC = "tail"
KEPT = 1_000
BATCH = 200


class Event(NamedTuple):
    id: int
    kind: str
    text: bytes
    """As it goes over the wire."""


def event(row: Row) -> Event:
    data = {"at": iso(row["at"]), "subject": row["subject"], **row["data"]}
    return Event(row["id"], row["type"], framed(row["type"], data, row["id"]))


def framed(kind: str, data: object, id: int | None = None) -> bytes:
    return format_sse_event(data_str=json.dumps(data), event=kind, id=None if id is None else str(id))


class Tail:
    """In `app.state.tail`. All of it in the event loop, but for what is read."""

    def __init__(self) -> None:
        self.newest = 0
        """The last event that was read."""
        self.floor = 0
        """Whoever has seen all up to this one finds the rest here."""
        self.ready = asyncio.Event()
        self._kept: deque[Event] = deque()
        self._callers: Counter[Caller] = Counter()
        self._gone: set[Caller] = set()
        self._reader: asyncio.Task[None] | None = None

    @contextmanager
    def followed(self, house: House, caller: Caller) -> Iterator[None]:
        """By one stream. The first one starts the reader, the last one ends it."""
        self._callers[caller] += 1
        if self._reader is None or self._reader.done():
            self.ready.clear()
            self._reader = asyncio.get_running_loop().create_task(self._read_on(house))
        try:
            yield
        finally:
            self._callers -= Counter([caller])
            if not self._callers:
                self._reader.cancel()
                self._reader = None

    def ended(self, caller: Caller) -> bool:
        """The session or token of the caller is no longer good."""
        return caller in self._gone

    def after(self, last: int) -> list[Event]:
        """What came after event `last`, which is not below the floor."""
        found = []
        for each in reversed(self._kept):
            if each.id <= last:
                break
            found.append(each)
        return found[::-1]

    async def _read_on(self, house: House) -> None:
        self._kept.clear()
        self._gone.clear()
        self.newest = self.floor = await run_in_threadpool(_newest, house)
        with house.feed.listen("events") as listener:
            self.ready.set()
            while not house.feed.closing.is_set():
                fresh, gone = await run_in_threadpool(self._look, house, self.newest, list(self._callers))
                self._keep(fresh)
                self._gone = gone
                if fresh or gone:
                    house.feed.publish(TOPIC)
                if len(fresh) < BATCH:
                    await listener.wait(LOOK_SECONDS)

    def _look(self, house: House, newest: int, callers: list[Caller]) -> tuple[list[Event], set[Caller]]:
        with house.db.read() as db:
            fresh = [event(row) for row in rows.after(db, newest, BATCH)]
        return fresh, {caller for caller in callers if not still_here(house, caller)}

    def _keep(self, fresh: list[Event]) -> None:
        self._kept.extend(fresh)
        while len(self._kept) > KEPT:
            self.floor = self._kept.popleft().id
        if fresh:
            self.newest = fresh[-1].id


def _newest(house: House) -> int:
    with house.db.read() as db:
        return rows.newest(db)

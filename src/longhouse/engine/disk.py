"""Watches the space on the disk: says once that there is none, and has work resume when there is."""

from __future__ import annotations

from contextlib import suppress

from longhouse.errors import StorageFull, Unavailable
from longhouse.house import House
from longhouse.logs import Log
from longhouse.store import events

log = Log("longhouse.disk")

SECONDS = 10.0
SECONDS_WHILE_FULL = 2.0
SAID_SECONDS = 600.0
"""It is logged at most this often, however often it fills up."""


class DiskWatch:
    def __init__(self, house: House) -> None:
        self._house = house
        self._was_full = False
        self._said_at = float("-inf")

    def step(self) -> float:
        reserve, now = self._house.reserve, self._house.clock.monotonic()
        full = reserve.look(self._house.clock.now())
        if full and now - self._said_at >= SAID_SECONDS:
            self._said_at = now
            log.error(
                "the disk is full: no run is started or accepted until there is space", data=self._house.paths.data
            )
        if self._was_full and not full:
            log.warning("there is space on the disk again: work resumes")
            self._house.feed.resumed()
        if full != self._was_full:
            with suppress(StorageFull, Unavailable), self._house.db.write() as db:
                events.append(db, "server.changed", "server", {"full": full}, self._house.clock.now())
        self._was_full = full
        return SECONDS_WHILE_FULL if full else SECONDS

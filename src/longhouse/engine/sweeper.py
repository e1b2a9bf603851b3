"""Sweeps away what somebody deleted and what is old, in the background and never for long; gives its space back when
nobody needs the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from longhouse import deletions, retention
from longhouse.house import House

INTERVAL_SECONDS = 3600.0
FIRST_SECONDS = 30.0
BUSY_SECONDS = 0.5
PAUSE_SECONDS = 0.5
"""Half of the time is left to others, however much there is to sweep."""
ASK_AGAIN_SECONDS = 10.0


class Sweeper:
    """`idle` tells whether nothing runs and nothing is due in a moment."""

    def __init__(self, house: House, idle: Callable[[], bool]) -> None:
        self._house = house
        self._idle = idle
        self._begun = False
        self._delete: Iterator[int] | None = None
        self._tried: set[int] = set()
        """Deletions of which something stays, until the next hour."""
        self._sweep: Iterator[int] | None = None
        self._shrink: Iterator[int] | None = None
        self._swept = 0.0
        """When the last sweep ended, on the clock that never goes back."""

    def step(self) -> float:
        """Some batches; seconds until the next ones."""
        if not self._begun:  # a start has better things to do
            self._begun = True
            return FIRST_SECONDS
        until = self._house.clock.monotonic() + BUSY_SECONDS
        if self._delete is None:  # whoever rang waits neither for the end of a sweep nor for a quiet hour
            self._delete = deletions.carry_on(self._house, self._tried)
        if self._on(self._delete, until):
            return PAUSE_SECONDS
        self._delete = None
        if self._shrink is not None and until >= self._swept + INTERVAL_SECONDS:  # it was never quiet since
            self._ended()
        if self._shrink is None:
            if self._sweep is None:
                self._sweep = retention.sweep(self._house)
            if self._on(self._sweep, until):
                return PAUSE_SECONDS
            self._sweep, self._shrink = None, retention.give_back(self._house)
            self._swept = self._house.clock.monotonic()
        if retention.spare_pages(self._house) and not self._idle():
            return ASK_AGAIN_SECONDS
        if self._on(self._shrink, until):
            return PAUSE_SECONDS
        self._ended()
        return INTERVAL_SECONDS

    def _ended(self) -> None:
        self._shrink = None
        self._tried.clear()

    def _on(self, work: Iterator[int], until: float) -> bool:
        """Go on with it for a while; True if there is more to do."""
        return any(self._house.feed.closing.is_set() or self._house.clock.monotonic() >= until for _ in work)

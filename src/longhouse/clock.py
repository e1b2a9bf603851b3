"""The only place that asks what time it is. Our times are whole milliseconds since the epoch, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the instance needs of time; tests set theirs by hand."""

    def now(self) -> int:
        """Wall clock, milliseconds since the epoch, UTC. May step."""
        ...

    def monotonic(self) -> float:
        """Seconds since some start, never going back, counting while the machine sleeps."""
        ...


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def iso(ms: int) -> str:
    """`2026-02-04T08:00:00.000Z`, the one form in which a time leaves the instance."""
    return moment(ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


def millis(when: datetime) -> int:
    """`when` (aware) as milliseconds since the epoch."""
    return int(when.timestamp()) * 1000 + when.microsecond // 1000


def parse_iso(text: str) -> int:
    """Milliseconds of an ISO 8601 time with a zone (`Z` or an offset). Raises ValueError."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it with Z or an offset such as +01:00")
    return millis(when)

"""The only place that asks what time it is. Our times are whole milliseconds since the epoch, UTC."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

STEP_MS = 1_000
"""Wall clock and monotonic clock apart by more than this since the last look: the clock was set."""
TOGETHER_SECONDS = 0.1
"""Two clocks read within this time are compared; else we were stopped in between."""


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


@dataclass(frozen=True)
class Step:
    """Somebody set the wall clock."""

    expected: int
    """What it would show had nobody set it, milliseconds."""
    shown: int

    @property
    def by(self) -> int:
        """Milliseconds; negative when it was set back."""
        return self.shown - self.expected


class Pace:
    """The wall clock against the monotonic one. A machine that slept is no step: both clocks went on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._apart = self._read()[1]
        self._steps: tuple[Step, ...] = ()

    def steps(self) -> tuple[Step, ...]:
        """Looks now; every step so far that is not handled."""
        with self._lock:
            now, apart = self._read()
            by = apart - self._apart
            if abs(by) > STEP_MS:
                self._steps += (Step(now - by, now),)
            self._apart = apart
            return self._steps

    def handled(self, steps: Collection[Step]) -> None:
        """What follows from these is on disk."""
        with self._lock:
            self._steps = tuple(step for step in self._steps if step not in steps)

    def _read(self) -> tuple[int, int]:
        """The wall clock, and how far it is from the monotonic one; both milliseconds."""
        while True:
            before, now, after = self._clock.monotonic(), self._clock.now(), self._clock.monotonic()
            if after - before < TOGETHER_SECONDS:
                return now, now - int(before * 1000)


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

"""Due times every so many seconds, anchored to the epoch: computable from the manifest alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Every:
    seconds: int

    def after(self, ms: int) -> int:
        """The first due time later than `ms` (milliseconds, UTC)."""
        step = self.seconds * 1000
        return (ms // step + 1) * step

    def latest(self, low: int, high: int) -> int | None:
        """The last due time in (low, high], None if there is none."""
        step = self.seconds * 1000
        last = high // step * step
        return last if last > low else None

    def count(self, low: int, high: int) -> int:
        """How many due times lie in (low, high]."""
        step = self.seconds * 1000
        return max(0, high // step - low // step)

    def days(self, low: int, high: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Each day (UTC) that touches (low, high]: its midnight, and all its due times in milliseconds after that."""
        step, made = self.seconds * 1000, dict[int, tuple[int, ...]]()
        for midnight in range((low + 1) // DAY_MS * DAY_MS, high + 1, DAY_MS):
            first = -midnight % step
            if first not in made:
                made[first] = tuple(range(first, DAY_MS, step))
            yield midnight, made[first]

"""Due times of a cron text in a time zone, by the rules of Debian's cron(8), as a pure function of time.

Five fields, or six with seconds first; `@daily` and friends. docs/schedules.md has the rules in the user's words.

A text whose hour, minute and second all begin with something else than a star has fixed times: what a change of the
clocks skips is due right after it, at once for all that it skipped, and what it repeats is due the first time only. A
star follows elapsed time: the wall clock is read as it stands. Changes of more than three hours are corrections of the
clock: nothing is made up for, and what comes again is due again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from longhouse.triggers.changes import DAY, LOOKBACK, Change, around, between, offset_at
from longhouse.triggers.fields import ALIASES, MAX_LENGTH, PROBE, YEARS, BadCron, Fields, fields_of, normal

CORRECTION = 3 * 3600
"""Seconds. A longer change of the clocks is no summer time."""
WINDOW = 2 * DAY
FARTHEST_OFFSET = DAY
"""No zone is or was that far from UTC."""

Stretch = tuple[int, int, int, int | None]
"""Local seconds [from, to), the offset there, and the moment at which all of them are due at once, None if each is due
at its own."""


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone. Raises BadCron for a name that does not exist."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadCron(f"there is no time zone {name!r}; use an IANA name such as Europe/Berlin or UTC") from error


@dataclass(frozen=True)
class Cron:
    text: str
    timezone: str = "UTC"
    _fields: Fields = field(init=False, repr=False, compare=False)
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_fields", fields_of(normal(self.text)))
        object.__setattr__(self, "_zone", zone(self.timezone))

    def after(self, ms: int) -> int | None:
        """The first due time later than `ms` (milliseconds, UTC); None if there is none within 50 years."""
        start = ms // 1000 + 1
        give_up = start + YEARS * 366 * DAY
        while start < give_up:
            first, offset, changes = around(self._zone, start // DAY)
            end = start // DAY * DAY + WINDOW
            if changes:
                for low, high, there, at_once in self._stretches(first, offset, start, end, changes):
                    local = self._fields.next(low)
                    if local is not None and local < high:
                        return (at_once if at_once is not None else local - there) * 1000
                start = end
            else:
                local = self._fields.next(start + offset)
                if local is None:
                    return None
                if local < end + offset:
                    return (local - offset) * 1000
                start = max(end, local - FARTHEST_OFFSET)  # no clock goes back to before that
        return None

    def latest(self, low: int, high: int) -> int | None:
        """The last due time in (low, high], None if there is none.

        Looks back in growing windows, so that a year of downtime of a minute-job costs one window and not a year.
        """
        window = 60_000
        while True:
            start = max(low, high - window)
            found, due = None, self.after(start)
            while due is not None and due <= high:
                found, due = due, self.after(due)
            if found is not None or start == low:
                return found
            window *= 4

    def count(self, low: int, high: int) -> int:
        """How many due times lie in (low, high]: by multiplication, so months of a minute-job take milliseconds."""
        start, end = low // 1000 + 1, high // 1000 + 1
        if start >= end:
            return 0
        first = start - LOOKBACK
        count = earlier = 0
        changes = between(self._zone, first, end)
        for from_, to, _, at_once in self._stretches(first, offset_at(self._zone, first), start, end, changes):
            if at_once is None:
                count += self._fields.count(from_ + earlier, to)
                earlier = 0
            else:  # a local time right after the skipped ones is due at the same moment
                earlier = 1 if self._fields.count(from_, to) else 0
                count += earlier
        return count

    def days(self, low: int, high: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The due times in (low, high], a local day at a time: a moment, and how many milliseconds after it they are.

        Whole days share one tuple: a year of a minute-job is a day and a list. What a change of the clocks moved to the
        moment of another due time comes twice.
        """
        start, end = low // 1000 + 1, high // 1000 + 1
        first = start - LOOKBACK
        changes = between(self._zone, first, end)
        for from_, to, offset, at_once in self._stretches(first, offset_at(self._zone, first), start, end, changes):
            if at_once is None:
                for day, times in self._fields.days(from_, to):
                    yield (day * DAY - offset) * 1000, times
            elif self._fields.count(from_, to):
                yield at_once * 1000, (0,)

    def _stretches(self, at: int, offset: int, start: int, end: int, changes: Iterable[Change]) -> Iterator[Stretch]:
        """The local times that [start, end) goes through. `changes` are those from `at`, a while before it."""
        seen = at + offset
        """Fixed times before this local time are done with."""
        for change in (*(each for each in changes if each.at < end), Change(end, 0, 0)):
            low = start + offset if self._fields.wild else max(seen, start + offset)
            low, high = max(low, at + offset), change.at + offset
            if low < high:
                yield low, high, offset, None
            seen, at, offset = max(seen, high), change.at, change.after
            if at == end:
                return
            if not -CORRECTION <= change.shift <= CORRECTION:
                seen = at + offset
            elif not self._fields.wild and seen < at + offset:
                if at >= start:
                    yield seen, at + offset, offset, at
                seen = at + offset


__all__ = ["ALIASES", "MAX_LENGTH", "PROBE", "BadCron", "Cron", "normal", "zone"]

"""When the clocks of a zone change. zoneinfo knows it but does not say, so it is asked every few days, and between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = 86_400
STEP = 3 * DAY
"""No zone ever took a change back within so short a time; a test compares all of them with the zone files."""
LOOKBACK = DAY
"""Seconds before a moment within which a change still matters to it; the longest repeated time was a day."""
AHEAD = 3 * DAY
LAST_YEAR = 9998


@dataclass(frozen=True)
class Change:
    """`at` is in seconds since the epoch, UTC; `before` and `after` are offsets from UTC, in seconds."""

    at: int
    before: int
    after: int

    @property
    def shift(self) -> int:
        """Seconds: positive where a time of day is skipped, negative where one is repeated."""
        return self.after - self.before


def offset_at(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    return 0 if offset is None else offset.days * DAY + offset.seconds


def between(zone: ZoneInfo, low: int, high: int) -> Iterator[Change]:
    """The changes in (low, high], in order."""
    for year in range(_year(low), min(_year(high), LAST_YEAR) + 1):
        for change in _of_year(zone, year):
            if low < change.at <= high:
                yield change


@lru_cache(maxsize=16_384)
def around(zone: ZoneInfo, day: int) -> tuple[int, int, tuple[Change, ...]]:
    """For day number `day` since the epoch: a start a while before it, the offset then, and the changes from there on
    to the end of the day and two days more."""
    start = day * DAY - LOOKBACK
    return start, offset_at(zone, start), tuple(between(zone, start, day * DAY + AHEAD))


def _year(second: int) -> int:
    return datetime.fromtimestamp(second, UTC).year


@lru_cache(maxsize=4096)
def _of_year(zone: ZoneInfo, year: int) -> tuple[Change, ...]:
    """The changes in (start of the year, start of the next], UTC. Takes a millisecond, once."""
    low, end = (int(datetime(each, 1, 1, tzinfo=UTC).timestamp()) for each in (year, year + 1))
    found = []
    offset = offset_at(zone, low)
    while low < end:
        high = min(low + STEP, end)
        later = offset_at(zone, high)
        if later != offset:  # there may be a second change within the step: go on from the first one found
            high = _first(zone, low, high, offset)
            later = offset_at(zone, high)
            found.append(Change(high, offset, later))
        low, offset = high, later
    return tuple(found)


def _first(zone: ZoneInfo, low: int, high: int, offset: int) -> int:
    """The second at which the offset is no longer that of `low`."""
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high

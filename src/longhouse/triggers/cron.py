"""Due times of a cron text in a time zone, by the rules of Debian's cron: `cronsim` wrapped as a pure function of time.

Five fields, or six with seconds first; `@daily` and friends. A text with fixed hours and minutes runs once on the days
the clocks change; a text with a star there follows elapsed time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from longhouse.clock import millis, moment

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MAX_LENGTH = 400
"""Characters. The longest sensible text lists all minutes; a longer one only costs time to refuse."""

PROBE = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR_MS = 3_600_000


class BadCron(ValueError):
    """The text is no schedule; the message says why."""


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone. Raises BadCron for a name that does not exist."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadCron(f"there is no time zone {name!r}; use an IANA name such as Europe/Berlin or UTC") from error


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """`text` as cronsim reads it. Raises BadCron, also for a text that never fires."""
    if len(text) > MAX_LENGTH:
        raise BadCron(f"a cron text of {len(text)} characters is longer than the {MAX_LENGTH} allowed")
    stripped = text.strip()
    if stripped.startswith("@"):
        expanded = ALIASES.get(stripped.lower())
        if expanded is None:
            raise BadCron(f"{stripped!r} is not one of {', '.join(ALIASES)}")
        stripped = expanded
    fields = stripped.split()
    if len(fields) not in (5, 6):
        raise BadCron(f"{text!r} has {len(fields)} fields; cron texts have 5, or 6 with seconds first")
    try:
        next(CronSim(" ".join(fields), PROBE))
    except (CronSimError, StopIteration) as error:
        if isinstance(error, StopIteration) or _fires([*fields[:-2], "*", fields[-1]]):
            raise BadCron(f"{text!r} never fires: there is no such date") from error
        raise BadCron(f"{text!r} is no cron text: {error}") from error
    except (ValueError, OverflowError, IndexError) as error:
        raise BadCron(f"{text!r} is no cron text") from error
    return " ".join(fields)


def _fires(fields: list[str]) -> bool:
    try:
        next(CronSim(" ".join(fields), PROBE))
    except (CronSimError, StopIteration, ValueError, OverflowError, IndexError):
        return False
    return True


def _up_to(fields: CronSim, ms: int) -> int:
    """How many of a matching day's firings are no more than `ms` after its midnight."""
    if ms < 0:
        return 0
    hour, minute, second = ms // HOUR_MS, ms // 60_000 % 60, ms // 1000 % 60
    a_minute = len(fields.seconds)
    an_hour = a_minute * len(fields.minutes)
    count = sum(1 for each in fields.hours if each < hour) * an_hour
    if hour in fields.hours:
        count += sum(1 for each in fields.minutes if each < minute) * a_minute
        if minute in fields.minutes:
            count += sum(1 for each in fields.seconds if each <= second)
    return count


@dataclass(frozen=True)
class Cron:
    text: str
    timezone: str = "UTC"
    _text: str = field(init=False, repr=False, compare=False, default="")
    _zone: tzinfo = field(init=False, repr=False, compare=False, default=UTC)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_text", normal(self.text))
        chosen = zone(self.timezone)
        object.__setattr__(self, "_zone", UTC if self.timezone == "UTC" else chosen)

    def after(self, ms: int) -> int | None:
        """The first due time later than `ms` (milliseconds, UTC); None if there is none within cronsim's 50 years."""
        return _after(self, ms - ms % 1000)

    def latest(self, low: int, high: int) -> int | None:
        """The last due time in (low, high], None if there is none.

        Looks back in growing windows, so that a year of downtime of a minute-job costs one window and not a year.
        """
        window = 60_000
        while True:
            start = max(low, high - window)
            found = None
            for due in self.walk(start):
                if due > high:
                    break
                found = due
            if found is not None or start == low:
                return found
            window *= 4

    def count(self, low: int, high: int) -> int:
        """How many due times lie in (low, high].

        By multiplication for the days on and around which no clock changes, else by walking: months of downtime of a
        minute-job take milliseconds.
        """
        if high - low < 2 * HOUR_MS:
            return self._walked(low, high)
        fields, count = CronSim(self._text, PROBE), 0
        day = moment(low).astimezone(self._zone).date()
        while (start := self._midnight(day)) <= high:
            end = self._midnight(day + DAY)
            first, last = max(low + 1, start), min(high, end - 1)
            if self._even(day):
                if day.month in fields.months and fields.match_day(day):
                    count += _up_to(fields, last - start) - _up_to(fields, first - start - 1)
            else:
                count += self._walked(first - 1, last)
            day += DAY
        return count

    def _walked(self, low: int, high: int) -> int:
        return sum(1 for _ in takewhile(lambda due: due <= high, self.walk(low)))

    def _midnight(self, day: date) -> int:
        return millis(datetime.combine(day, time(), self._zone).astimezone(UTC))

    def _even(self, day: date) -> bool:
        """The clocks change neither on this day nor on the one before, from which a firing may be moved here."""
        offsets = {datetime.combine(day + n * DAY, time(), self._zone).utcoffset() for n in (-1, 0, 1)}
        return len(offsets) == 1

    def walk(self, ms: int) -> Iterator[int]:
        """The due times later than `ms`."""
        previous = ms
        # cronsim starts strictly after the moment it is given, in whole seconds.
        for when in CronSim(self._text, moment(ms - ms % 1000).astimezone(self._zone)):
            due = millis(when.astimezone(UTC))
            if due > previous:
                yield due
                previous = due


@lru_cache(maxsize=4096)
def _after(cron: Cron, ms: int) -> int | None:
    """Asked about each due time when it is planned, when it is settled and when the one after it is planned."""
    return next(cron.walk(ms), None)

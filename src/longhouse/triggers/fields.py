"""The fields of a cron text, and which local times match them. Local times are whole seconds since 1970-01-01 00:00 of
the wall clock, as if there were no time zones. cronsim parses."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache

from cronsim import CronSim, CronSimError

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
MOST_QUOTED = 100
ONE_VALUE = re.compile(r"\b(\w+)-\1/0*[1-9]\d*\b", re.ASCII)
"""`5-5/2` is 5 alone; cronsim would go on from there, as it does for `5/2`."""
NAMES = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")

DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()
PROBE = datetime(2024, 1, 1, tzinfo=UTC)
YEARS = 50
"""How far a next time is looked for: 29 February on a given weekday comes after 40 years at most."""


class BadCron(ValueError):
    """The text is no schedule; the message says why."""

    def __init__(self, message: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.place = place
        """The characters of the text that are meant, from and to; None: all of it, or something else."""


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """`text` as cronsim reads it. Raises BadCron, also for a text that never fires."""
    if len(text) > MAX_LENGTH:
        raise BadCron(f"a cron text of {len(text)} characters is longer than the {MAX_LENGTH} allowed")
    if not text.isascii() or not text.replace("\t", " ").replace("\n", " ").isprintable():
        raise BadCron(f"{_quoted(text)} is no cron text: it has characters other than plain letters, digits and signs")
    stripped = text.strip()
    if stripped.startswith("@"):
        expanded = ALIASES.get(stripped.lower())
        if expanded is None:
            raise BadCron(f"{_quoted(stripped)} is not one of {', '.join(ALIASES)}")
        stripped = expanded
    parts = [ONE_VALUE.sub(r"\1", part) for part in stripped.split()]
    if len(parts) not in (5, 6):
        raise BadCron(f"{_quoted(text)} has {len(parts)} fields; cron texts have 5, or 6 with seconds first")
    found = " ".join(parts)
    if isinstance(problem := _parsed(parts), str):
        anywhen = [*parts[:-2], "*", parts[-1]]
        if problem == "day-of-month" and not isinstance(_parsed(anywhen), str):
            raise BadCron(f"{_quoted(text)} never fires: there is no such date")
        at = NAMES[-len(parts) :].index(problem)
        place = [found.span() for found in re.finditer(r"\S+", text)][at] if len(text.split()) == len(parts) else None
        raise BadCron(f"{_quoted(text)} is no cron text: {_quoted(parts[at])} is no {problem}", place)
    if fields_of(found).next(int(PROBE.timestamp())) is None:
        raise BadCron(f"{_quoted(text)} never fires: there is no such date")
    return found


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}...")


def _parsed(parts: list[str]) -> CronSim | str:
    """The name of the field that makes no sense, if one does not."""
    for at, name in enumerate(NAMES[-len(parts) :]):
        try:  # one field at a time: what int() says of a long number names no field
            CronSim(" ".join(parts[n] if n == at else "*" for n in range(len(parts))), PROBE)
        except (CronSimError, ValueError, OverflowError, IndexError):
            return name
    try:
        return CronSim(" ".join(parts), PROBE)
    except CronSimError:
        return "day-of-month"  # each field is fine, but none of the months is that long


@lru_cache(maxsize=1024)
def fields_of(normal_text: str) -> Fields:
    return Fields(normal_text)


def date_of(day: int) -> date:
    """Of the day with that number since 1970-01-01."""
    return date.fromordinal(EPOCH + day)


class Fields:
    """Of a text that `normal` has passed."""

    def __init__(self, text: str) -> None:
        parsed = CronSim(text, PROBE)
        self.wild = any(part.startswith("*") for part in text.split()[:-3])
        """A star at the start of the hour, the minute or the second: it follows elapsed time."""
        self.around_the_clock = self.wild and len(parsed.hours) == 24
        self._day_matches = parsed.match_day
        self._months = parsed.months
        self._hours = sorted(parsed.hours)
        self._in_hour = [60 * minute + second for minute in sorted(parsed.minutes) for second in sorted(parsed.seconds)]
        self._first = self._hours[0] * 3600 + self._in_hour[0]
        self._always = text.split()[-3:] == ["*", "*", "*"]

    def next(self, at: int) -> int | None:
        """The first matching local time not before `at`; None if there is none within 50 years."""
        day, rest = divmod(at, DAY)
        if self._match(day):
            hour, left = divmod(rest, 3600)
            place = bisect_left(self._hours, hour)
            if place < len(self._hours):
                if self._hours[place] > hour:
                    return day * DAY + self._hours[place] * 3600 + self._in_hour[0]
                within = bisect_left(self._in_hour, left)
                if within < len(self._in_hour):
                    return day * DAY + hour * 3600 + self._in_hour[within]
                if place + 1 < len(self._hours):
                    return day * DAY + self._hours[place + 1] * 3600 + self._in_hour[0]
        following = self._next_day(day + 1)
        return None if following is None else following * DAY + self._first

    def count(self, low: int, high: int) -> int:
        """How many matching local times lie in [low, high)."""
        count, day, last = 0, low // DAY, (high - 1) // DAY
        while day <= last:
            if self._match(day):
                count += self._up_to(min(high - day * DAY, DAY)) - self._up_to(max(low - day * DAY, 0))
            day += 1
        return count

    def days(self, low: int, high: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The matching local times in [low, high): number of the day, and its times in milliseconds after midnight."""
        for day in range(low // DAY, (high - 1) // DAY + 1):
            if self._match(day):
                since, until = low - day * DAY, high - day * DAY
                if since <= 0 and until >= DAY:
                    yield day, self._whole_day
                else:
                    yield day, tuple(each for each in self._whole_day if since * 1000 <= each < until * 1000)

    @cached_property
    def _whole_day(self) -> tuple[int, ...]:
        return tuple((3600 * hour + left) * 1000 for hour in self._hours for left in self._in_hour)

    def _up_to(self, second: int) -> int:
        """How many of a matching day's times are before its `second`."""
        hour, left = divmod(second, 3600)
        place = bisect_left(self._hours, hour)
        count = place * len(self._in_hour)
        if place < len(self._hours) and self._hours[place] == hour:
            count += bisect_left(self._in_hour, left)
        return count

    def _match(self, day: int) -> bool:
        if self._always:
            return True
        when = date.fromordinal(EPOCH + day)
        return when.month in self._months and self._day_matches(when)

    def _next_day(self, day: int) -> int | None:
        if self._always:
            return day
        when = date.fromordinal(EPOCH + day)
        last = min(when.year + YEARS, date.max.year - 1)
        while when.year <= last:
            if when.month not in self._months:
                when = (when.replace(day=28) + FIVE_DAYS).replace(day=1)
            elif self._day_matches(when):
                return when.toordinal() - EPOCH
            else:
                when += ONE_DAY
        return None


ONE_DAY = date(2024, 1, 2) - date(2024, 1, 1)
FIVE_DAYS = 5 * ONE_DAY

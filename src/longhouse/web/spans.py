"""What one view of the timeline shows: an hour, a day, a week or a month of a zone, and what lies before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from longhouse.calendars import midnight
from longhouse.clock import millis, moment
from longhouse.errors import Invalid
from longhouse.triggers.changes import between
from longhouse.triggers.cron import BadCron
from longhouse.triggers.cron import zone as zone_of

VIEWS = ("hour", "day", "week", "month")
MINUTE, HOUR = 60_000, 3_600_000
FIRST_YEAR, LAST_YEAR = 1970, 9998


@dataclass(frozen=True)
class Span:
    view: str
    zone: str
    low: int
    high: int
    title: str
    field: str
    """The value of the field to jump elsewhere."""
    before: str
    after: str
    """What the address of the neighbours says."""
    first: date
    """The first day of it, in the zone."""
    days: int


def span(view: str, at: str, zone: str, now: int) -> Span:
    """The `view` with `at` in it: a time such as 2026-02-04T08:00, a day, a month; empty: now. Raises Invalid."""
    start = _start(at, zone, now)
    if view == "hour":
        low = start - start % HOUR if not _minutes_off(start, zone) else start - _minutes(start, zone) * MINUTE
        low -= low % MINUTE
        local = _local(low, zone)
        end = _local(low + HOUR, zone)
        title = f"{_day(local.date())}, {local:%H:%M} to {end:%H:%M}"
        return _span(
            view,
            zone,
            low,
            low + HOUR,
            title,
            f"{local:%Y-%m-%dT%H:%M}",
            _hour(low - HOUR, zone),
            _hour(low + HOUR, zone),
        )
    day = _local(start, zone).date()
    if view == "month":
        first, following = day.replace(day=1), _months(day, 1)
        low, high = midnight(first, zone), midnight(following, zone)
        return _span(
            view, zone, low, high, f"{first:%B %Y}", f"{first:%Y-%m}", f"{_months(day, -1):%Y-%m}", f"{following:%Y-%m}"
        )
    length = 7 if view == "week" else 1
    first = day - timedelta(days=day.weekday() if view == "week" else 0)
    last = first + timedelta(days=length - 1)
    title = _day(first) if view == "day" else f"{_day(first)} to {_day(last)}"
    low, high = midnight(first, zone), midnight(first + timedelta(days=length), zone)
    return _span(
        view,
        zone,
        low,
        high,
        title,
        f"{first}",
        f"{first - timedelta(days=length)}",
        f"{first + timedelta(days=length)}",
    )


def _span(view: str, zone: str, low: int, high: int, title: str, field: str, before: str, after: str) -> Span:
    first = _local(low, zone).date()
    return Span(
        view, zone, low, high, title, field, before, after, first, (_local(high - 1, zone).date() - first).days + 1
    )


def _start(at: str, zone: str, now: int) -> int:
    try:
        there = zone_of(zone)
    except BadCron as error:
        raise Invalid(str(error)) from error
    if not at:
        return now
    try:
        when = datetime.fromisoformat(f"{at}-01" if len(at) == 7 else at)
        found = millis(when if when.tzinfo else when.replace(tzinfo=there))
    except (ValueError, OverflowError):
        found = -1
    if found < 0 or not FIRST_YEAR < moment(found).year < LAST_YEAR:
        raise Invalid(f"{at!r} is no day such as 2026-02-04, nor a time such as 2026-02-04T08:00") from None
    return found


def _local(ms: int, zone: str) -> datetime:
    return moment(ms).astimezone(zone_of(zone))


def _minutes(ms: int, zone: str) -> int:
    return _local(ms, zone).minute


def _minutes_off(ms: int, zone: str) -> bool:
    """The zone's hours do not begin with those of UTC."""
    offset = _local(ms, zone).utcoffset()
    return offset is not None and offset.total_seconds() % 3600 != 0


def _hour(ms: int, zone: str) -> str:
    """With its offset: an hour may come twice."""
    return _local(ms, zone).isoformat(timespec="minutes")


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def _months(day: date, by: int) -> date:
    count = day.year * 12 + day.month - 1 + by
    return date(count // 12, count % 12 + 1, 1)


# --- the axis ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tick:
    at: int
    label: str
    """Empty: a line alone."""


def ticks(shown: Span) -> Iterator[Tick]:
    if shown.view == "hour":
        for n in range(0, 60, 5):
            yield Tick(
                shown.low + n * MINUTE, f"{_local(shown.low + n * MINUTE, shown.zone):%H:%M}" if n % 10 == 0 else ""
            )
    elif shown.view == "day":
        for n, at in enumerate(range(shown.low, shown.high, HOUR)):
            yield Tick(at, f"{_local(at, shown.zone):%H:%M}" if n % 3 == 0 else "")
    else:
        for n in range(shown.days):
            day = shown.first + timedelta(days=n)
            yield Tick(midnight(day, shown.zone), f"{day:%a} {day.day}")


def clock_changes(shown: Span) -> list[tuple[int, str]]:
    """The moments in it at which the clocks of the zone change, and how."""
    found = []
    for change in between(zone_of(shown.zone), shown.low // 1000 - 1, shown.high // 1000 - 1):
        before, after = change.at + change.before, change.at + change.after
        found.append((change.at * 1000, f"the clocks go from {_clock(before)} to {_clock(after)}"))
    return found


def _clock(local: int) -> str:
    return f"{local % 86_400 // 3600:02d}:{local % 3600 // 60:02d}"

"""Moments and durations as people say them. The server writes them; live.js keeps the relative ones true."""

from __future__ import annotations

from datetime import UTC, datetime

from longhouse.clock import moment
from longhouse.triggers.cron import zone

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def relative(ms: int, now: int) -> str:
    """`in 5 min`, `3 h ago`, `now`. static/live.js computes the same."""
    distance = abs(ms - now)
    if distance < 5 * SECOND:
        return "now"
    span = rough(distance)
    return f"in {span}" if ms > now else f"{span} ago"


def rough(ms: int) -> str:
    """One unit, or two where the second still matters."""
    if ms < MINUTE:
        return f"{ms // SECOND} s"
    if ms < HOUR:
        return f"{ms // MINUTE} min"
    if ms < 10 * HOUR:
        minutes = ms % HOUR // MINUTE
        return f"{ms // HOUR} h {minutes} min" if minutes else f"{ms // HOUR} h"
    if ms < 2 * DAY:
        return f"{ms // HOUR} h"
    return f"{ms // DAY} days"


def duration(ms: int | None) -> str:
    """`420 ms`, `3.2 s`, `4 min 05 s`, `2 h 10 min`."""
    if ms is None:
        return "–"
    if ms < SECOND:
        return f"{max(ms, 0)} ms"
    if ms < 10 * SECOND:
        return f"{ms / SECOND:.1f} s"
    if ms < MINUTE:
        return f"{ms // SECOND} s"
    if ms < HOUR:
        return f"{ms // MINUTE} min {ms % MINUTE // SECOND:02d} s"
    if ms < DAY:
        return f"{ms // HOUR} h {ms % HOUR // MINUTE:02d} min"
    return f"{ms // DAY} d {ms % DAY // HOUR} h"


def local(ms: int, zone_name: str) -> datetime:
    return moment(ms).astimezone(zone(zone_name))


def absolute(ms: int, zone_name: str, now: int, *, seconds: bool = False) -> str:
    """`Thu 5 Feb, 08:00 CET`; the year where it is not this one."""
    when = local(ms, zone_name)
    year = "" if when.year == local(now, zone_name).year else f" {when.year}"
    clock = when.strftime("%H:%M:%S" if seconds or when.second else "%H:%M")
    return f"{when:%a} {when.day} {when:%b}{year}, {clock} {zone_label(when, zone_name)}"


def zone_label(when: datetime, zone_name: str) -> str:
    """CET, UTC, or `UTC+05:30` where the zone has no letters."""
    label = when.tzname() or zone_name
    return label if label[:1].isalpha() else f"UTC{label}"


def exact(ms: int) -> str:
    """For tooltips: UTC to the millisecond."""
    return f"{moment(ms).astimezone(UTC):%Y-%m-%d %H:%M:%S}.{ms % 1000:03d} UTC"


def size(count: int) -> str:
    """Bytes as `812 B`, `4.2 kB`, `17 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"

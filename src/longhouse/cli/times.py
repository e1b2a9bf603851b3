"""Times as people read them: in their own zone, and how far away."""

from __future__ import annotations

import re
from datetime import timedelta

from longhouse.clock import SystemClock, iso, millis, moment, parse_iso

UNITS = {"m": "minutes", "h": "hours", "d": "days"}
STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def local(iso: str | None) -> str:
    """`2026-02-04 08:00:00` in the zone of this terminal; empty for None."""
    return moment(parse_iso(iso)).astimezone().strftime("%Y-%m-%d %H:%M:%S") if iso else ""


def away(iso: str | None, now: int | None = None) -> str:
    """`in 5 min`, `2 h ago`; empty for None."""
    if not iso:
        return ""
    seconds = (parse_iso(iso) - (SystemClock().now() if now is None else now)) / 1000
    size = length(abs(seconds))
    return f"in {size}" if seconds > 0 else f"{size} ago"


def from_now(text: str) -> str | None:
    """ISO time of `90d`, `12h`, `30m` from now; None if the text is not of that kind."""
    match = re.fullmatch(r"\+?(\d{1,5})([mhd])", text)
    if match is None:
        return None
    return iso(millis(moment(SystemClock().now()) + timedelta(**{UNITS[match[2]]: int(match[1])})))


def length(seconds: float) -> str:
    """`0.4 s`, `12 s`, `5 min`, `3 h`, `2 d`: the largest unit, rounded down."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    size, unit = next((size, unit) for size, unit in STEPS if seconds >= size)
    return f"{int(seconds // size)} {unit}"


def between(start: str | None, end: str | None) -> str:
    """How long something took, or has been going on; empty if it has not started."""
    if start is None:
        return ""
    until = parse_iso(end) if end else SystemClock().now()
    return length((until - parse_iso(start)) / 1000)

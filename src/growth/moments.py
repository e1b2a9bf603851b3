"""Moments as whole milliseconds since 1970 in UTC: how events tell the time and how documents write it.

Nothing here reads a clock or a local time zone, so the same events give the same figures everywhere.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

STABLE_MOMENT: Final = "2024-01-01T00:00:00.000Z"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_LOCAL = datetime(1970, 1, 1)
_COARSE = re.compile(r"(\d{4})(?:-(\d{2}))?", re.ASCII)
_EVENT_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:[Zz]|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_EARLIEST, _LATEST = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999


def event_moment(value: Any) -> int | None:
    """Milliseconds of an event's timestamp: ISO 8601 text (UTC unless it names an offset) or epoch milliseconds.

    None if it is neither. Digits beyond the millisecond are dropped.
    """
    if isinstance(value, str):
        return _text_moment(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and _EARLIEST <= value <= _LATEST:
        return math.trunc(value)
    return None


def _text_moment(text: str) -> int | None:
    if not _EVENT_TIME.fullmatch(text):
        coarse = _COARSE.fullmatch(text)
        if not coarse:
            return None
        text = f"{coarse[1]}-{coarse[2] or '01'}-01"
    try:
        moment = datetime.fromisoformat(text)
        since = moment - (_EPOCH_LOCAL if moment.tzinfo is None else _EPOCH)
    except (ValueError, OverflowError):
        return None
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def written(milliseconds: int) -> str:
    """`2024-01-01T00:00:00.000Z`; years beyond four digits cannot be written and raise OverflowError."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z".rjust(24, "0")


def later(moment: str, days: float) -> str:
    """The wire datetime `days` after another wire datetime."""
    start = event_moment(moment)
    if start is None:
        raise ValueError(f"{moment!r} is not a datetime")
    return written(start + round(days * 86_400_000))

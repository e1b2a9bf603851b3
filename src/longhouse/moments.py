"""Times as people give them to a verb: with a zone, or as the clock on the instance's wall shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from longhouse.clock import millis
from longhouse.errors import Invalid
from longhouse.house import House

DAY_MS = 24 * 60 * 60 * 1000
LAST = millis(datetime(9999, 12, 31, tzinfo=UTC))
FARTHEST_DAYS = 366
"""How far ahead somebody may plan by hand. What is farther away is a schedule, or a slip of the pen."""


def moment_of(house: House, field: str, text: str) -> int:
    """Milliseconds of `2026-02-04T08:00:00Z`, or of `2026-02-04 08:00` in the instance's zone.

    A local time that comes twice, in autumn, is the first of the two. Raises Invalid naming `field`, also for a local
    time that the clocks skip.
    """
    try:
        when = datetime.fromisoformat(text.strip())
        local = when if when.tzinfo else when.replace(tzinfo=ZoneInfo(house.zone))
        found = millis(local)
        skipped = when.tzinfo is None and local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None) != when
    except (ValueError, OverflowError):
        raise refused(
            field, f"{text!r} is no time such as 2026-02-04T08:00:00Z or, in {house.zone}, 2026-02-04 08:00"
        ) from None
    if skipped:
        raise refused(field, f"{text!r} does not exist in {house.zone}: the clocks skip it")
    if not 0 <= found <= LAST:
        raise refused(field, f"{text!r} is not between 1970 and 9999")
    return found


def ahead(house: House, field: str, text: str) -> int:
    """A moment to come, at most a year away. Raises Invalid naming `field`."""
    found, now = moment_of(house, field, text), house.clock.now()
    if found <= now:
        raise refused(field, f"{text!r} has passed already")
    if found > now + FARTHEST_DAYS * DAY_MS:
        raise refused(field, f"{text!r} is more than {FARTHEST_DAYS} days away")
    return found


def refused(field: str, message: str) -> Invalid:
    return Invalid(
        f"{field}: {message}",
        hint="A time without Z or an offset is read in the instance's zone.",
        errors=[{"pointer": f"/{field}", "message": message}],
    )

"""What a schedule would do, beside the field it is typed in."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from fastapi import Depends, Query, Request, Response

from longhouse.doors import TheHouse, needs
from longhouse.house import House
from longhouse.triggers.preview import BadSchedule, preview
from longhouse.web.page import pages, part

router = pages()

SHOWN = 6
Text = Annotated[str, Query(max_length=1000)]


@router.get("/schedules/preview", dependencies=[Depends(needs("jobs:read"))])
def preview_part(
    request: Request, house: TheHouse, cron: Text = "", every: Text = "", timezone: Text = "", when: Text = ""
) -> Response:
    return part(request, "parts/schedule.html", **previewed(house, *chosen(when, cron, every), timezone))


def chosen(when: str, cron: str, every: str) -> tuple[str, str]:
    """The one of both that the form means, the other empty; `when` is cron, every, hand, or empty: both as they are."""
    return (cron if when in ("", "cron") else "", every if when in ("", "every") else "")


def previewed(house: House, cron: str, every: str, timezone: str) -> dict[str, Any]:
    there = timezone.strip() or house.zone
    try:
        found = preview(cron, every, there, house.clock.now(), SHOWN)
    except BadSchedule as error:
        return {"preview": None, "wrong": error, "marked": marked(cron, error), "there": house.zone}
    return {"preview": found, "wrong": None, "marked": None, "there": there}


def marked(cron: str, error: BadSchedule) -> tuple[str, str, str] | None:
    """The text before, in and after its mistake."""
    if error.place is None or error.field != "cron":
        return None
    start, end = error.place
    return cron[:start], cron[start:end], cron[end:]


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """Names to choose from: places, and UTC."""
    return ("UTC", *sorted(each for each in available_timezones() if "/" in each and not each.startswith("Etc/")))

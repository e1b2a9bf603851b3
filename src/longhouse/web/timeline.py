"""The Timeline page: an hour, a day or a week of all jobs in one picture, and a month as a calendar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import calendars, timeline
from longhouse.calendars import Day
from longhouse.clock import iso
from longhouse.doors import TheHouse, needs
from longhouse.house import House
from longhouse.simulation.plan import Collision
from longhouse.timeline import PLANNED, Lane, Mark, Timeline
from longhouse.web import lanes, spans
from longhouse.web.page import page, pages, part
from longhouse.web.spans import Span
from longhouse.web.words import ENDS, STATES

router = pages()

READ = [Depends(needs("runs:read")), Depends(needs("jobs:read"))]
ROWS = 40
LISTED = 40
ZONES = ("UTC",)
NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")

Address = Callable[..., str]
Short = Annotated[str, Query(max_length=64)]


@router.get("/calendar", dependencies=READ)
def calendar_page() -> Response:
    return RedirectResponse("/timeline?view=month", 303)


@router.get("/timeline", dependencies=READ)
def timeline_page(
    request: Request,
    house: TheHouse,
    view: Short = "day",
    at: Short = "",
    zone: Short = "",
    text: Annotated[str, Query(alias="q", max_length=100)] = "",
    idle: Annotated[str, Query(alias="all", max_length=3)] = "",
    after: Short = "",
    part_of: Annotated[str, Query(alias="part", max_length=20)] = "",
) -> Response:
    now = house.clock.now()
    shown = spans.span(view if view in spans.VIEWS else "day", at, zone or house.zone, now)
    kept = {"zone": "" if shown.zone == house.zone else shown.zone, "q": text.strip(), "all": "on" if idle else ""}
    address = _addresses(shown, at, kept)
    context: dict[str, Any] = {
        "span": shown,
        "at_now": at == "",
        "text": text.strip(),
        "idle": bool(idle),
        "after": after,
        "address": address,
        "zones": list(dict.fromkeys((house.zone, *ZONES, shown.zone))),
        "kinds_said": "|".join(map(kind_said, lanes.KINDS)),
        "kind_said": kind_said,
        "kind_is_end": lambda kind: kind not in lanes.BARS,
    }
    if shown.view == "month":
        context |= _month(house, shown, text)
    else:
        context |= _picture(house, shown, text, bool(idle), after, address)
    return part(request, "parts/timeline.html", **context) if part_of else page(request, "timeline.html", **context)


def _addresses(shown: Span, at: str, kept: dict[str, str]) -> Address:
    def address(**wanted: object) -> str:
        named = {"view": shown.view, "at": at, **kept, **wanted}
        return "/timeline?" + urlencode([(name, value) for name, value in named.items() if value])

    return address


# --- hour, day, week --------------------------------------------------------------------------------------------------


def _picture(house: House, shown: Span, text: str, idle: bool, after: str, address: Address) -> dict[str, Any]:
    found = timeline.look(house, shown.low, shown.high, text=text, idle=idle, after=after, limit=ROWS)
    marks, changes = list(spans.ticks(shown)), spans.clock_changes(shown)
    entries, hidden = listed(found)
    return {
        "found": found,
        "changes": changes,
        "grid": lanes.grid(marks, shown, found.now, changes),
        "axis": lanes.axis(marks, shown, found.now),
        "load": lanes.load(found.load, found.step, found.slots, shown) if found.load else "",
        "load_said": load_said(found),
        "lane": lambda row: lanes.lane(row, shown),
        "lane_said": lane_said,
        "lane_link": lambda row: f"/runs?{urlencode({'job': row.job_id})}",
        "collision_said": lambda each: collision_said(each, shown),
        "entries": entries,
        "hidden": hidden,
        "when": lambda mark: lanes.when(mark, shown),
        "shape": lanes.sample,
        "mark_link": lambda row, mark: mark_link(row, mark, address, shown),
        "closer": closer(shown),
        "used": sorted({mark.kind for row in found.lanes for mark in row.marks}, key=lanes.KINDS.index),
    }


def closer(shown: Span) -> str:
    return "day" if shown.view == "week" else "hour"


def mark_link(row: Lane, mark: Mark, address: Address, shown: Span) -> str:
    """To the run, to the ledger with the reason, closer to where many are, or to the job."""
    kind, number = lanes.reference(mark)[:1], lanes.reference(mark)[1:]
    if kind == "r":
        return f"/runs/{number}"
    if kind == "f":
        return f"/jobs/{quote(row.job_id)}/firings?before={number}"
    if kind == "z" and shown.view != "hour":
        return address(view=closer(shown), at=iso(mark.first), q=row.job_id, after="")
    return f"/runs?{urlencode({'job': row.job_id})}" if kind == "z" else f"/jobs/{quote(row.job_id)}"


def kind_said(kind: str) -> str:
    if kind == PLANNED:
        return "Planned"
    return STATES[kind] if kind in STATES else ENDS[kind][0]


def lane_said(row: Lane) -> str:
    """`22 succeeded, 2 failed, 71 planned`."""
    kinds = sorted(row.totals, key=lanes.KINDS.index)
    return ", ".join(f"{row.totals[kind]:,} {_small(kind_said(kind))}" for kind in kinds)


def _small(words: str) -> str:
    return words[:1].lower() + words[1:]


def load_said(found: Timeline) -> str:
    parts = []
    if running := max((each.running for each in found.load), default=0):
        parts.append(f"{running} at once")
    if due := max((each.due for each in found.load), default=0):
        parts.append(f"{due} due at once")
    return ", ".join(parts)


def collision_said(each: Collision, shown: Span) -> str:
    """`Six jobs are due at 08:00`, and how often."""
    many = NUMBERS[each.due] if each.due < len(NUMBERS) else f"{each.due:,}"
    whose = f" of the group {each.group}" if each.group else ""
    first = lanes.clock(each.moments[0], shown)
    said = f"{many} jobs{whose} are due at {first}"
    if (times := len(each.moments)) == 1:
        return said
    again = "once" if times == 2 else f"{times - 1:,} times"
    return f"{said}, and {again} more until {lanes.clock(each.moments[-1], shown)}"


def listed(found: Timeline, most: int = LISTED) -> tuple[list[tuple[Lane, Mark]], int]:
    """What is nearest to now, in order of time, and how much is left out: the same facts as the picture, as text."""
    every = sorted(
        ((row, mark) for row in found.lanes for mark in row.marks), key=lambda each: (each[1].first, each[0].job_id)
    )
    past = sum(mark.first <= found.now for _, mark in every)
    low = max(0, min(past - most // 2, len(every) - most))
    return every[low : low + most], max(0, len(every) - most)


# --- month ------------------------------------------------------------------------------------------------------------


def _month(house: House, shown: Span, text: str) -> dict[str, Any]:
    found = calendars.days(house, shown.first, shown.days, shown.zone, text=text)
    return {
        "days": found,
        "blank": shown.first.weekday(),
        "today": calendars.today(house, shown.zone),
        "bar": lambda day: lanes.bar(day.runs, max(1, *(sum(each.runs.values()) for each in found))),
        "day_said": day_said,
    }


def day_said(day: Day) -> list[tuple[str, str]]:
    """A kind and its words each, worst first."""
    order = ("failed", "degraded", "running", "retrying", "skipped", "cancelled", "succeeded")
    said = [(kind, f"{day.runs[kind]:,} {_small(STATES[kind])}") for kind in order if day.runs.get(kind)]
    if day.missed:
        said.insert(0, ("missed_down", f"{day.missed:,} with missed times"))
    if day.planned:
        said.append((PLANNED, f"{day.planned:,} planned"))
    return said

"""The ledger of a job."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse import jobs
from longhouse.api.jobs import JobId
from longhouse.api.paging import LARGEST, Cursor, Limit, link_next, number
from longhouse.api.runs import when
from longhouse.clock import parse_iso
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.errors import Invalid
from longhouse.ledger import Firing

router = routes(tags=["jobs"])

DAY_MS = 24 * 60 * 60 * 1000


class FiringShown(BaseModel):
    """What became of one due time, or of `count` consecutive ones with the same end."""

    job_id: str
    first: str
    last: str
    count: int
    end: str
    run_id: int | None
    open: bool = Field(description="The entry still grows.")


class FiringPage(BaseModel):
    items: list[FiringShown]
    next: str | None


@router.get("/api/jobs/{job_id}/firings", dependencies=[Depends(needs("jobs:read"))])
def list_firings(
    job_id: JobId,
    request: Request,
    response: Response,
    house: TheHouse,
    low: Annotated[str | None, Query(alias="from", description="ISO 8601 with a zone; a week ago if left out.")] = None,
    high: Annotated[str | None, Query(alias="to", description="ISO 8601 with a zone; now if left out.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> FiringPage:
    """The ledger: what became of every due time between two moments, newest first."""
    now = house.clock.now()
    until = number(cursor) if cursor is not None else time_of("to", high, now)
    start = time_of("from", low, (until or now) - 7 * DAY_MS)
    found = jobs.firings(house, job_id, low=start, high=until or 0, limit=limit + 1)
    following = str(found[limit - 1].first - 1) if len(found) > limit else None
    return FiringPage(
        items=[firing_shown(firing) for firing in found[:limit]], next=link_next(request, response, following)
    )


def time_of(name: str, text: str | None, default: int) -> int:
    """A time of the query, milliseconds. Raises Invalid naming it."""
    if text is None:
        return default
    try:
        return min(max(parse_iso(text), 0), LARGEST)
    except (ValueError, OverflowError) as error:
        message = "this is no ISO 8601 time with a zone, such as 2026-02-04T08:00:00Z"
        raise Invalid(message, errors=[{"in": "query", "pointer": f"/{name}", "message": message}]) from error


def firing_shown(firing: Firing) -> FiringShown:
    return FiringShown(
        job_id=firing.job_id,
        first=when(firing.first) or "",
        last=when(firing.last) or "",
        count=firing.count,
        end=firing.end,
        run_id=firing.run_id,
        open=firing.open,
    )

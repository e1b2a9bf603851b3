"""Errors: failed runs that failed the same way, as one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse import failures
from longhouse.api.paging import Cursor, Limit, link_next, number
from longhouse.clock import iso
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.failures import Failure

router = routes(tags=["runs"])


class ErrorShown(BaseModel):
    """Runs that failed the same way."""

    fingerprint: str
    kind: str = Field(description="The exception's type, or the reason; may be empty.")
    message: str = Field(description="Of the newest run.")
    place: str = Field(description="File and line of the newest run; may be empty.")
    count: int
    first_seen: str
    last_seen: str
    newest_run: int
    jobs: dict[str, int] = Field(description="Runs by job.")
    days: list[int] = Field(description="Runs on each of the last 14 days in the instance's zone, today last.")


class ErrorPage(BaseModel):
    items: list[ErrorShown]
    next: str | None


@router.get("/api/errors", dependencies=[Depends(needs("runs:read"))])
def list_errors(
    request: Request,
    response: Response,
    house: TheHouse,
    job: Annotated[str | None, Query(max_length=64, description="Only runs of this job.")] = None,
    days: Annotated[int | None, Query(ge=1, le=3650, description="Only those seen in the last so many days.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ErrorPage:
    """Failed runs, grouped by what they have in common; the group seen last comes first."""
    found, following = failures.list_failures(house, days=days, job_id=job, after=number(cursor) or 0, limit=limit)
    following_text = None if following is None else str(following)
    return ErrorPage(items=[_shown(each) for each in found], next=link_next(request, response, following_text))


@router.get("/api/errors/{fingerprint}", dependencies=[Depends(needs("runs:read"))])
def get_error(
    fingerprint: Annotated[str, Path(json_schema_extra={"pattern": "^[0-9a-f]{16}$"}, description="Of the group.")],
    house: TheHouse,
) -> ErrorShown:
    """One group; its runs are `GET /api/runs?fingerprint=…`."""
    return _shown(failures.get_failure(house, fingerprint))


def _shown(found: Failure) -> ErrorShown:
    return ErrorShown(
        fingerprint=found.fingerprint,
        kind=found.kind,
        message=found.message,
        place=found.place,
        count=found.count,
        first_seen=iso(found.first),
        last_seen=iso(found.last),
        newest_run=found.newest,
        jobs=found.jobs,
        days=list(found.days),
    )

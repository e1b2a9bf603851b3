"""Backfills: a range of past due times as runs, looked at before it is confirmed, and cancelled as one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse import backfills
from longhouse.api.jobs import JobId
from longhouse.api.paging import LARGEST, Cursor, Limit, link_next, number
from longhouse.api.replies import TheReplies
from longhouse.api.runs import when
from longhouse.backfills import MOST, Range
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.errors import Invalid
from longhouse.house import House
from longhouse.store.backfills import Backfill

router = routes(tags=["backfills"])

BackfillId = Annotated[int, Path(ge=1, le=LARGEST, description="The backfill's number.")]
Moment = Annotated[str, Field(max_length=64, description="ISO 8601; without a zone, in that of the instance.")]


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    low: Annotated[Moment, Field(alias="from")]
    high: Annotated[Moment, Field(alias="to")]
    dry_run: Annotated[bool, Field(description="Only say what it would be.")] = False
    confirm: Annotated[
        int | None, Field(ge=1, le=MOST, description="The `count` that a dry run named; needed unless it is one.")
    ] = None
    params: dict[str, Any] = {}
    text: Annotated[
        bool, Field(description="Values are text, as typed at a command line: read them by their kinds.")
    ] = False


class BackfillShown(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)

    id: int | None = Field(description="null for a dry run")
    job_id: str
    low: str = Field(serialization_alias="from")
    high: str = Field(serialization_alias="to")
    count: int = Field(description="Due times, each with a run of its own.")
    first: str
    last: str
    ran_before: int | None = Field(description="Of a dry run: due times that have a run already, and get another.")
    runs: dict[str, int] = Field(description="How many of its runs are in which state.")
    left: int = Field(description="Runs that have not ended.")
    actor: str | None
    surface: str | None
    created_at: str | None
    cancelled_at: str | None


class BackfillPage(BaseModel):
    items: list[BackfillShown]
    next: str | None


@router.post(
    "/api/jobs/{job_id}/backfill",
    status_code=202,
    response_model=BackfillShown,
    responses={200: {"model": BackfillShown, "description": "A dry run"}},
    dependencies=[Depends(needs("runs:write"))],
)
def backfill(job_id: JobId, house: TheHouse, caller: TheCaller, replies: TheReplies, body: Wanted) -> Response:
    """Run the due times from `from` to `to`, both included, one after another and after everything else."""
    if body.dry_run:
        return replies.once(200, lambda house: _planned(backfills.plan(house, job_id, body.low, body.high)))
    if body.confirm is None:
        message = "say how many due times there are, as a dry run counts them"
        raise Invalid(
            f"confirm: {message}",
            hint='Send the same body with "dry_run": true first.',
            errors=[{"pointer": "/confirm", "message": message}],
        )
    count = body.confirm

    def act(house: House) -> BackfillShown:
        return _shown(
            backfills.start(
                house, job_id, body.low, body.high, caller.by, confirm=count, params=body.params, text=body.text
            )
        )

    return replies.once(202, act)


@router.get("/api/backfills", dependencies=[Depends(needs("runs:read"))])
def list_backfills(
    request: Request,
    response: Response,
    house: TheHouse,
    job: Annotated[str | None, Query(max_length=64, description="Only those of this job.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> BackfillPage:
    """Backfills, newest first."""
    found, following = backfills.list_backfills(house, job_id=job, before=number(cursor), limit=limit)
    following_text = None if following is None else str(following)
    return BackfillPage(items=[_shown(each) for each in found], next=link_next(request, response, following_text))


@router.get("/api/backfills/{backfill_id}", dependencies=[Depends(needs("runs:read"))])
def get_backfill(backfill_id: BackfillId, house: TheHouse) -> BackfillShown:
    """One backfill and how far it is; its runs: `GET /api/runs?backfill=`."""
    return _shown(backfills.get(house, backfill_id))


@router.post("/api/backfills/{backfill_id}/cancel", status_code=202, dependencies=[Depends(needs("runs:write"))])
def cancel(backfill_id: BackfillId, house: TheHouse, caller: TheCaller) -> BackfillShown:
    """Ask all its runs that have not ended to stop."""
    return _shown(backfills.cancel(house, backfill_id, caller.by))


def _planned(found: Range) -> BackfillShown:
    return BackfillShown(
        id=None,
        job_id=found.job_id,
        low=iso(found.low),
        high=iso(found.high),
        count=len(found.dues),
        first=iso(found.dues[0]),
        last=iso(found.dues[-1]),
        ran_before=found.ran_before,
        runs={},
        left=0,
        actor=None,
        surface=None,
        created_at=None,
        cancelled_at=None,
    )


def _shown(found: Backfill) -> BackfillShown:
    return BackfillShown(
        id=found.id,
        job_id=found.job_id,
        low=iso(found.low),
        high=iso(found.high),
        count=found.count,
        first=iso(found.first),
        last=iso(found.last),
        ran_before=None,
        runs=found.runs,
        left=backfills.left(found),
        actor=found.actor,
        surface=found.surface,
        created_at=iso(found.created_at),
        cancelled_at=when(found.cancelled_at),
    )

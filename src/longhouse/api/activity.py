"""Who did what: the audit trail, without the ends of runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse import activity
from longhouse.activity import Act
from longhouse.api.paging import Cursor, Limit, link_next, number
from longhouse.clock import iso
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes

router = routes(tags=["access"])

Time = Annotated[str, Query(max_length=40, description="ISO 8601; without a zone it is in the instance's.")]


class ActShown(BaseModel):
    number: int = Field(description="Its place in the audit trail.")
    at: str
    actor: str
    surface: str = Field(description="web, api, cli, or system for what the instance did by itself.")
    act: str
    subject: str
    sentence: str
    before: Any
    after: Any


class ActPage(BaseModel):
    items: list[ActShown]
    next: str | None


@router.get("/api/activity", dependencies=[Depends(needs("admin"))])
def list_activity(
    request: Request,
    response: Response,
    house: TheHouse,
    actor: Annotated[str, Query(max_length=200, description="Who did it.")] = "",
    act: Annotated[str, Query(max_length=40, description="What, such as run.create, or a group such as runs.")] = "",
    job: Annotated[str, Query(max_length=64, description="To which job or its runs.")] = "",
    since: Time = "",
    until: Time = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ActPage:
    """The newest first."""
    found, following = activity.list_acts(
        house, actor=actor, act=act, job=job, since=since, until=until, before=number(cursor), limit=limit
    )
    text = None if following is None else str(following)
    return ActPage(items=[_shown(each) for each in found], next=link_next(request, response, text))


def _shown(act: Act) -> ActShown:
    return ActShown(
        number=act.seq,
        at=iso(act.at),
        actor=act.actor,
        surface=act.surface,
        act=act.verb,
        subject=act.subject,
        sentence=f"{act.actor} {act.said.text}",
        before=act.before,
        after=act.after,
    )

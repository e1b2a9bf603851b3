"""Past and planned runs of all jobs, over hours or by day."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse import calendars, timeline
from longhouse.api.firings import time_of
from longhouse.api.paging import Limit, link_next
from longhouse.api.runs import when
from longhouse.clock import iso
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.errors import Invalid
from longhouse.simulation.plan import Collision
from longhouse.timeline import Lane
from longhouse.triggers import BadCron

router = routes(tags=["timeline"])

READ = [Depends(needs("runs:read")), Depends(needs("jobs:read"))]
DAY_MS = 86_400_000

Text = Annotated[str, Query(alias="q", max_length=100, description="Only jobs whose id, project or tags hold this.")]


class MarkShown(BaseModel):
    """One run, one due time, or `count` of a kind that lie close together."""

    kind: str = Field(description="the state of a run; how a due time ended that started none; or `planned`")
    first: str
    last: str
    count: int
    run_id: int | None = Field(description="The run, or the newest of several; null for due times.")


class LaneShown(BaseModel):
    job_id: str
    standing: str = Field(description="disabled, paused, removed or empty")
    resumes: str | None
    totals: dict[str, int] = Field(description="How many of each kind.")
    marks: list[MarkShown]


class LoadShown(BaseModel):
    at: str
    running: int = Field(description="The most runs at once.")
    due: int = Field(description="The most jobs that are due at one moment to come.")


class CollisionShown(BaseModel):
    """More jobs due at one moment than may run at once."""

    first: str
    last: str
    times: int
    due: int
    room: int
    group: str | None = Field(description="The concurrency group whose limit it is; null: the slots.")
    jobs: list[str] = Field(description="The first of them.")


class TimelineShown(BaseModel):
    low: str = Field(serialization_alias="from")
    high: str = Field(serialization_alias="to")
    now: str
    slots: int
    step_seconds: float
    items: list[LaneShown]
    next: str | None
    load: list[LoadShown] = Field(description="Of all jobs; steps in which nothing is are left out.")
    collisions: list[CollisionShown]
    more_collisions: int
    cut: list[str] = Field(description="Sentences about what is left out.")


class DayShown(BaseModel):
    date: datetime.date
    low: str = Field(serialization_alias="from")
    high: str = Field(serialization_alias="to")
    runs: dict[str, int] = Field(description="By state, of the runs that began on this day.")
    missed: int = Field(description="Jobs with due times that were missed, skipped or held.")
    planned: int = Field(description="Due times to come.")


class CalendarShown(BaseModel):
    timezone: str
    items: list[DayShown]


@router.get("/api/timeline", dependencies=READ)
def get_timeline(
    request: Request,
    response: Response,
    house: TheHouse,
    low: Annotated[str | None, Query(alias="from", description="ISO 8601 with a zone; 12 hours ago.")] = None,
    high: Annotated[str | None, Query(alias="to", description="ISO 8601 with a zone; 24 hours after `from`.")] = None,
    job: Annotated[str | None, Query(max_length=64, description="Only this job.")] = None,
    text: Text = "",
    idle: Annotated[bool, Query(alias="all", description="Also jobs with nothing in the span.")] = False,
    limit: Limit = 50,
    cursor: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
) -> TimelineShown:
    """What ran, what did not run and why, and what is due, by job; at most eight days."""
    start = time_of("from", low, house.clock.now() - DAY_MS // 2)
    found = timeline.look(
        house,
        start,
        time_of("to", high, start + DAY_MS),
        job_id=job,
        text=text,
        idle=idle,
        after=cursor,
        limit=limit,
    )
    return TimelineShown(
        low=iso(found.low),
        high=iso(found.high),
        now=iso(found.now),
        slots=found.slots,
        step_seconds=found.step / 1000,
        items=[_lane(lane) for lane in found.lanes],
        next=link_next(request, response, found.next),
        load=[LoadShown(at=iso(each.at), running=each.running, due=each.due) for each in found.load],
        collisions=[_collision(each) for each in found.collisions],
        more_collisions=found.more_collisions,
        cut=list(found.cut),
    )


@router.get("/api/calendar", dependencies=READ)
def get_calendar(
    house: TheHouse,
    first: Annotated[datetime.date | None, Query(alias="from", description="The first day; today.")] = None,
    count: Annotated[int, Query(alias="days", ge=1, le=calendars.MOST_DAYS)] = 31,
    timezone: Annotated[str, Query(max_length=64, description="An IANA name; the instance's.")] = "",
    text: Text = "",
) -> CalendarShown:
    """Runs, missed and planned due times of all jobs, by day."""
    zone = timezone or house.zone
    try:
        found = calendars.days(house, first or calendars.today(house, zone), count, zone, text=text)
    except BadCron as error:
        message = str(error)
        raise Invalid(message, errors=[{"in": "query", "pointer": "/timezone", "message": message}]) from error
    return CalendarShown(
        timezone=zone,
        items=[
            DayShown(
                date=day.date,
                low=iso(day.low),
                high=iso(day.high),
                runs=day.runs,
                missed=day.missed,
                planned=day.planned,
            )
            for day in found
        ],
    )


def _lane(lane: Lane) -> LaneShown:
    return LaneShown(
        job_id=lane.job_id,
        standing=lane.standing,
        resumes=when(lane.resumes),
        totals=lane.totals,
        marks=[
            MarkShown(kind=mark.kind, first=iso(mark.first), last=iso(mark.last), count=mark.count, run_id=mark.run_id)
            for mark in lane.marks
        ],
    )


def _collision(each: Collision) -> CollisionShown:
    return CollisionShown(
        first=iso(each.moments[0]),
        last=iso(each.moments[-1]),
        times=len(each.moments),
        due=each.due,
        room=each.room,
        group=each.group,
        jobs=list(each.jobs),
    )

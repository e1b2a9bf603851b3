"""What a schedule would do, before there is a job that has it."""

from __future__ import annotations

from datetime import timedelta
from datetime import timezone as fixed
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from longhouse.clock import iso, moment
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.errors import Invalid
from longhouse.triggers.preview import MOST, BadSchedule, Firing, preview

router = routes(tags=["schedules"])


class FiringAhead(BaseModel):
    due: str
    local: str = Field(description="The same moment as the wall clock of the time zone shows it.")
    clocks_changed: bool = Field(description="Since the firing before; since now for the first.")


class ClockTurn(BaseModel):
    date: str
    effect: str = Field(description="moved, twice or left_out")
    sentence: str


class SchedulePreview(BaseModel):
    text: str = Field(description="The schedule in words.")
    cron: str | None
    every: int | None
    timezone: str
    firings: list[FiringAhead]
    clock_changes: list[ClockTurn] = Field(description="Those within a year that do something to the due times.")


@router.get("/api/schedules/preview", dependencies=[Depends(needs("jobs:read"))])
def preview_schedule(
    house: TheHouse,
    cron: Annotated[str, Query(max_length=1000, description="Five fields, six with seconds first, or `@daily`.")] = "",
    every: Annotated[str, Query(max_length=20, description="Seconds, instead of a cron text.")] = "",
    timezone: Annotated[str, Query(max_length=100, description="Without one, the instance's.")] = "",
    count: Annotated[int, Query(ge=1, le=MOST)] = 10,
) -> SchedulePreview:
    """A schedule in words with its next due times; 422 with the sentence, and the characters meant, if it is none."""
    try:
        found = preview(cron, every, timezone or house.zone, house.clock.now(), count)
    except BadSchedule as error:
        raise refusal(error) from error
    return SchedulePreview(
        text=found.text,
        cron=found.cron,
        every=found.every,
        timezone=found.timezone,
        firings=[_firing(each) for each in found.firings],
        clock_changes=[ClockTurn(date=each.date, effect=each.effect, sentence=each.sentence) for each in found.turns],
    )


def refusal(error: BadSchedule) -> Invalid:
    """With `place`: where in the field the mistake begins and ends, if that is known."""
    facts: dict[str, Any] = {"place": list(error.place)} if error.place else {}
    where = [{"pointer": f"/{error.field}", "message": str(error)}]
    return Invalid(str(error), hint="docs/schedules.md has the rules.", errors=where, **facts)


def _firing(each: Firing) -> FiringAhead:
    there = moment(each.due).astimezone(fixed(timedelta(seconds=each.offset)))
    return FiringAhead(due=iso(each.due), local=there.isoformat(timespec="seconds"), clocks_changed=each.clocks_changed)

"""The pause of the whole instance."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field

from longhouse import pauses
from longhouse.api.runs import when
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.store.pauses import Pause

router = routes(tags=["instance"])


class Until(BaseModel):
    model_config = ConfigDict(extra="forbid")

    until: Annotated[
        str | None,
        Field(
            max_length=64,
            description="ISO 8601, at most 366 days away; without a zone, in that of the instance. Without it the pause"
            " lasts until somebody resumes.",
        ),
    ] = None


class PauseShown(BaseModel):
    since: str
    until: str | None = Field(description="The first moment that is no longer paused; null: until somebody resumes.")
    actor: str
    surface: str


class Switch(BaseModel):
    """Whether the instance is paused: then schedules do not fire, and nothing that waits is started."""

    paused: bool
    pause: PauseShown | None


@router.get("/api/pause", dependencies=[Depends(needs("jobs:read"))])
def get_pause(house: TheHouse) -> Switch:
    """Whether the whole instance is paused, since when, until when and by whom."""
    return _switch(pauses.of_instance(house))


@router.post("/api/pause", dependencies=[Depends(needs("jobs:write"))])
def pause(house: TheHouse, caller: TheCaller, body: Until | None = None) -> Switch:
    """Hold all schedules and everything that waits back, at once. Again with another end: that end counts."""
    return _switch(pauses.pause(house, caller.by, until=(body or Until()).until))


@router.post("/api/resume", dependencies=[Depends(needs("jobs:write"))])
def resume(house: TheHouse, caller: TheCaller) -> Switch:
    """End the pause of the instance; what was due meanwhile is not made up for."""
    pauses.resume(house, caller.by)
    return _switch(pauses.of_instance(house))


def _switch(pause: Pause | None) -> Switch:
    return Switch(paused=pause is not None, pause=pause_shown(pause))


def pause_shown(pause: Pause | None) -> PauseShown | None:
    if pause is None:
        return None
    return PauseShown(since=iso(pause.since), until=when(pause.until), actor=pause.actor, surface=pause.surface)

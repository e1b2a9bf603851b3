"""Stopping the server."""

from __future__ import annotations

import os
from dataclasses import asdict

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field

from longhouse import stopping
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes

router = routes(tags=["health"])


class StopWanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    drain: bool = Field(False, description="Let the runs that go on end first; nothing new starts.")


class StandingShown(BaseModel):
    draining: bool = Field(description="Nothing new starts; the server stops when the last run has ended.")
    stopping: bool = Field(description="What runs is being ended; the server is gone in a moment.")
    running: int = Field(description="Runs that have not ended yet.")
    pid: int = Field(description="The server's process.")


@router.get("/api/stop", dependencies=[Depends(needs("jobs:read"))])
def get_standing(house: TheHouse) -> StandingShown:
    """Whether the server was asked to stop, and what it waits for."""
    return StandingShown(**asdict(stopping.standing(house)), pid=os.getpid())


@router.post("/api/stop", status_code=202, dependencies=[Depends(needs("admin"))])
def stop(house: TheHouse, caller: TheCaller, wanted: StopWanted) -> StandingShown:
    """End the server. What runs is ended with TERM, then KILL, and tried again after the next start; with `drain` the
    server waits for it instead. A second stop without `drain` ends a drain."""
    return StandingShown(**asdict(stopping.stop(house, caller.by, drain=wanted.drain)), pid=os.getpid())

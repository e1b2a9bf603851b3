"""What is held because the clock of the machine was set forward, and the decision about it."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import Depends
from pydantic import BaseModel, Field

from longhouse import held
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes

router = routes(tags=["instance"])


class HeldShown(BaseModel):
    """One step of the clock forward by more than an hour that nobody has decided about."""

    before: str = Field(description="What the clock showed.")
    after: str = Field(description="What it was set to.")
    jobs: int
    due_times: int = Field(description="How many due times in between are held.")


class ClockShown(BaseModel):
    now: str
    held: list[HeldShown]


class DecisionShown(BaseModel):
    runs: int = Field(description="New runs.")
    due_times: int = Field(description="Due times that were treated by their jobs' catch-up settings.")
    left: int = Field(description="Due times that stay held for good.")


@router.get("/api/clock", dependencies=[Depends(needs("jobs:read"))])
def get_clock(house: TheHouse) -> ClockShown:
    """The instance's clock, and what is held because somebody set it forward by more than an hour."""
    return ClockShown(
        now=iso(house.clock.now()),
        held=[
            HeldShown(before=iso(each.gap.low), after=iso(each.gap.high), jobs=each.jobs, due_times=each.due_times)
            for each in held.overview(house)
        ],
    )


@router.post("/api/clock/accept", dependencies=[Depends(needs("jobs:write"))])
def accept(house: TheHouse, caller: TheCaller) -> DecisionShown:
    """The clock is right now: what was held is treated by each job's catch-up setting. 409 if nothing is held."""
    return DecisionShown(**asdict(held.accept(house, caller.by)))


@router.post("/api/clock/leave", dependencies=[Depends(needs("jobs:write"))])
def leave(house: TheHouse, caller: TheCaller) -> DecisionShown:
    """What was held starts no run. 409 if nothing is held."""
    return DecisionShown(**asdict(held.leave(house, caller.by)))

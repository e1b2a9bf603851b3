"""Is everything all right? The same checks as the command's."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import Depends
from pydantic import BaseModel, Field

from longhouse import doctor
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes

router = routes(tags=["health"])


class CheckShown(BaseModel):
    name: str
    status: str = Field(description="ok, warning or error")
    message: str
    hint: str


class Report(BaseModel):
    checks: list[CheckShown]


@router.get("/api/doctor", dependencies=[Depends(needs("jobs:read"))])
def get_report(house: TheHouse) -> Report:
    """Every check with what it found and what to do about it."""
    return Report(checks=[CheckShown(**asdict(check)) for check in doctor.report(house)])

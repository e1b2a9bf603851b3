"""What would become of a job if it were due at some moment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from longhouse import forecast
from longhouse.api.firings import FiringShown, firing_shown
from longhouse.api.jobs import JobId
from longhouse.api.runs import when
from longhouse.clock import iso
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes

router = routes(tags=["jobs"])


class ForecastShown(BaseModel):
    job_id: str
    at: str
    verdict: str = Field(description="In one sentence.")
    end: str = Field(description="What the ledger would say: `ran`, `skipped_disabled` or `skipped_paused`; or says.")
    reasons: list[str] = Field(description="Why it would not run, or what may still keep it from running.")
    scheduled: bool = Field(description="By its schedule the job is due at this moment.")
    before: str | None = Field(description="The due time before the moment.")
    after: str | None
    firing: FiringShown | None = Field(description="The entry of the ledger, of a moment that has passed.")
    commit: str = Field(description="The code that is loaded now.")
    environment: str
    params: dict[str, Any]
    secrets_missing: list[str]
    beside: list[str] = Field(description="Other jobs that are due in the same minute, at most twenty.")
    slots: int = Field(description="How many runs may be alive at once.")


@router.get("/api/jobs/{job_id}/forecast", dependencies=[Depends(needs("jobs:read")), Depends(needs("runs:read"))])
def show_forecast(
    job_id: JobId,
    house: TheHouse,
    at: Annotated[str, Query(max_length=64, description="ISO 8601; without a zone, in that of the instance.")],
) -> ForecastShown:
    """What a due time at this moment would come to as things stand, or has come to. Starts nothing."""
    found = forecast.forecast(house, job_id, at)
    return ForecastShown(
        job_id=found.job.id,
        at=iso(found.at),
        verdict=found.verdict,
        end=found.end,
        reasons=list(found.reasons),
        scheduled=found.scheduled,
        before=when(found.before),
        after=when(found.after),
        firing=firing_shown(found.entry) if found.entry else None,
        commit=found.job.commit_sha,
        environment=found.job.environment,
        params=found.params,
        secrets_missing=list(found.secrets_missing),
        beside=list(found.beside),
        slots=found.slots,
    )

"""What a job keeps between its runs: `ctx.state`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from longhouse import jobs
from longhouse.api.jobs import JobId
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from zerg._wire import MAX_STATE_BYTES, size_of_state

router = routes(tags=["jobs"])


class Memory(BaseModel):
    state: dict[str, Any] = Field(description="The values by their keys.")
    bytes: int = Field(description="How much of the limit they take, as JSON.")
    limit: int


class Forgotten(BaseModel):
    cleared: int = Field(description="How many keys went.")


@router.get("/api/jobs/{job_id}/state", dependencies=[Depends(needs("jobs:read"))])
def get_state(job_id: JobId, house: TheHouse) -> Memory:
    """What the job keeps in `ctx.state`."""
    found = jobs.memory(house, job_id)
    return Memory(state=found, bytes=size_of_state(found), limit=MAX_STATE_BYTES)


@router.delete("/api/jobs/{job_id}/state", dependencies=[Depends(needs("jobs:write"))])
def clear_state(
    job_id: JobId,
    house: TheHouse,
    caller: TheCaller,
    key: Annotated[str | None, Query(description="Only this key; left out: all of them.")] = None,
) -> Forgotten:
    """Clear the job's state, or one key of it. A run that is alive goes on with what it was given."""
    return Forgotten(cleared=jobs.forget(house, job_id, key, caller.by))

"""Many jobs or runs at once: each with its own outcome."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from longhouse import bulk
from longhouse.api.matching import Matching, wanted_of
from longhouse.api.paging import LARGEST
from longhouse.api.replies import TheReplies
from longhouse.bulk import MOST, Outcome
from longhouse.doors import TheCaller, needs
from longhouse.doors.routes import routes
from longhouse.errors import Invalid
from longhouse.house import House

router = routes(tags=["bulk"])

JobIds = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=MOST, description="Ids of jobs.")
]
RunIds = Annotated[
    list[Annotated[int, Field(ge=1, le=LARGEST)]], Field(max_length=MOST, description="Numbers of runs.")
]


class BulkJobs(BaseModel):
    model_config = ConfigDict(extra="forbid")

    do: Literal["enable", "disable", "pause", "resume"]
    jobs: JobIds
    until: Annotated[
        str | None, Field(max_length=64, description="For pause: its end; ISO 8601. null: until somebody resumes.")
    ] = None


class BulkRuns(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    do: Annotated[Literal["run", "cancel", "rerun"], Field(description="`run` takes `jobs`, the others `runs`.")]
    jobs: JobIds = []
    runs: RunIds = []
    matching: Annotated[
        Matching | None,
        Field(description="Instead of `runs`: all that fit and can be cancelled, or run again; at most 1,000."),
    ] = None
    commit: Annotated[
        Literal["same", "latest"], Field(description="For rerun: the code the run had, or what is loaded now.")
    ] = "same"


class Refusal(BaseModel):
    code: str
    detail: str
    hint: str


class OutcomeShown(BaseModel):
    id: str | int
    ok: bool
    changed: bool = Field(description="false: it was so already, or was refused.")
    run: int | None = Field(description="The new run, or the one that stops.")
    error: Refusal | None


class Outcomes(BaseModel):
    items: list[OutcomeShown] = Field(description="One for each id, in the order they were done.")
    done: int
    refused: int


@router.post("/api/jobs/bulk", response_model=Outcomes, dependencies=[Depends(needs("jobs:write"))])
def bulk_jobs(body: BulkJobs, caller: TheCaller, replies: TheReplies) -> Response:
    """Enable, disable, pause or resume up to 1,000 jobs. What one of them refuses does not hold the others up."""
    if body.until is not None and body.do != "pause":
        raise _without("/until", "until is for pause")
    return replies.once(
        200, lambda house: _shown(bulk.set_jobs(house, body.do, body.jobs, caller.by, until=body.until))
    )


@router.post("/api/runs/bulk", response_model=Outcomes, dependencies=[Depends(needs("runs:write"))])
def bulk_runs(body: BulkRuns, caller: TheCaller, replies: TheReplies) -> Response:
    """Run up to 1,000 jobs now, or cancel or repeat up to 1,000 runs. Repeated runs of one job wait for each other."""
    if body.runs and body.do == "run":
        raise _without("/runs", "run takes jobs")
    if body.jobs and body.do != "run":
        raise _without("/jobs", f"{body.do} takes runs")
    if body.matching is not None and (body.runs or body.do == "run"):
        raise _without("/matching", "matching goes with cancel and rerun, and instead of runs")

    def runs_of(house: House) -> list[int]:
        if body.matching is None:
            return body.runs
        return bulk.matching_runs(house, body.do, wanted_of(house, body.matching))

    def act(house: House) -> Outcomes:
        if body.do == "run":
            return _shown(bulk.run_jobs(house, body.jobs, caller.by))
        if body.do == "cancel":
            return _shown(bulk.cancel_runs(house, runs_of(house), caller.by))
        return _shown(bulk.rerun(house, runs_of(house), caller.by, same_commit=body.commit == "same"))

    return replies.once(200, act)


def _without(pointer: str, message: str) -> Invalid:
    return Invalid(message, hint="Leave it out.", errors=[{"pointer": pointer, "message": message}])


def _shown(outcomes: list[Outcome]) -> Outcomes:
    items = [
        OutcomeShown(id=each.id, ok=each.error is None, changed=each.changed, run=each.run, error=_refusal(each))
        for each in outcomes
    ]
    done = sum(each.ok for each in items)
    return Outcomes(items=items, done=done, refused=len(items) - done)


def _refusal(outcome: Outcome) -> Refusal | None:
    error = outcome.error
    return None if error is None else Refusal(code=error.code, detail=error.message, hint=error.hint)

"""Deleting runs: one, some, or all that fit."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field

from longhouse import deletions
from longhouse.api.bulk import RunIds
from longhouse.api.matching import Matching, Time, wanted_of
from longhouse.api.runs import RunId
from longhouse.clock import iso
from longhouse.deletions import Deleted, Plan
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.errors import Invalid
from longhouse.house import House
from longhouse.moments import moment_of

router = routes(tags=["runs"])

FOR_GOOD = [Depends(needs("admin"))]
"""Who may run jobs may not wipe out what they did."""


class DoomedMatching(Matching):
    """Besides, when they had ended."""

    ended_by: Annotated[Time, Field(description="Only those that had ended then; as a dry run named it.")] = ""


class DeleteRuns(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    runs: RunIds = []
    matching: Annotated[DoomedMatching | None, Field(description="Instead of numbers: all that fit, however many.")] = (
        None
    )
    dry_run: Annotated[bool, Field(description="Only say what would go.")] = False
    confirm: Annotated[
        int | None, Field(ge=0, description="With `matching`: the `count` that a dry run named; no more than that go.")
    ] = None


class DeletedShown(BaseModel):
    count: int = Field(description="Runs that go, with attempts, output and artifacts.")
    active: int = Field(description="Runs that stay because they have not ended.")
    gone: int = Field(description="Numbers of which there is no run any more.")
    left: int = Field(description="Of `count`: those that are still there and go in the background.")
    freed_bytes: int = Field(description="How large the output and artifacts were that are gone.")
    ended_by: str | None = Field(description="Of a dry run with `matching`: send it back with the count.")


@router.delete("/api/runs/{run_id}", dependencies=FOR_GOOD)
def delete_run(run_id: RunId, house: TheHouse, caller: TheCaller) -> DeletedShown:
    """Delete a run that has ended, with its attempts, output and artifacts. The ledger keeps its entry."""
    return _done(deletions.delete(house, run_id, caller.by))


@router.post("/api/runs/delete", dependencies=FOR_GOOD)
def delete_runs(house: TheHouse, caller: TheCaller, body: DeleteRuns) -> DeletedShown:
    """Delete up to 1,000 runs by number, or all that fit. Such as have not ended stay. May be repeated."""
    plan = deletions.named(house, body.runs) if body.matching is None else _matching(house, body, body.matching)
    if body.dry_run:
        return _planned(plan)
    if body.matching is not None and body.confirm is None:
        message = "say how many runs there are, as a dry run counts them"
        raise Invalid(
            f"confirm: {message}",
            hint='Send the same body with "dry_run": true first.',
            errors=[{"pointer": "/confirm", "message": message}],
        )
    return _done(deletions.carry_out(house, plan, caller.by, confirm=body.confirm))


def _matching(house: House, body: DeleteRuns, asked: DoomedMatching) -> Plan:
    if body.runs:
        message = "runs and matching do not go together"
        raise Invalid(message, hint="Leave one out.", errors=[{"pointer": "/runs", "message": message}])
    ended_by = moment_of(house, "matching/ended_by", asked.ended_by) if asked.ended_by else None
    return deletions.matching(house, wanted_of(house, asked), ended_by=ended_by)


def _planned(plan: Plan) -> DeletedShown:
    wanted = plan.doomed.matching
    return DeletedShown(
        count=plan.count,
        active=plan.active,
        gone=plan.gone,
        left=plan.count,
        freed_bytes=0,
        ended_by=iso(wanted.ended_by) if wanted and wanted.ended_by is not None else None,
    )


def _done(found: Deleted) -> DeletedShown:
    return DeletedShown(
        count=found.count,
        active=found.active,
        gone=found.gone,
        left=found.left,
        freed_bytes=found.freed_bytes,
        ended_by=None,
    )

"""The Runs page: which runs there are."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from longhouse import backfills, history
from longhouse.doors import TheHouse, needs
from longhouse.runs.state import ACTIVE, RunState
from longhouse.web.page import page, part

router = APIRouter(include_in_schema=False)

ROWS = 50
LARGEST = 2**53 - 1
FILTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("All", ()),
    "active": ("Active", tuple(sorted(ACTIVE))),
    "succeeded": ("Succeeded", (RunState.SUCCEEDED,)),
    "failed": ("Failed", (RunState.FAILED,)),
    "degraded": ("Degraded", (RunState.DEGRADED,)),
    "skipped": ("Skipped", (RunState.SKIPPED,)),
    "cancelled": ("Cancelled", (RunState.CANCELLED,)),
}

READ = [Depends(needs("runs:read"))]

RunNumber = Annotated[int | None, Query(ge=1, le=LARGEST)]
Part = Annotated[str, Query(alias="part", max_length=20)]


@router.get("/runs", dependencies=READ)
def runs_page(
    request: Request,
    house: TheHouse,
    job: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    backfill: RunNumber = None,
    before: RunNumber = None,
    part_of: Part = "",
) -> Response:
    chosen = state if state in FILTERS else ""
    found, following = history.list_runs(
        house, job_id=job or None, states=FILTERS[chosen][1], backfill_id=backfill, before=before, limit=ROWS
    )
    one = backfills.get(house, backfill) if backfill else None
    shown: dict[str, Any] = {
        "runs": found,
        "next": following,
        "before": before,
        "job_id": job,
        "state": chosen,
        "filters": [(name, label) for name, (label, _) in FILTERS.items()],
        "address": lambda **parts: _address(job, backfill, **parts),
        "backfill": one,
        "left": backfills.left(one) if one else 0,
    }
    return part(request, "parts/runs.html", **shown) if part_of else page(request, "runs.html", **shown)


def _address(job: str, backfill: int | None, **parts: object) -> str:
    named = {"job": job, "backfill": backfill, **parts}
    query = urlencode([(name, value) for name, value in named.items() if value])
    return f"/runs?{query}" if query else "/runs"

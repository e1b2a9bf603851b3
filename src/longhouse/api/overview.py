"""Whether everything is fine, and finding things."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from longhouse import overview, search
from longhouse.api.doctor import CheckShown
from longhouse.api.runs import RunShown, run_shown, when
from longhouse.clock import iso
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.overview import Overview

router = routes(tags=["instance"])

READ = [Depends(needs("jobs:read")), Depends(needs("runs:read"))]


class NeedShown(BaseModel):
    """One thing that needs somebody."""

    code: str = Field(description="failures, missed, paused, stopping, engine, or the name of a check of the doctor.")
    sentence: str
    job_id: str | None
    run_id: int | None


class FailureShown(BaseModel):
    """The failed runs of one job since somebody last looked."""

    job_id: str
    count: int
    recovered: bool = Field(description="A later run has succeeded.")
    run: RunShown = Field(description="The newest of them.")


class UpcomingShown(BaseModel):
    job_id: str
    due: str
    timezone: str


class MissedShown(BaseModel):
    """Due times of one job in the last seven days that started no run, all for the same reason."""

    job_id: str
    end: str = Field(description="Why, as in the ledger: missed_down, skipped_overlap, …")
    count: int
    first: str
    last: str
    new: bool = Field(description="Entered since somebody last looked.")


class OverviewShown(BaseModel):
    fine: bool
    headline: str
    needs: list[NeedShown] = Field(description="Empty: everything is fine.")
    now: str
    version: str
    up_since: str
    jobs: int
    enabled: int
    paused: bool
    active: dict[str, int] = Field(description="Unfinished runs by state.")
    running: list[RunShown] = Field(description="The newest ten of those that run now.")
    looked_at: str | None = Field(description="When somebody last marked everything as seen.")
    since: str = Field(description="Failures after this time are told: the mark, or a week ago.")
    failures: list[FailureShown] = Field(description="Of the ten jobs that failed last.")
    failed_jobs: int
    failed_runs: int = Field(description="1,000 stands for at least so many.")
    upcoming: list[UpcomingShown] = Field(description="The next ten firings of all jobs together.")
    missed: list[MissedShown] = Field(description="At most twenty rows.")
    checks: list[CheckShown]


class SeenShown(BaseModel):
    looked_at: str


class FoundJobShown(BaseModel):
    id: str
    description: str
    enabled: bool
    asks: bool = Field(description="Parameters have to be filled in before it can run.")


class FoundShown(BaseModel):
    jobs: list[FoundJobShown] = Field(description="At most `limit`, the best first.")
    run: RunShown | None = Field(description="The run with that number.")


@router.get("/api/overview", dependencies=READ)
def get_overview(request: Request, house: TheHouse) -> OverviewShown:
    """Whether everything is fine: what needs somebody, what runs, failed, comes next, was missed; every check."""
    return _shown(overview.overview(house, request.app.state.readiness.engine()))


@router.post("/api/overview/seen", dependencies=[Depends(needs("runs:write"))])
def mark_seen(house: TheHouse) -> SeenShown:
    """Failures and missed due times up to now have been seen: `needs` says nothing of them from here on."""
    return SeenShown(looked_at=iso(overview.mark_seen(house)))


@router.get("/api/search", dependencies=READ)
def get_search(
    house: TheHouse,
    q: Annotated[str, Query(max_length=100, description="Part of a job's id, description, project or tags; or a run.")],
    limit: Annotated[int, Query(ge=1, le=50)] = search.MOST,
) -> FoundShown:
    """Jobs that hold the text, and the run with that number."""
    found = search.search(house, q, limit)
    return FoundShown(
        jobs=[FoundJobShown(**vars(job)) for job in found.jobs],
        run=None if found.run is None else run_shown(found.run),
    )


def _shown(found: Overview) -> OverviewShown:
    return OverviewShown(
        fine=found.fine,
        headline=found.headline,
        needs=[
            NeedShown(code=each.code, sentence=each.sentence, job_id=each.job_id, run_id=each.run_id)
            for each in found.needs
        ],
        now=iso(found.now),
        version=found.version,
        up_since=iso(found.up_since),
        jobs=found.jobs,
        enabled=found.enabled,
        paused=found.paused,
        active=found.active,
        running=[run_shown(run) for run in found.running],
        looked_at=when(found.looked_at),
        since=iso(found.since),
        failures=[
            FailureShown(job_id=each.job_id, count=each.count, recovered=each.recovered, run=run_shown(each.run))
            for each in found.failures
        ],
        failed_jobs=found.failed_jobs,
        failed_runs=found.failed_runs,
        upcoming=[UpcomingShown(job_id=each.job_id, due=iso(each.due), timezone=each.zone) for each in found.upcoming],
        missed=[
            MissedShown(
                job_id=each.job_id,
                end=each.end,
                count=each.count,
                first=iso(each.first),
                last=iso(each.last),
                new=each.new,
            )
            for each in found.missed
        ],
        checks=[CheckShown(**vars(check)) for check in found.checks],
    )

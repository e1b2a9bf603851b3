"""How the runs of a job went, in numbers."""

from __future__ import annotations

from fastapi import Depends
from pydantic import BaseModel, Field

from longhouse import figures
from longhouse.api.jobs import JobId
from longhouse.clock import iso
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.figures import Span

router = routes(tags=["jobs"])


class SpanShown(BaseModel):
    """The runs that ended in the last so many hours. Times are those of runs that succeeded or were degraded."""

    hours: int
    since: str
    cut: bool = Field(description="Very many ended in it: these are the newest 10,000, which began to end at `since`.")
    runs: int
    succeeded: int
    degraded: int
    failed: int
    skipped: int
    cancelled: int
    success_rate: float | None = Field(
        description="0 to 1: succeeded of succeeded, degraded and failed; null without any."
    )
    mean_ms: float | None
    p50_ms: int | None
    p95_ms: int | None


class RunDrawn(BaseModel):
    id: int
    state: str
    started_at: str | None
    finished_at: str
    took_ms: int | None = Field(description="null for a run that ended before it started.")


class Stats(BaseModel):
    spans: list[SpanShown] = Field(description="24 hours, 7 days, 30 days.")
    runs: list[RunDrawn] = Field(description="The 200 that ended last, newest first.")


@router.get("/api/jobs/{job_id}/stats", dependencies=[Depends(needs("jobs:read")), Depends(needs("runs:read"))])
def job_stats(job_id: JobId, house: TheHouse) -> Stats:
    """How often the job succeeds, how long it takes, and its newest runs."""
    found = figures.figures(house, job_id)
    drawn = [
        RunDrawn(
            id=row["id"],
            state=row["state"],
            started_at=None if row["started_at"] is None else iso(row["started_at"]),
            finished_at=iso(row["finished_at"]),
            took_ms=row["took"],
        )
        for row in found.drawn
    ]
    return Stats(spans=[_span(span) for span in found.spans], runs=drawn)


def _span(span: Span) -> SpanShown:
    return SpanShown(
        hours=span.hours,
        since=iso(span.since),
        cut=span.cut,
        runs=span.runs,
        **{state: span.states.get(state, 0) for state in ("succeeded", "degraded", "failed", "skipped", "cancelled")},
        success_rate=span.rate,
        mean_ms=span.mean,
        p50_ms=span.p50,
        p95_ms=span.p95,
    )

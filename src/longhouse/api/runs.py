"""Runs: list, look, cancel, run again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse import finding, history, jobs, queue, waiting
from longhouse.api.paging import LARGEST, Cursor, Limit, link_next, number
from longhouse.api.replies import TheReplies
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.house import House
from longhouse.runs.state import Reason, RunState
from longhouse.store.database import Row
from longhouse.store.runs import Run

router = routes(tags=["runs"])

RunId = Annotated[int, Path(ge=1, le=LARGEST, description="The run's number.")]


def when(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)


class RunShown(BaseModel):
    id: int
    job_id: str
    state: RunState
    reason: str | None
    message: str
    trigger: str = Field(description="schedule, catch_up, manual, later, backfill, rerun, trial or first_boot")
    actor: str
    surface: str
    due: str | None
    not_before: str
    priority: int
    attempt: int = Field(description="The newest attempt; 0 before the first.")
    max_attempts: int
    params: dict[str, Any]
    commit: str | None
    environment: str
    debug: bool = Field(description="`logging` shows everything, and `ctx.debug` is true.")
    fingerprint: str | None = Field(description="Of a run that failed: runs that failed the same way have the same.")
    rerun_of: int | None
    backfill_id: int | None
    progress: dict[str, Any] | None
    cancel_requested_at: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class AttemptShown(BaseModel):
    attempt: int
    state: str | None = Field(description="What the attempt made of the run; null while it lives.")
    reason: str | None
    message: str
    exit_code: int | None
    signal: int | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    error: dict[str, Any] | None
    claimed_at: str
    started_at: str | None
    finished_at: str | None
    retry_at: str | None


class ArtifactShown(BaseModel):
    name: str
    attempt: int
    media_type: str
    size: int
    created_at: str


class DueTimes(BaseModel):
    """A ledger entry that this run answers for."""

    first: str
    last: str | None
    count: int | None
    end: str


class RunDetail(RunShown):
    result: Any
    error: dict[str, Any] | None = Field(description="Of the last attempt that failed: type, traceback, file, line.")
    settings: dict[str, Any] = Field(description="The job's settings as this run has them.")
    attempts: list[AttemptShown]
    artifacts: list[ArtifactShown]
    firings: list[DueTimes]
    waited: list[str] = Field(description="Why it waits, or waited, before it started: a sentence each.")
    previous: int | None = Field(description="The run of the same job before this one.")
    following: int | None = Field(description="The run of the same job after this one.")


class RunPage(BaseModel):
    items: list[RunShown]
    next: str | None


class Rerun(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    commit: Annotated[Literal["same", "latest"], Field(description="The code the run had, or what is loaded now.")] = (
        "same"
    )
    params: dict[str, Any] | None = Field(
        default=None, description="Instead of those the run had; what is not named stays as it was."
    )
    text: Annotated[bool, Field(description="The values of `params` are text, as typed at a command line.")] = False
    debug: Annotated[
        bool | None, Field(description="`logging` shows everything, and `ctx.debug` is true; null: as the run had it.")
    ] = None


@router.get("/api/runs", dependencies=[Depends(needs("runs:read"))])
def list_runs(
    request: Request,
    response: Response,
    house: TheHouse,
    job: Annotated[str | None, Query(max_length=64, description="Only runs of this job.")] = None,
    state: Annotated[list[RunState] | None, Query(max_length=8, description="Only runs in these states.")] = None,
    backfill: Annotated[int | None, Query(ge=1, le=LARGEST, description="Only runs of this backfill.")] = None,
    reason: Annotated[Reason | None, Query(description="Only runs that ended for this reason.")] = None,
    trigger: Annotated[str, Query(max_length=20, description="Only runs that were started so.")] = "",
    commit: Annotated[str, Query(max_length=40, description="Only of commits whose name begins so.")] = "",
    environment: Annotated[str, Query(max_length=100, description="Only in environments that begin so.")] = "",
    since: Annotated[str, Query(max_length=64, description="Only runs made since then: ISO 8601, or 24h, 7d.")] = "",
    until: Annotated[str, Query(max_length=64, description="Only runs made before then.")] = "",
    q: Annotated[str, Query(max_length=200, description="In the message, or the run's number.")] = "",
    fingerprint: Annotated[str, Query(max_length=64, description="Only runs that failed in this way.")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> RunPage:
    """Runs, newest first."""
    wanted = finding.runs_wanted(
        house,
        job_id=job,
        states=tuple(str(each) for each in state or ()),
        backfill_id=backfill,
        reason=reason,
        trigger=trigger,
        commit=commit,
        environment=environment,
        since=since,
        until=until,
        text=q.strip(),
        fingerprint=fingerprint,
    )
    found, following = history.list_runs(house, wanted, before=number(cursor), limit=limit)
    following_text = None if following is None else str(following)
    return RunPage(items=[run_shown(run) for run in found], next=link_next(request, response, following_text))


@router.get("/api/runs/{run_id}", dependencies=[Depends(needs("runs:read"))])
def get_run(run_id: RunId, house: TheHouse) -> RunDetail:
    """A run with its attempts, artifacts and the due times it answers for."""
    found = history.details(house, run_id)
    previous, following = history.neighbours(house, found.run)
    return RunDetail(
        **run_values(found.run),
        waited=waiting.reasons(house, found.run),
        previous=previous,
        following=following,
        result=found.run.result,
        error=found.run.error,
        settings=found.run.spec,
        attempts=[_attempt(row) for row in found.attempts],
        artifacts=[artifact_shown(row) for row in found.artifacts],
        firings=[
            DueTimes(first=iso(row["due"]), last=when(row["last_due"]), count=row["count"], end=row["end"])
            for row in found.firings
        ],
    )


@router.post("/api/runs/{run_id}/cancel", status_code=202, dependencies=[Depends(needs("runs:write"))])
def cancel(run_id: RunId, house: TheHouse, caller: TheCaller) -> RunShown:
    """Ask the run to stop: its whole process tree, with a grace of some seconds."""
    return run_shown(queue.cancel(house, run_id, caller.by))


@router.post(
    "/api/runs/{run_id}/rerun",
    status_code=202,
    response_model=RunShown,
    dependencies=[Depends(needs("runs:write"))],
)
def rerun(run_id: RunId, caller: TheCaller, replies: TheReplies, body: Rerun | None = None) -> Response:
    """The run once more, with its parameters or with others, on the same commit or on what is loaded now."""
    asked = body or Rerun()

    def again(house: House) -> RunShown:
        same = asked.commit == "same"
        new = jobs.rerun(
            house, run_id, caller.by, same_commit=same, params=asked.params, text=asked.text, debug=asked.debug
        )
        return run_shown(new)

    return replies.once(202, again)


# --- showing --------------------------------------------------------------------------------------------------------


def run_shown(run: Run) -> RunShown:
    return RunShown(**run_values(run))


def run_values(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "job_id": run.job_id,
        "state": run.state,
        "reason": run.reason,
        "message": run.message,
        "trigger": run.trigger,
        "actor": run.actor,
        "surface": run.surface,
        "due": when(run.due),
        "not_before": iso(run.not_before),
        "priority": run.priority,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "params": run.params,
        "commit": run.commit_sha,
        "environment": run.environment,
        "debug": run.debug,
        "fingerprint": run.fingerprint,
        "rerun_of": run.rerun_of,
        "backfill_id": run.backfill_id,
        "progress": run.progress,
        "cancel_requested_at": when(run.cancel_requested_at),
        "created_at": iso(run.created_at),
        "started_at": when(run.started_at),
        "finished_at": when(run.finished_at),
    }


def _attempt(row: Row) -> AttemptShown:
    signal = row["signal"]
    return AttemptShown(
        attempt=row["attempt"],
        state=row["state"],
        reason=row["reason"],
        message=row["message"],
        exit_code=row["exit_code"],
        signal=signal if signal is not None and signal > 0 else None,
        cpu_seconds=row["cpu_seconds"],
        peak_memory_bytes=row["peak_memory_bytes"],
        error=row["error"],
        claimed_at=iso(row["claimed_at"]),
        started_at=when(row["started_at"]),
        finished_at=when(row["finished_at"]),
        retry_at=when(row["retry_at"]),
    )


def artifact_shown(row: Row) -> ArtifactShown:
    return ArtifactShown(
        name=row["name"],
        attempt=row["attempt"],
        media_type=row["media_type"],
        size=row["size"],
        created_at=iso(row["created_at"]),
    )

"""One run's page with its output, and what its buttons do."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import history, jobs, queue
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import LonghouseError
from longhouse.history import Details
from longhouse.runs.state import ACTIVE
from longhouse.store.database import Row
from longhouse.store.runs import Run
from longhouse.web import run_log, words
from longhouse.web.form_data import TheForm, wants_toast
from longhouse.web.page import page, part, toast
from longhouse.web.run_log import Asked, RunId
from longhouse.web.times import duration

router = APIRouter(include_in_schema=False)

RUN_PARTS = {"head": "parts/run_head.html", "error": "parts/run_error.html", "facts": "parts/run_facts.html"}

READ = [Depends(needs("runs:read"))]
WRITE = [Depends(needs("runs:write"))]

Part = Annotated[str, Query(alias="part", max_length=20)]


@router.get("/runs/{run_id}", dependencies=READ)
def run_page(
    request: Request,
    run_id: RunId,
    house: TheHouse,
    asked: Annotated[Asked, Depends()],
    part_of: Part = "",
) -> Response:
    found = history.details(house, run_id)
    shown = _shown(found)
    if part_of in RUN_PARTS:
        return part(request, RUN_PARTS[part_of], **shown)
    return page(request, "run.html", **shown, **run_log.opened(house, found, asked))


@router.post("/runs/{run_id}/cancel", dependencies=WRITE)
def cancel(request: Request, run_id: RunId, house: TheHouse, caller: TheCaller) -> Response:
    quiet = wants_toast(request)
    try:
        run = queue.cancel(house, run_id, caller.by)
    except LonghouseError as error:
        if not quiet:
            raise
        return toast(request, error=error)
    if quiet:
        return toast(request, f"Run {run_id} was cancelled." if run.finished_at else f"Run {run_id} was asked to stop.")
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/runs/{run_id}/rerun", dependencies=WRITE)
def rerun(run_id: RunId, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    new = jobs.rerun(house, run_id, caller.by, same_commit=form.get("code") != "latest")
    return RedirectResponse(f"/runs/{new.id}", 303)


def _shown(found: Details) -> dict[str, Any]:
    run = found.run
    failed = next((row for row in reversed(found.attempts) if row["error"]), None)
    return {
        "run": run,
        "title": f"{words.STATES[run.state]} · Run {run.id} of {run.job_id}",
        "active": run.state in ACTIVE,
        "attempts": found.attempts,
        "artifacts": found.artifacts,
        "firings": found.firings,
        "story": words.sentence(run),
        "waited": _waited(run),
        "error": run.error or (failed["error"] if failed else None),
        "error_attempt": failed["attempt"] if failed and len(found.attempts) > 1 else None,
        "ended": ended,
    }


def _waited(run: Run) -> str:
    """How long, and what for."""
    if run.started_at is None:
        waits = "waits for its time" if run.trigger == "later" else "waits for its time, a free slot or its group"
        return waits if run.finished_at is None else ""
    if run.backfill_id is not None or run.trigger == "later":
        return ""
    since = max(run.created_at, run.due or 0)
    if run.started_at - since < 1000:
        return "at once"
    return f"{duration(run.started_at - since)} after it was {'due' if run.due and since == run.due else 'asked for'}"


def ended(attempt: Row) -> str:
    """How an attempt ended: its message, or its exit code and what that means."""
    if attempt["state"] is None:
        return "still running"
    if attempt["message"]:
        return str(attempt["message"])
    if attempt["signal"] is not None and attempt["signal"] > 0:
        return f"ended by signal {attempt['signal']}"
    if attempt["reason"] in words.REASONS:
        return words.REASONS[attempt["reason"]][1]
    return "" if attempt["exit_code"] in (None, 0) else f"exit code {attempt['exit_code']}"

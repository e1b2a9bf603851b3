"""One run's page, and its Cancel button."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import failures, history, queue, waiting
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import LonghouseError
from longhouse.history import Details
from longhouse.house import House
from longhouse.repo import past
from longhouse.runs.state import ACTIVE
from longhouse.store.database import Row
from longhouse.web import artifacts, attempts, diff, run_log, tables, tracebacks, words
from longhouse.web.form_data import wants_toast
from longhouse.web.page import page, pages, part, toast
from longhouse.web.run_log import Asked, RunId

router = pages()

RUN_PARTS = {
    "head": "parts/run_head.html",
    "error": "parts/run_error.html",
    "facts": "parts/run_facts.html",
    "artifacts": "parts/run_artifacts.html",
}
COMMITS = 5
FILES = 8
FIRST_LINES = 12
"""Of what has changed since the last success, as much as a run's page tells; its own page tells all."""

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
    if part_of == "changes":
        return part(request, "parts/run_changes.html", **_changed(house, run_id))
    found = history.details(house, run_id)
    shown = _shown(house, found)
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


def _shown(house: House, found: Details) -> dict[str, Any]:
    run = found.run
    failed = next((row for row in reversed(found.attempts) if row["error"]), None)
    error = run.error or (failed["error"] if failed else None)
    previous, following = history.neighbours(house, run)
    return {
        "run": run,
        "title": f"{words.STATES[run.state]} · Run {run.id} of {run.job_id}",
        "active": run.state in ACTIVE,
        "attempts": found.attempts,
        "axis": attempts.axis(run, found.attempts, house.clock.now()),
        **artifacts.shown(house, found),
        "firings": found.firings,
        "story": words.sentence(run),
        "alike": failures.others(house, run.fingerprint),
        "waited": waiting.reasons(house, run),
        "error": error,
        "steps": tracebacks.groups(error["traceback"]) if error and error.get("traceback") else [],
        "error_attempt": failed["attempt"] if failed and len(found.attempts) > 1 else None,
        "ended": ended,
        "result_table": tables.of_value(run.result),
        "previous": previous,
        "following": following,
    }


def _changed(house: House, run_id: int) -> dict[str, Any]:
    """What is new in its code since the last success, in short."""
    found = past.since_green(house, run_id)
    compared = found.compared
    if compared is None or found.same:
        return {"found": found, "files": [], "commits": [], "more": 0, "first": None}
    files, _ = diff.files(compared.diff)
    return {
        "found": found,
        "files": files[:FILES],
        "more": max(0, len(compared.changes) - FILES),
        "count": len(compared.changes),
        "commits": past.commits_between(house, compared.old, found.commit, COMMITS),
        "most_commits": COMMITS,
        "first": files[0].lines[:FIRST_LINES] if files else None,
    }


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

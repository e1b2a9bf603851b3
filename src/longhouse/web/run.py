"""One run's page, and its Cancel button."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from longhouse import failures, history, queue, waiting
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.history import Details
from longhouse.house import House
from longhouse.repo import past
from longhouse.runs.state import ACTIVE
from longhouse.store.database import Row
from longhouse.web import artifacts, attempts, diff, run_log, tables, tracebacks, words
from longhouse.web.page import acted, page, pages, part
from longhouse.web.run_log import Asked, RunId

router = pages()

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
    if part_of in PARTS:
        template, facts = PARTS[part_of]
        return part(request, template, **_shown(found), **facts(house, found))
    shown = _shown(found)
    for _, facts in PARTS.values():
        shown |= facts(house, found)
    return page(request, "run.html", **shown, **run_log.opened(house, found, asked))


@router.post("/runs/{run_id}/cancel", dependencies=WRITE)
def cancel(request: Request, run_id: RunId, house: TheHouse, caller: TheCaller) -> Response:
    def act() -> str:
        run = queue.cancel(house, run_id, caller.by)
        return f"Run {run_id} was {'cancelled' if run.finished_at else 'asked to stop'}."

    return acted(request, act, f"/runs/{run_id}")


# --- what each part of the page shows; parts come anew with every event of the run -----------------------------------


def _shown(found: Details) -> dict[str, Any]:
    run = found.run
    return {
        "run": run,
        "title": f"{words.STATES[run.state]} · Run {run.id} of {run.job_id}",
        "active": run.state in ACTIVE,
        "attempts": found.attempts,
    }


def _head(house: House, found: Details) -> dict[str, Any]:
    run = found.run
    previous, following = history.neighbours(house, run)
    return {
        "states": attempts.states(run, found.attempts),
        "axis": attempts.axis(run, found.attempts, house.clock.now()),
        "artifacts": found.artifacts,
        "story": words.sentence(run),
        "alike": failures.others(house, run.fingerprint),
        "waited": waiting.reasons(house, run),
        "previous": previous,
        "following": following,
    }


def _error(_house: House, found: Details) -> dict[str, Any]:
    failed = next((row for row in reversed(found.attempts) if row["error"]), None)
    error = found.run.error or (failed["error"] if failed else None)
    return {
        "error": error,
        "steps": tracebacks.groups(error["traceback"]) if error and error.get("traceback") else [],
        "error_attempt": failed["attempt"] if failed and len(found.attempts) > 1 else None,
    }


def _facts(_house: House, found: Details) -> dict[str, Any]:
    return {"firings": found.firings, "ended": ended, "result_table": tables.of_value(found.run.result)}


Facts = Callable[[House, Details], dict[str, Any]]
PARTS: dict[str, tuple[str, Facts]] = {
    "head": ("parts/run_head.html", _head),
    "error": ("parts/run_error.html", _error),
    "facts": ("parts/run_facts.html", _facts),
    "artifacts": ("parts/run_artifacts.html", artifacts.shown),
}
"""A template, and what it shows besides what all of them do."""


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

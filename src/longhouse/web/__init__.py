"""The pages: HTML that works without scripts, and small scripts that keep it current."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse

from longhouse.web import (
    activity,
    artifacts,
    backfills,
    bulk,
    clock,
    connect,
    deletions,
    design,
    editor,
    failures,
    files,
    forecast,
    home,
    job,
    jobs,
    login,
    memory,
    new_job,
    past,
    pauses,
    repo,
    rerun,
    run,
    run_log,
    runs,
    schedules,
    secrets,
    sessions,
    settings,
    sync,
    timeline,
    tokens,
)
from longhouse.web.page import ASSETS, outside, page

router = APIRouter()
# as they were declared: included ones are worked out a second time at each start
for part in (
    login,
    home,
    design,
    new_job,  # before jobs: /jobs/new is no job
    schedules,
    bulk,
    deletions,
    jobs,
    job,
    memory,
    pauses,
    backfills,
    runs,
    failures,
    forecast,
    run,
    rerun,
    run_log,
    artifacts,
    past,
    repo,
    files,
    editor,
    sync,
    connect,
    secrets,
    sessions,
    tokens,
    settings,
    activity,
    clock,
    timeline,
):
    router.routes.extend(part.router.routes)
router.routes.extend(connect.callback.routes)


def install(app: FastAPI) -> None:
    """The pages, their static files, and problems as pages for whoever reads pages."""
    app.router.routes.extend(router.routes)
    app.mount(ASSETS.prefix, ASSETS, name="static")
    app.state.problem_page = problem_page


def problem_page(request: Request, problem: dict[str, Any]) -> HTMLResponse:
    status = int(problem["status"])
    shown = {"hint": "", "errors": [], "request_id": "", "run": None, **problem}
    if getattr(request.state, "caller", None) is None:
        return outside(request, "problem.html", status=status, problem=shown, back="")
    back = request.url.path if request.method == "GET" and status >= 500 else ""
    return page(request, "problem.html", status=status, problem=shown, back=back)


__all__ = ["install", "router"]

"""The JSON surface: every route, and how errors look."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from longhouse.api import (
    activity,
    backfills,
    clock,
    doctor,
    events,
    figures,
    files,
    firings,
    github,
    health,
    jobs,
    logs,
    memory,
    new_jobs,
    openapi,
    overview,
    past,
    pauses,
    problems,
    repo,
    runs,
    schedules,
    secrets,
    sessions,
    settings,
    stopping,
    sync,
    tokens,
)

router = APIRouter()
# repo comes before jobs: /api/jobs/repo is no job
for part in (
    repo,
    past,
    github,
    files,
    sync,
    jobs,
    new_jobs,
    firings,
    figures,
    memory,
    runs,
    backfills,
    pauses,
    clock,
    schedules,
    logs,
    events,
    tokens,
    sessions,
    activity,
    settings,
    secrets,
    doctor,
    overview,
    health,
    stopping,
    problems,
    openapi,
):
    router.include_router(part.router)


def install(app: FastAPI) -> None:
    """Errors of all routes of `app` become problem documents, and `app.openapi()` describes the API."""
    problems.install(app)
    health.install(app)
    openapi.install(app, router)


__all__ = ["install", "router"]

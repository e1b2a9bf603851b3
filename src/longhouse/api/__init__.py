"""The JSON surface: every route, and how errors look."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from longhouse.api import (
    activity,
    backfills,
    bulk,
    clock,
    deletions,
    doctor,
    events,
    failures,
    figures,
    files,
    firings,
    forecast,
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
    suggestions,
    sync,
    timeline,
    tokens,
)

router = APIRouter()
# each route as it was declared: a router that is included has all of its routes worked out a second time, a quarter of
# a second at each start. repo comes before jobs: /api/jobs/repo is no job
for part in (
    health,
    repo,
    past,
    github,
    files,
    sync,
    bulk,
    jobs,
    new_jobs,
    firings,
    forecast,
    figures,
    memory,
    deletions,
    runs,
    failures,
    backfills,
    timeline,
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
    stopping,
    suggestions,
    problems,
    openapi,
):
    router.routes.extend(part.router.routes)


def install(app: FastAPI) -> None:
    """The API's routes; errors of all routes of `app` become problem documents; `app.openapi()` describes the API."""
    app.router.routes.extend(router.routes)
    problems.install(app)
    health.install(app)
    events.install(app)
    openapi.install(app, router)


__all__ = ["install", "router"]

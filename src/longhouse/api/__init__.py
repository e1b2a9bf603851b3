"""The JSON surface: every route, and how errors look."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from longhouse.api import (
    backfills,
    clock,
    doctor,
    events,
    files,
    firings,
    github,
    health,
    jobs,
    logs,
    memory,
    openapi,
    past,
    pauses,
    problems,
    repo,
    runs,
    secrets,
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
    firings,
    memory,
    runs,
    backfills,
    pauses,
    clock,
    logs,
    events,
    tokens,
    secrets,
    doctor,
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

"""The JSON surface: every route, and how errors look."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from longhouse.api import jobs, openapi, problems, runs, tokens

router = APIRouter()
for part in (jobs, runs, tokens, problems, openapi):
    router.include_router(part.router)


def install(app: FastAPI) -> None:
    """Errors of all routes of `app` become problem documents, and `app.openapi()` describes the API."""
    problems.install(app)
    openapi.install(app, router)


__all__ = ["install", "router"]

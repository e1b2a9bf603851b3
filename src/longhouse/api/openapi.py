"""The API described: OpenAPI 3.1, with problem documents and the scope of every operation."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from longhouse.doors import Needs, needs
from longhouse.doors.routes import routes
from longhouse.version import VERSION

router = routes()

DESCRIPTION = (
    "Scheduled jobs as Python files in a git repo, run durably by one process. Send a token as "
    "`Authorization: Bearer lhj_…`; errors are problem documents (RFC 9457); lists answer `{items, next}`."
)
PROBLEM = "application/problem+json"


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Leads to a page that explains this kind of problem.")
    title: str
    status: int
    code: str
    detail: str
    hint: str
    errors: list[dict[str, Any]] = Field(description="One entry for each value that does not fit: pointer, message.")
    request_id: str


@router.get("/openapi.json", include_in_schema=False, dependencies=[Depends(needs("jobs:read"))])
def openapi_json(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


def install(app: FastAPI, api: APIRouter) -> None:
    """`app.openapi()` becomes the description of `api` alone, made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = description(api)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def description(api: APIRouter) -> dict[str, Any]:
    document = get_openapi(
        title="Longhouse Jobs",
        version=VERSION,
        description=DESCRIPTION,
        routes=api.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    parts = document.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(unused, None)
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "lhj_…"}}
    for context in iter_route_contexts(api.routes):
        scopes = scopes_of(context)
        for method in context.methods or ():
            operation = document["paths"].get(context.path_format, {}).get(method.lower())
            if operation is not None:
                _complete(operation, scopes)
    return document


def _complete(operation: dict[str, Any], scopes: tuple[str, ...]) -> None:
    operation["security"] = [{"token": list(scopes)}] if scopes else []
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "A problem",
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def scopes_of(route: Any) -> tuple[str, ...]:
    """The scopes that a route declares: a token needs all of them."""
    return tuple(
        each.dependency.scope for each in getattr(route, "dependencies", ()) if isinstance(each.dependency, Needs)
    )

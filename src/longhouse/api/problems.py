"""How errors of routes become problem documents, and the pages that explain them."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from longhouse.doors import problems
from longhouse.doors.routes import routes
from longhouse.errors import Invalid, LonghouseError, NotFound

router = routes()


def install(app: FastAPI) -> None:
    app.add_exception_handler(LonghouseError, _longhouse_error)
    app.add_exception_handler(RequestValidationError, _bad_values)
    app.add_exception_handler(HTTPException, _http_error)


async def _longhouse_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LonghouseError)
    if error.kind in problems.UNEXPECTED:
        raise problems.Unexpected(error.message) from error  # to the log, by the outermost door
    return problems.answer(request.scope, error)


async def _bad_values(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return problems.answer(request.scope, problems.Malformed("the body is not JSON"))
    errors = [_field(each) for each in found]
    detail = "; ".join(f"{each['in']} {each['pointer'] or 'as a whole'}: {each['message']}" for each in errors)
    return problems.answer(request.scope, Invalid(detail, errors=errors))


def _field(error: dict[str, Any]) -> dict[str, str]:
    """`{in: body | query | path | header, pointer, message}`."""
    where, *path = (str(part) for part in error["loc"])
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    return {"in": where, "pointer": pointer, "message": error["msg"]}


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: unknown paths, methods, unreadable bodies."""
    assert isinstance(error, HTTPException)
    ours: LonghouseError
    if error.status_code == 404:
        ours = NotFound(f"there is nothing at {request.url.path}", hint="GET /openapi.json lists what there is.")
    elif error.status_code == 405:
        ours = problems.MethodNotAllowed(f"{request.method} is not possible at {request.url.path}")
    elif error.status_code == 413:
        ours = problems.TooLarge("the body is too large")
    elif error.status_code < 500:
        ours = problems.Malformed(HTTPStatus(error.status_code).phrase)
    else:
        raise problems.Unexpected(str(error.detail)) from error
    return problems.answer(request.scope, ours, error.headers)


@router.get("/problems/{slug}", include_in_schema=False)
def problem_page(slug: str) -> HTMLResponse:
    """What an error's `type` leads to; open to everybody."""
    found = problems.described(slug)
    if found is None:
        raise NotFound("there is no problem of this name")
    code, kind, sentences = found
    text = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=width=device-width>"
        f"<title>{escape(kind.title)}</title><main><h1>{escape(kind.title)}</h1>"
        f"<p><code>{escape(code)}</code>, status {kind.status}</p>"
        f"<p>{escape(sentences or kind.title + '.')}</p><p>{escape(kind.advice)}</p></main></html>"
    )
    return HTMLResponse(text)

"""Errors as RFC 9457 problem documents: the one place that turns a kind of error into a status."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from longhouse.errors import LonghouseError, StorageFull
from longhouse.store.faults import NO_SPACE


@dataclass(frozen=True)
class Kind:
    status: int
    title: str
    advice: str


KINDS: dict[str, Kind] = {
    "usage": Kind(400, "This cannot be asked like that", "Look at the request: one of its parts makes no sense."),
    "malformed": Kind(400, "The request is not readable", "Send one JSON document in UTF-8, without doubled keys."),
    "unauthenticated": Kind(
        401, "Who is asking?", "Log in with a link, or send a token as `Authorization: Bearer lhj_…`."
    ),
    "forbidden": Kind(403, "Not allowed", "The detail says what is missing: a scope, a login or the page's own token."),
    "not_found": Kind(404, "Not found", "List what there is and look at the spelling."),
    "method_not_allowed": Kind(405, "Not with this method", "The `Allow` header names the methods."),
    "conflict": Kind(
        409, "Not as things are now", "Look at the thing again: its state is another than the request needs."
    ),
    "manifest": Kind(
        409, "The manifest cannot be read", "Mend the named line; until then the last good set of jobs runs."
    ),
    "gone": Kind(410, "No longer there", "It could be used once, or for some time. Make a new one."),
    "stale": Kind(412, "It changed meanwhile", "Fetch it again and repeat the change with its new ETag."),
    "too_large": Kind(413, "Too large", "Send less."),
    "media_type": Kind(415, "Not in this form", "Send `Content-Type: application/json`, not compressed."),
    "misdirected": Kind(
        421, "Not for this name", "Use the instance's own address, or add the name to `allowed_hosts`."
    ),
    "invalid": Kind(422, "Some values do not fit", "`errors` names each value by its JSON pointer."),
    "condition_missing": Kind(
        428, "For which version?", "Fetch it and send its ETag as `If-Match`: nobody's edit is written over unseen."
    ),
    "too_many": Kind(429, "Too many requests", "Wait as long as `Retry-After` says."),
    "internal": Kind(500, "Our mistake", "The server's log has the details under the request's id."),
    "cannot_start": Kind(500, "Our mistake", "The server's log has the details under the request's id."),
    "remote": Kind(
        502, "The remote did not do it", "The detail says what the remote said; it is tried again by itself."
    ),
    "unavailable": Kind(503, "Not now", "Try again after `Retry-After` seconds."),
    "storage_failed": Kind(
        503,
        "The disk or the database is broken",
        "The server stops. Its log says what to do before it is started again.",
    ),
    "storage_full": Kind(507, "The disk is full", "Free some space; work resumes by itself."),
}
RETRY_SECONDS = 2
"""Said with 503 when the error names no time."""
UNEXPECTED = frozenset({"internal", "cannot_start"})
"""Kinds whose sentence is for the log alone: it may name paths."""

MEDIA_TYPE = "application/problem+json"


class Malformed(LonghouseError):
    """The body is no JSON document that every parser reads alike."""

    code = "malformed"
    kind = "malformed"


class TooLarge(LonghouseError):
    """The body is over a limit: 1 MiB, 32 levels, 10,000 values."""

    code = "too_large"
    kind = "too_large"


class MediaType(LonghouseError):
    """The body has a content type or an encoding that is not read here."""

    code = "media_type"
    kind = "media_type"


class Misdirected(LonghouseError):
    """The Host header names a host that this instance is not."""

    code = "misdirected"
    kind = "misdirected"


class MethodNotAllowed(LonghouseError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"
    kind = "method_not_allowed"


class Stale(LonghouseError):
    """`If-Match` names a version that is no longer the newest."""

    code = "stale"
    kind = "stale"


class ConditionMissing(LonghouseError):
    """A file that exists is written or removed only with `If-Match`."""

    code = "condition_missing"
    kind = "condition_missing"


class Unexpected(LonghouseError):
    """Something broke that should not; the log has it under the request's id."""

    code = "internal"


def full_disk(error: BaseException | None) -> StorageFull | None:
    """What to say for an error that a full disk caused, wherever it was met; None for all others."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return StorageFull("the disk is full", hint="Free some disk space; work resumes by itself.")
        error = error.__cause__
    return None


def slug(code: str) -> str:
    return code.replace(".", "-").replace("_", "-")


def kinds_of_errors() -> Iterator[type[LonghouseError]]:
    """Every class of error that the running program knows."""
    pending: list[type[LonghouseError]] = [LonghouseError]
    while pending:
        error = pending.pop()
        yield error
        pending.extend(error.__subclasses__())


def described(wanted: str) -> tuple[str, Kind, str] | None:
    """(code, kind, sentences) of a problem page, None if no error has that slug."""
    found = {slug(error.code): error for error in kinds_of_errors() if "code" in vars(error)}.get(wanted)
    if found is None:
        return None
    own = inspect.cleandoc(found.__doc__ or "") if "__doc__" in vars(found) else ""
    return found.code, KINDS[found.kind], own.split("\n\n")[0].replace("\n", " ")


def document(error: LonghouseError, request_id: str) -> dict[str, Any]:
    kind = KINDS[error.kind]
    hidden = error.kind in UNEXPECTED
    problem: dict[str, Any] = {
        "type": f"/problems/{slug('internal' if hidden else error.code)}",
        "title": kind.title,
        "status": kind.status,
        "code": "internal" if hidden else error.code,
        "detail": f"the request could not be answered; the log has it as {request_id}" if hidden else error.message,
        "hint": kind.advice if hidden else error.hint or kind.advice,
        "errors": [],
        "request_id": request_id,
    }
    return problem if hidden else {**error.facts, **problem, "errors": error.facts.get("errors", [])}


def answer(scope: Scope, error: LonghouseError, headers: Mapping[str, str] | None = None) -> Response:
    """The response for `error`: a problem document, or a page if a person is reading pages.

    The pages module may set `app.state.problem_page`, a function of (request, problem) that renders one.
    """
    problem = document(error, scope["state"].get("request_id", ""))
    extra = dict(headers or {})
    if error.kind in ("too_many", "unavailable"):
        extra["Retry-After"] = str(error.facts.get("retry_after_seconds", RETRY_SECONDS))
    if error.kind == "unauthenticated":
        extra["WWW-Authenticate"] = "Bearer"
    page = getattr(scope["app"].state, "problem_page", None) if "app" in scope else None
    response: Response
    if page is not None and reads_pages(scope):
        response = page(Request(scope), problem)
        response.headers.update(extra)
    else:
        body = json.dumps(problem, ensure_ascii=False, default=str)
        response = Response(body.encode("utf-8", "replace"), problem["status"], extra, MEDIA_TYPE)
    return response


def reads_pages(scope: Scope) -> bool:
    """True for a browser that asks for a page, not for the API."""
    if scope["type"] != "http" or scope["path"].startswith("/api/"):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])

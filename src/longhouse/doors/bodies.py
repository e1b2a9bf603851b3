"""What may come in with a request: small, plain, and read alike by every parser."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobforge import strict
from jobforge.errors import Refused
from longhouse.doors import problems
from longhouse.doors.callers import Caller
from longhouse.doors.hosts import refuse
from longhouse.doors.login import HOOKS, SAFE, csrf_problem
from longhouse.errors import LonghouseError

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_INTEGER = 2**53 - 1
"""Above it, numbers change on their way through JavaScript."""

FORM = "application/x-www-form-urlencoded"
JSON = re.compile(r"application/([a-z0-9.-]+\+)?json")
SURROGATE = re.compile("[\ud800-\udfff]")


class Bodies:
    """Reads the body whole, checks it, and hands it on; `request.state.body` has its bytes.

    Unsafe requests of a session must carry its CSRF token, as X-CSRF-Token or as form field `csrf`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            body = await self._read(headers, receive)
            if body is None:
                return  # the client has gone
            self._check(scope, headers, body)
        except LonghouseError as error:
            await refuse(scope, receive, send, error)
            return
        scope["state"]["body"] = body
        await self.app(scope, _again(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BYTES:
            raise _over(f"{MAX_BYTES:,} bytes")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise problems.MediaType("a compressed body is not read", hint="Send it without Content-Encoding.")
        if length == "0" and "transfer-encoding" not in headers:
            return b""
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > MAX_BYTES:
                raise _over(f"{MAX_BYTES:,} bytes")
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _check(self, scope: Scope, headers: Headers, body: bytes) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        open_login = scope["path"] == "/login"
        if scope["method"] not in SAFE and not open_login:
            caller: Caller | None = scope["state"]["caller"]
            error = csrf_problem(caller, headers.get("x-csrf-token") or _csrf_field(kind, body))
            if error is not None:
                raise error
        if not body or scope["path"] == HOOKS:
            return
        if JSON.fullmatch(kind):
            _check_json(body)
        elif kind != FORM or scope["path"].startswith("/api/"):
            raise problems.MediaType(f"a body of type {kind or 'unknown'} is not read here")


def _csrf_field(kind: str, body: bytes) -> str | None:
    if kind != FORM:
        return None
    try:
        return parse_qs(body.decode("ascii"), max_num_fields=1000).get("csrf", [None])[0]
    except ValueError:
        return None


def _over(what: str) -> problems.TooLarge:
    return problems.TooLarge(f"the body is over {what}")


def _check_json(body: bytes) -> None:
    """Raises Malformed or TooLarge."""
    try:
        value = strict.parse(body, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, max_nodes=MAX_NODES)
    except Refused as error:
        if error.code in ("jobforge.too_large", "jobforge.too_deep", "jobforge.too_many_values"):
            raise problems.TooLarge(str(error)) from error
        raise problems.Malformed(str(error)) from error
    _check_values(value)


def _check_values(root: Any) -> None:
    """Iterative: as deep as allowed is deep enough for the stack, but this costs nothing."""
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.keys())
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str):
            if SURROGATE.search(value):
                raise problems.Malformed("a text has half of a surrogate pair, which is no character")
        elif isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise problems.Malformed(f"the number {str(value)[:24]} is beyond ±(2^53 - 1); send it as text")


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes (the disconnect)."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay

"""The session cookie: its name, its flags, and where a login may lead."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from longhouse import accounts
from longhouse.house import House


def is_secure(scope: Scope) -> bool:
    return scope.get("scheme") in ("https", "wss")


def cookie_name(house: House, scope: Scope) -> str:
    """Another one without TLS, and one for each instance: cookies do not tell ports of a host apart."""
    name = f"lhj-{house.keys.vault_id[:8]}"
    return f"__Host-{name}" if is_secure(scope) else f"{name}-plain"


def set_session(response: Response, request: Request, session: accounts.NewSession) -> None:
    response.set_cookie(
        cookie_name(request.app.state.house, request.scope),
        session.cookie,
        max_age=accounts.ABSOLUTE_MS // 1000,
        path="/",
        secure=is_secure(request.scope),
        httponly=True,
        samesite="lax",
    )


def clear_session(response: Response, request: Request) -> None:
    response.delete_cookie(
        cookie_name(request.app.state.house, request.scope),
        path="/",
        secure=is_secure(request.scope),
        httponly=True,
        samesite="lax",
    )


LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")


def safe_next(target: str | None) -> str:
    """`target` if it is a path of this instance, else the start page: a login leads nowhere else."""
    if target is None or not LOCAL.fullmatch(target):
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc or parts.path == "/login" else target


def login_path(scope: Scope) -> str:
    """Where a browser without a session is sent."""
    here = quote(scope["path"])
    query = scope["query_string"].decode("latin-1")
    there = here + (f"?{query}" if query else "")
    return f"/login?next={quote(there, safe='')}"

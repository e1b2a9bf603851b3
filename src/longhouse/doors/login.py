"""Who is it, and did they mean it: authentication, then protection of cookie sessions against other sites."""

from __future__ import annotations

import re

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from longhouse import accounts
from longhouse.doors import callers, cookies, problems
from longhouse.doors.callers import Caller
from longhouse.doors.hosts import refuse
from longhouse.errors import Forbidden, Unauthenticated
from longhouse.house import House

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HOOKS = "/api/hooks/repo"
"""Open, as the signature over its bytes says who sent it. What is in them is not read."""
OPEN: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = (
    (re.compile(r"/login"), frozenset({"GET", "HEAD", "POST"})),
    (re.compile(r"/(livez|readyz)"), frozenset({"GET", "HEAD"})),
    (re.compile(HOOKS), frozenset({"POST"})),
    (re.compile(r"/connect/github/callback"), frozenset({"GET"})),
    (re.compile(r"/problems/[a-z0-9-]{1,80}"), frozenset({"GET", "HEAD"})),
    (re.compile(r"/static/[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"), frozenset({"GET", "HEAD"})),
)
"""Everything that strangers may ask for. Every other path, known or not, is closed to them."""


class ForeignOrigin(Forbidden):
    """The request comes from a page of another site, or does not say where it comes from."""

    code = "foreign_origin"


class CsrfMissing(Forbidden):
    """A request with the session cookie lacks the token of the session's own pages."""

    code = "csrf_missing"


def is_open(method: str, path: str) -> bool:
    return any(method in methods and pattern.fullmatch(path) for pattern, methods in OPEN)


class Login:
    """Sets `request.state.caller` (None for strangers on open paths); 401 for everybody else.

    A person without a session who asks for a page is sent to /login and back.
    """

    def __init__(self, app: ASGIApp, *, house: House) -> None:
        self.app = app
        self.house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        caller = await self._caller(scope, headers)
        scope["state"]["caller"] = caller
        method = scope.get("method", "WEBSOCKET")
        if caller is None and not is_open(method, scope["path"]):
            await self._stranger(scope, receive, send, "authorization" in headers)
            return
        if method not in SAFE and (caller is None or caller.kind == "session"):
            error = _foreign(scope, headers, strict=caller is not None)
            if error is not None:
                await refuse(scope, receive, send, error)
                return
        await self.app(scope, receive, send)

    async def _caller(self, scope: Scope, headers: Headers) -> Caller | None:
        if "authorization" in headers:
            scheme, _, value = headers["authorization"].partition(" ")
            if scheme.lower() != "bearer" or not value.strip():
                return None
            token = await run_in_threadpool(accounts.token_of, self.house, value.strip())
            return callers.of_token(token, headers.get("user-agent", "")) if token else None
        cookie = cookie_parser("; ".join(headers.getlist("cookie"))).get(cookies.cookie_name(self.house, scope))
        if not cookie:
            return None
        session = await run_in_threadpool(accounts.session_of, self.house, cookie)
        return callers.of_session(session) if session else None

    async def _stranger(self, scope: Scope, receive: Receive, send: Send, with_token: bool) -> None:
        if scope.get("method") == "GET" and not with_token and problems.reads_pages(scope):
            await RedirectResponse(cookies.login_path(scope), 303)(scope, receive, send)
            return
        message = "this token is not valid here" if with_token else "this needs a login or a token"
        hint = "Make a token with the scopes you need, or log in: longhouse-jobs login-link"
        await refuse(scope, receive, send, Unauthenticated(message, hint=hint))


def _foreign(scope: Scope, headers: Headers, *, strict: bool) -> ForeignOrigin | None:
    """An error unless the request comes from a page of ours. `strict`: saying nothing is not enough."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        ours = site == "same-origin"
    elif origin is not None:
        scheme = "https" if cookies.is_secure(scope) else "http"
        ours = origin == f"{scheme}://{headers['host']}"
    else:
        ours = not strict
    return None if ours else ForeignOrigin("this request does not come from a page of this instance")


def csrf_problem(caller: Caller | None, given: str | None) -> CsrfMissing | None:
    """For an unsafe request; None if it carries what it has to."""
    if caller is None or caller.kind != "session":
        return None
    if given is not None and accounts.csrf_matches(caller.csrf, given):
        return None
    return CsrfMissing(
        "the request lacks the session's own token", hint="Send it as X-CSRF-Token or form field csrf; reload the page."
    )

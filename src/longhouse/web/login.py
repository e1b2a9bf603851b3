"""Signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import accounts
from longhouse.doors import (
    Caller,
    TheCaller,
    TheHouse,
    clear_session,
    is_secure,
    needs,
    peer_of,
    safe_next,
    set_session,
)
from longhouse.doors.routes import routes
from longhouse.errors import LonghouseError
from longhouse.web.form_data import TheForm
from longhouse.web.page import outside

router = routes(include_in_schema=False)


@router.get("/login")
def login_page(
    request: Request,
    house: TheHouse,
    code: Annotated[str, Query(max_length=200)] = "",
    next: Annotated[str, Query(max_length=2000)] = "/",
) -> Response:
    """A link's code is only used up by the button: programs that look at links before people do leave it whole."""
    if request.state.caller is not None and not code:
        return RedirectResponse(safe_next(next), 303)
    return _door(request, house, code, next)


@router.post("/login")
def login(request: Request, house: TheHouse, form: TheForm) -> Response:
    target = str(form.get("next", "/"))
    peer, agent = peer_of(request.scope), request.headers.get("user-agent", "")
    before: Caller | None = request.state.caller
    try:
        if form.get("code"):
            session = accounts.redeem(house, str(form["code"]), peer, agent)
        elif form.get("password"):
            session = accounts.login_password(house, str(form["password"]), peer, agent)
        else:
            raise accounts.LoginRefused("this needs the code of a login link, or the password", hint=accounts.NEW_LINK)
    except LonghouseError as error:
        return _door(request, house, "", target, error)
    if before is not None and before.kind == "session":  # a login begins anew: the cookie that came along ends
        accounts.logout(house, before.key, before.by)
    response = RedirectResponse(safe_next(target), 303)
    set_session(response, request, session)
    return response


@router.post("/logout", dependencies=[Depends(needs("jobs:read"))])
def logout(request: Request, house: TheHouse, caller: TheCaller) -> Response:
    if caller.kind == "session":
        accounts.logout(house, caller.key, caller.by)
    response = RedirectResponse("/login", 303)
    clear_session(response, request)
    return response


HERE = ("localhost", "127.0.0.1", "::1")
"""What is typed under these names stays on the machine."""
STATUSES = {"gone": 410, "forbidden": 403, "too_many": 429, "invalid": 422}


def _door(request: Request, house: TheHouse, code: str, target: str, problem: LonghouseError | None = None) -> Response:
    status = STATUSES.get(problem.kind, 403) if problem else 200
    return outside(
        request,
        "login.html",
        status=status,
        code=code,
        next=safe_next(target),
        password=accounts.has_password(house),
        plain=not is_secure(request.scope) and request.url.hostname not in HERE,
        problem=problem,
    )

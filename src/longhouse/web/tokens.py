"""API tokens: which there are, a new one, the end of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import accounts
from longhouse.accounts import NewToken
from longhouse.doors import Caller, TheCaller, TheHouse, needs
from longhouse.doors.callers import may_give
from longhouse.errors import Invalid
from longhouse.house import House
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages, sentence

router = pages()

ADMIN = [Depends(needs("admin"))]
LARGEST = 2**53 - 1
DAY_MS = 86_400_000

MAY: dict[str, str] = {
    "jobs:read": "See jobs, their schedules and the jobs repo",
    "runs:read": "See runs, their output and artifacts",
    "runs:write": "Run, cancel and rerun jobs",
    "jobs:write": "Enable, disable, pause and edit jobs",
    "repo:sync": "Connect and sync the jobs repo",
    "secrets:write": "Set and forget secrets",
    "bundles:submit": "Submit bundles",
    "bundles:approve": "Approve bundles",
    "commis": "Work as the coding agent",
    "admin": "Everything else: tokens, sessions, settings, activity, stopping the server",
}
"""The scopes in words."""
ENDS: dict[str, tuple[str, int | None]] = {
    "7": ("in 7 days", 7),
    "30": ("in 30 days", 30),
    "90": ("in 90 days", 90),
    "365": ("in a year", 365),
    "never": ("never, until it is revoked", None),
}

Number = Annotated[int | None, Query(ge=1, le=LARGEST)]


@router.get("/tokens", dependencies=ADMIN)
def tokens_page(request: Request, house: TheHouse, before: Number = None) -> Response:
    return _page(request, house, before=before)


@router.post("/tokens", dependencies=ADMIN)
def new_token(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    """The page with the value on it: it is on no other, and not on this one when it is asked for again."""
    name, chosen = str(form.get("name", "")), [str(each) for each in form.getlist("scope")]
    days = ENDS.get(str(form.get("ends", "")), ENDS["90"])[1]
    try:
        made = _made(house, caller, name, tuple(chosen), days)
    except Invalid as error:
        return _page(request, house, name=name[:100], chosen=chosen, problem=sentence(error.message), status=422)
    return _page(request, house, made=made)


@router.post("/tokens/{token_id}/revoke", dependencies=ADMIN)
def revoke(token_id: Annotated[int, Path(ge=1, le=LARGEST)], house: TheHouse, caller: TheCaller) -> Response:
    accounts.revoke_token(house, token_id, caller.by)
    return RedirectResponse("/tokens", 303)


def _made(house: House, caller: Caller, name: str, scopes: tuple[str, ...], days: int | None) -> NewToken:
    may_give(caller, scopes)
    ends = None if days is None else house.clock.now() + days * DAY_MS
    return accounts.new_token(house, name, scopes, caller.by, expires_at=ends)


def _page(
    request: Request,
    house: House,
    *,
    before: int | None = None,
    made: NewToken | None = None,
    name: str = "",
    chosen: list[str] | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    items, following = accounts.list_tokens(house, before=before)
    return page(
        request,
        "tokens.html",
        status=status,
        items=items,
        next=following,
        before=before,
        made=made,
        may=MAY,
        ends=ENDS,
        name=name,
        chosen=chosen or [],
        problem=problem,
        machine=accounts.MACHINE,
        now_ms=house.clock.now(),
    )

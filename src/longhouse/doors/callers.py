"""Who calls, and what that caller may do: what every route asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from longhouse import accounts
from longhouse.errors import Forbidden, Unauthenticated
from longhouse.house import By, House
from longhouse.store.accounts import Token

CLI_AGENT = "longhouse-jobs/"
"""How the User-Agent of our own command starts."""


class ScopeMissing(Forbidden):
    """The token is good, but was not made for this."""

    code = "scope_missing"


@dataclass(frozen=True)
class Caller:
    """Whoever sent the request, known by a session cookie or a token."""

    name: str
    surface: str
    """web, api or cli, as the audit trail names it."""
    scopes: frozenset[str]
    kind: str
    """session or token."""
    key: str
    """Which session (its digest) or token (its number) it is."""
    csrf: str = field(default="", repr=False)
    """What unsafe requests of this session have to carry; empty for tokens."""

    @property
    def by(self) -> By:
        return By(self.name, self.surface)


def of_session(session: accounts.Session) -> Caller:
    return Caller(accounts.OWNER, "web", frozenset(accounts.SCOPES), "session", session.id, session.csrf)


def of_token(token: Token, agent: str) -> Caller:
    surface = "cli" if agent.startswith(CLI_AGENT) else "api"
    return Caller(token.name, surface, frozenset(token.scopes), "token", str(token.id))


def still_here(house: House, caller: Caller) -> bool:
    """Whether the session or token of an open stream has not ended meanwhile."""
    return accounts.lives(house, caller.kind, caller.key)


async def house_of(request: Request) -> House:
    house: House = request.app.state.house
    return house


async def caller_of(request: Request) -> Caller:
    """Raises Unauthenticated on the few paths that let strangers in."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        raise Unauthenticated("log in first", hint="Open a login link: longhouse-jobs login-link")
    return caller


@dataclass(frozen=True)
class Needs:
    """A route's scope, as its dependency: `dependencies=[Depends(needs("jobs:read"))]`."""

    scope: str

    async def __call__(self, request: Request) -> Caller:
        caller = await caller_of(request)
        if self.scope not in caller.scopes:
            raise ScopeMissing(
                f"the token {caller.name!r} lacks the scope {self.scope}",
                hint=f"Make a token with {self.scope}; a token's scopes never change.",
                scope=self.scope,
            )
        return caller


def needs(scope: str) -> Needs:
    if scope not in accounts.SCOPES:
        raise ValueError(f"there is no scope {scope!r}")
    return Needs(scope)


def may_give(caller: Caller, scopes: Iterable[str]) -> None:
    """Nobody makes a token that may do more than they may. Raises ScopeMissing."""
    lacking = [scope for scope in scopes if scope in accounts.SCOPES and scope not in caller.scopes]
    if lacking:
        raise ScopeMissing(f"a token cannot give away scopes it lacks: {', '.join(lacking)}", scope=lacking[0])


TheHouse = Annotated[House, Depends(house_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]

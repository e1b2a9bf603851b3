"""The doors that API and pages share: nobody passes unseen, nothing passes unread.

A route declares its scope with `dependencies=[Depends(needs("jobs:read"))]`, takes `house: TheHouse` and `caller:
TheCaller`, and acts as `caller.by`. A page puts `caller.csrf` into its forms (field `csrf`) and `request.state.nonce`
into its style elements. `set_session` and `clear_session` are the cookie; `safe_next` is where a login may lead.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI

from longhouse.doors.bodies import Bodies
from longhouse.doors.callers import Caller, Needs, TheCaller, TheHouse, caller_of, house_of, needs, still_here
from longhouse.doors.cookies import clear_session, cookie_name, is_secure, safe_next, set_session
from longhouse.doors.headers import ARTIFACT_POLICY, LOG_POLICY, SecurityHeaders
from longhouse.doors.hosts import Hosts, Proxies, peer_of
from longhouse.doors.login import Login
from longhouse.doors.requests import RequestIds
from longhouse.house import House


def install(
    app: FastAPI, *, house: House, allowed_hosts: Iterable[str] = (), trusted_proxies: Iterable[str] = ()
) -> None:
    """Put all doors before `app`. `trusted_proxies`: addresses or networks; the server must not read X-Forwarded-*."""
    app.state.house = house
    app.add_middleware(Bodies)  # the last added is the first passed
    app.add_middleware(Login, house=house)
    app.add_middleware(Hosts, allowed=tuple(allowed_hosts))
    app.add_middleware(Proxies, trusted=tuple(trusted_proxies))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestIds)


__all__ = [
    "ARTIFACT_POLICY",
    "LOG_POLICY",
    "Caller",
    "Needs",
    "TheCaller",
    "TheHouse",
    "caller_of",
    "clear_session",
    "cookie_name",
    "house_of",
    "install",
    "is_secure",
    "needs",
    "peer_of",
    "safe_next",
    "set_session",
    "still_here",
]

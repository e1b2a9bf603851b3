"""Which browsers are signed in, and how to sign them out."""

from __future__ import annotations

import re

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import accounts
from longhouse.doors import Caller, TheCaller, TheHouse, clear_session, needs
from longhouse.errors import NotFound
from longhouse.web.page import page, pages

router = pages()

ADMIN = [Depends(needs("admin"))]

BROWSERS = (
    *(("Firefox", r"Firefox/"), ("Edge", r"Edg[A-Z]?[a-z]*/"), ("Opera", r"OPR/")),
    *(("Samsung Internet", r"SamsungBrowser/"), ("Chromium", r"HeadlessChrome/|Chromium/")),
    *(("Chrome", r"Chrome/|CriOS/"), ("Safari", r"Safari/"), ("curl", r"^curl/")),
)
SYSTEMS = (
    *(("iPhone", r"iPhone"), ("iPad", r"iPad"), ("Android", r"Android"), ("Windows", r"Windows NT")),
    *(("macOS", r"Mac OS X|Macintosh"), ("ChromeOS", r"CrOS"), ("Linux", r"Linux|X11")),
)


def browser_said(agent: str) -> str:
    """`Firefox on Linux`; the beginning of what it called itself where that says neither."""
    browser = next((name for name, pattern in BROWSERS if re.search(pattern, agent)), "")
    system = next((name for name, pattern in SYSTEMS if re.search(pattern, agent)), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or agent[:40] or "An unknown browser"


@router.get("/sessions", dependencies=ADMIN)
def sessions_page(request: Request, house: TheHouse, caller: TheCaller) -> Response:
    items = [(each, browser_said(each.agent), _own(caller, each.id)) for each in accounts.list_sessions(house)]
    return page(request, "sessions.html", items=items, others=sum(not own for _, _, own in items))


@router.post("/sessions/end-others", dependencies=ADMIN)
def end_others(house: TheHouse, caller: TheCaller) -> Response:
    accounts.logout_all(house, caller.by, but=caller.key if caller.kind == "session" else "")
    return RedirectResponse("/sessions", 303)


@router.post("/sessions/{session_id}/end", dependencies=ADMIN)
def end_session(session_id: str, request: Request, house: TheHouse, caller: TheCaller) -> Response:
    try:
        accounts.end_session(house, session_id[:64], caller.by)
    except NotFound:  # it has ended by itself: what was wanted is so
        return RedirectResponse("/sessions", 303)
    if not _own(caller, session_id):
        return RedirectResponse("/sessions", 303)
    response = RedirectResponse("/login", 303)
    clear_session(response, request)
    return response


def _own(caller: Caller, session_id: str) -> bool:
    return caller.kind == "session" and caller.key.startswith(session_id)

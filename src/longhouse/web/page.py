"""How every page is made: templates, what all of them show, and the words and shapes they use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from longhouse import held, jobs, pauses, stopping
from longhouse.clock import iso
from longhouse.doors.routes import routes
from longhouse.errors import LonghouseError
from longhouse.house import House
from longhouse.repo import panel, sync
from longhouse.store import events
from longhouse.triggers.words import in_words, seconds_said
from longhouse.web import strip, times, words
from longhouse.web.assets import Assets
from longhouse.web.form_data import wants_toast
from longhouse.web.text import shown

THEMES = ("system", "light", "dark")
LOOKS = ("contrast", "still")
"""What a browser can ask for beyond what its system does; each a cookie and a stylesheet."""
ASSETS = Assets()


def _finalize(value: Any) -> Any:
    """Every text that leaves a template: nothing invisible, nothing that turns the line around."""
    return shown(value) if type(value) is str else value


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
        auto_reload=False,
    )
    found.globals |= {
        "asset": ASSETS.url,
        "icon": icon,
        "badge": badge,
        "ago": ago,
        "at": at,
        "words": words,
        "duration": times.duration,
        "size": times.size,
        "seconds_said": seconds_said,
        "in_words": in_words,
        "strip": strip.strip,
        "strip_said": strip.said,
        "as_json": as_json,
        "sentence": sentence,
    }
    return found


def icon(name: str, *, css: str = "") -> Markup:
    """A picture beside words; never the only carrier of meaning."""
    return Markup('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>').format(
        css, ASSETS.url("icons.svg"), name
    )


def badge(state: str) -> Markup:
    return Markup('<span class="badge s-{}">{}{}</span>').format(state, icon(state), words.STATES[state])


@pass_context
def ago(context: Context, ms: int | None, *, missing: str = "–") -> Markup:
    """A relative time that live.js keeps true; its exact moment in the tooltip."""
    if ms is None:
        return Markup('<span class="soft">{}</span>').format(missing)
    return Markup('<time datetime="{}" title="{}" data-rel>{}</time>').format(
        iso(ms), times.exact(ms), times.relative(ms, context["now"])
    )


@pass_context
def at(context: Context, ms: int | None, zone: str = "", *, seconds: bool = False) -> Markup:
    """An absolute time in `zone`, or in the instance's."""
    if ms is None:
        return Markup('<span class="soft">–</span>')
    said = times.absolute(ms, zone or context["zone"], context["now"], seconds=seconds)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(ms), times.exact(ms), said)


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def sentence(message: str) -> str:
    """An error's message as a sentence of its own."""
    return f"{message[:1].upper()}{message[1:]}" + ("" if message.endswith((".", "!", "?")) else ".")


TEMPLATES = _environment()


def house_of(request: Request) -> House:
    house: House = request.app.state.house
    return house


def note_events(request: Request) -> None:
    """Before a page is put together: the newest event, so that the page asks for those that come after it."""
    with house_of(request).db.read() as db:
        request.state.seen = events.newest(db)


def pages() -> APIRouter:
    """For the routes of pages: in no description of the API; what is new is noted before anything is read."""
    return routes(include_in_schema=False, dependencies=[Depends(note_events)])


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A whole page for somebody who is signed in."""
    house = house_of(request)
    shared = {**frame(request), **standing(house), "signed_in": True}
    return _html(TEMPLATES.get_template(template).render({**shared, **context}), status)


def part(request: Request, template: str, **context: Any) -> HTMLResponse:
    """One region of a page, fetched again because something in it changed."""
    return _html(TEMPLATES.get_template(template).render({**frame(request), **context}), 200)


def outside(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page that shows nothing of the instance: for those who are not signed in."""
    return _html(TEMPLATES.get_template(template).render({**frame(request), "signed_in": False, **context}), status)


def frame(request: Request) -> dict[str, Any]:
    """What every template may use."""
    house = house_of(request)
    theme = request.cookies.get("theme", "system")
    caller = getattr(request.state, "caller", None)
    return {
        "now": house.clock.now(),
        "zone": house.zone,
        "theme": theme if theme in THEMES else "system",
        "looks": {name for name in LOOKS if request.cookies.get(name) == "on"},
        "path": request.url.path,
        "csrf": getattr(caller, "csrf", "") or "",
        "version": house.version,
        "seen": getattr(request.state, "seen", ""),
    }


def standing(house: House) -> dict[str, Any]:
    """What every page says at its top when something is wrong."""
    asked = stopping.standing(house) if house.feed.draining.is_set() else None
    return {
        "manifest": jobs.manifest(house),
        "notices": _notices(house),
        "left_out": panel.left_out(house),
        "synced": sync.state(house),
        "stopping": asked,
        "pause": pauses.of_instance(house),
        "held": held.overview(house),
    }


def _notices(house: House) -> tuple[str, ...]:
    full = "The disk is full: no run is started or accepted. Free some space; work resumes within half a minute."
    return (*((full,) if house.reserve.since(house.clock.now()) is not None else ()), *house.notices)


def _html(text: str, status: int) -> HTMLResponse:
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store", "Vary": "Cookie"})


def acted(request: Request, act: Callable[[], str], back: str) -> Response:
    """Do it; `act` says what was done. Our script gets that, or the refusal, as a toast; else the page at `back` comes
    next, and a refusal is a page of its own."""
    quiet = wants_toast(request)
    try:
        said = act()
    except LonghouseError as error:
        if not quiet:
            raise
        return toast(request, error=error)
    return toast(request, said) if quiet else RedirectResponse(back, 303)


def toast(
    request: Request, text: str = "", *, error: LonghouseError | None = None, link: str = "", label: str = ""
) -> HTMLResponse:
    """What an act that stays on its page has to say. A refusal is told, not thrown: the page is still good."""
    if error is not None:
        text = " ".join(filter(None, (sentence(error.message), error.hint)))
        run = error.facts.get("run")
        link, label = (f"/runs/{run}", f"Run {run}") if run else ("", "")
    html = TEMPLATES.get_template("parts/toast.html").render(
        {**frame(request), "text": text, "bad": error is not None, "link": link, "label": label}
    )
    return _html(html, 200)

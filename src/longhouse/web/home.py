"""Home: whether everything is fine, and what needs somebody."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import overview
from longhouse.doors import TheHouse, needs
from longhouse.overview import Need
from longhouse.repo import panel
from longhouse.web.form_data import TheForm, wants_toast
from longhouse.web.page import page, pages, part, toast

router = pages()

READ = [Depends(needs("jobs:read")), Depends(needs("runs:read"))]
PLACES = {
    "failures": "/runs?state=failed",
    "missed": "#missed",
    "paused": "/jobs",
    "manifest": "/repo",
    "repo": "/repo",
    "sync": "/repo#sync",
}
"""Where what needs somebody is looked at and mended; all else is said under Instance."""
LABELS = {
    "manifest": "Manifest",
    "git": "Git",
    "repo": "Jobs repo",
    "sync": "Remote",
    "database": "Database",
    "disk": "Disk",
    "queue": "Queue",
    "processes": "Processes",
    "user": "User",
    "clock": "Clock",
    "notice": "Notice",
}
STATUS = {"ok": ("succeeded", "Fine"), "warning": ("degraded", "Warning"), "error": ("failed", "Wrong")}
"""A check's status as icon and word."""


@router.get("/", dependencies=READ)
def home(
    request: Request, house: TheHouse, part_of: Annotated[str, Query(alias="part", max_length=20)] = ""
) -> Response:
    found = overview.overview(house, request.app.state.readiness.engine())
    shown: dict[str, Any] = {
        "home": found,
        "place": place,
        "labels": LABELS,
        "looks": STATUS,
        "repo_ready": bool(found.jobs) or panel.status(house).ready,
    }
    return part(request, "parts/home.html", **shown) if part_of else page(request, "home.html", **shown)


@router.post("/seen", dependencies=[Depends(needs("runs:write"))])
def mark_seen(request: Request, house: TheHouse, form: TheForm) -> Response:
    until = str(form.get("until", ""))
    overview.mark_seen(house, int(until) if until.isascii() and until.isdigit() and len(until) < 16 else None)
    if wants_toast(request):
        return toast(request, "Seen: only what fails from here on is shown.")
    return RedirectResponse("/", 303)


def place(need: Need) -> str:
    if need.run_id is not None:
        return f"/runs/{need.run_id}"
    return PLACES.get(need.code, "#instance")

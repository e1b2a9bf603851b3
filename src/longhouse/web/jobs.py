"""The Jobs page, and the switch of each job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from longhouse import jobs
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import LonghouseError
from longhouse.house import House
from longhouse.jobs import STRIP
from longhouse.web import forms
from longhouse.web.form_data import TheForm, wants_toast
from longhouse.web.page import page, part, standing, toast

router = APIRouter(include_in_schema=False)

ROWS = 50
READ = [Depends(needs("jobs:read"))]
READ_RUNS = [Depends(needs("jobs:read")), Depends(needs("runs:read"))]
WRITE = [Depends(needs("jobs:write"))]

After = Annotated[str, Query(max_length=64)]


@router.get("/jobs", dependencies=READ_RUNS)
def jobs_page(
    request: Request, house: TheHouse, after: After = "", part_of: Annotated[str, Query(alias="part")] = ""
) -> Response:
    items, following = jobs.list_jobs(house, after=after, limit=ROWS)
    shown: dict[str, Any] = {"items": items, "next": following, "after": after, "room": STRIP, "asks": forms.asks}
    if part_of == "pausing":
        return part(request, "parts/pausing.html", **standing(house))
    return part(request, "parts/jobs.html", **shown) if part_of else page(request, "jobs.html", **shown)


@router.post("/jobs/{job_id}/enable", dependencies=WRITE)
def enable(request: Request, job_id: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    return _switched(request, house, caller, job_id, True, form)


@router.post("/jobs/{job_id}/disable", dependencies=WRITE)
def disable(request: Request, job_id: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    return _switched(request, house, caller, job_id, False, form)


def _switched(
    request: Request, house: House, caller: TheCaller, job_id: str, enabled: bool, form: FormData
) -> Response:
    quiet = wants_toast(request)
    try:
        jobs.set_enabled(house, job_id, enabled, caller.by)
    except LonghouseError as error:
        if not quiet:
            raise
        return toast(request, error=error)
    if quiet:
        said = "is enabled: it runs when it is due." if enabled else "is disabled: it will not run by itself."
        return toast(request, f"{job_id} {said}")
    return RedirectResponse("/jobs" if form.get("from") == "jobs" else f"/jobs/{job_id}", 303)

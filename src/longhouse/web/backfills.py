"""A backfill's preview, its start, and its end before its time."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import backfills, jobs
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import Invalid
from longhouse.web.form_data import TheForm
from longhouse.web.page import acted, page, pages

router = pages()

READ = [Depends(needs("jobs:read")), Depends(needs("runs:read"))]
WRITE = [Depends(needs("runs:write"))]

Moment = Annotated[str, Query(max_length=64)]


@router.get("/jobs/{job_id}/backfill", dependencies=READ)
def preview(
    request: Request,
    job_id: str,
    house: TheHouse,
    low: Annotated[Moment, Query(alias="from")] = "",
    high: Annotated[Moment, Query(alias="to")] = "",
) -> Response:
    """What the range holds, with the button that starts it; or what is wrong with it."""
    found, error = None, ""
    if low or high:
        try:
            found = backfills.plan(house, job_id, low, high)
        except Invalid as refusal:
            error = f"{refusal.message}. {refusal.hint}"
    job = jobs.get_job(house, job_id).job
    shown = {"job": job, "spec": job.spec, "low": low, "high": high, "range": found, "error": error}
    return page(request, "backfill.html", status=422 if error else 200, **shown)


@router.post("/jobs/{job_id}/backfill", dependencies=WRITE)
def start(job_id: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    low, high, count = (str(form.get(name, "")) for name in ("from", "to", "confirm"))
    confirm = int(count) if count.isascii() and count.isdigit() and len(count) < 6 else 0
    made = backfills.start(house, job_id, low, high, caller.by, confirm=confirm)
    return RedirectResponse(f"/runs?backfill={made.id}", 303)


@router.post("/backfills/{backfill_id}/cancel", dependencies=WRITE)
def cancel(
    request: Request, backfill_id: Annotated[int, Path(ge=1, le=2**53 - 1)], house: TheHouse, caller: TheCaller
) -> Response:
    def act() -> str:
        return f"Backfill {backfills.cancel(house, backfill_id, caller.by).id} was cancelled."

    return acted(request, act, f"/runs?backfill={backfill_id}")

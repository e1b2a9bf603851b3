"""A job's page, and what its buttons do."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import backfills, history, jobs
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import Invalid, LonghouseError
from longhouse.house import House
from longhouse.jobs import STRIP, Overview
from longhouse.repo import panel
from longhouse.triggers.words import seconds_said
from longhouse.web import forms, source
from longhouse.web.form_data import TheForm, wants_toast
from longhouse.web.memory import memory_of
from longhouse.web.page import page, part, toast
from longhouse.web.words import CATCH_UPS, OVERLAPS

router = APIRouter(include_in_schema=False)

UPCOMING = 8
RUNS = 10
FIRINGS = 12
BACKFILLS = 5
FIRINGS_PAGE = 100
TURNS_SHOWN_MS = 35 * 86_400_000
"""What a change of the clocks will do is said so long before."""

READ_RUNS = [Depends(needs("jobs:read")), Depends(needs("runs:read"))]
RUN = [Depends(needs("runs:write"))]

Part = Annotated[str, Query(max_length=20)]
JOB_PARTS = {
    "head": "parts/job_head.html",
    "next": "parts/job_next.html",
    "runs": "parts/job_runs.html",
    "firings": "parts/job_firings.html",
    "backfills": "parts/job_backfills.html",
    "memory": "parts/job_memory.html",
}


@router.get("/jobs/{job_id}", dependencies=READ_RUNS)
def job_page(
    request: Request, job_id: str, house: TheHouse, part_of: Annotated[Part, Query(alias="part")] = ""
) -> Response:
    found = jobs.get_job(house, job_id)
    if part_of in JOB_PARTS:
        return part(request, JOB_PARTS[part_of], **_shown(house, found))
    shown = {**_shown(house, found), **_code(house, found), "fields": forms.fields(found.job.spec)}
    return page(request, "job.html", **shown, when={"value": "", "error": ""})


@router.get("/jobs/{job_id}/firings", dependencies=READ_RUNS)
def firings_page(
    request: Request, job_id: str, house: TheHouse, before: Annotated[int | None, Query(ge=1, le=2**53 - 1)] = None
) -> Response:
    found = jobs.get_job(house, job_id)
    shown = _firings(house, found.job.id, FIRINGS_PAGE, before)
    upcoming = jobs.upcoming_of(house, found.job, 1)
    return page(request, "firings.html", job=found.job, spec=found.job.spec, upcoming=upcoming, **shown)


@router.post("/jobs/{job_id}/run", dependencies=RUN)
def run_now(request: Request, job_id: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    values, at = forms.given(form), str(form.get("at", "")).strip()
    quiet = wants_toast(request)
    try:
        run = jobs.run_now(house, job_id, caller.by, params=values, text=True, at=at or None)
    except Invalid as error:
        return toast(request, error=error) if quiet else _asked_again(request, house, job_id, values, at, error)
    except LonghouseError as error:
        if not quiet:
            raise
        return toast(request, error=error)
    if quiet:
        return toast(request, f"{job_id} is on its way.", link=f"/runs/{run.id}", label=f"Watch run {run.id}")
    return RedirectResponse(f"/runs/{run.id}", 303)


@router.post("/jobs/{job_id}/cancel", dependencies=RUN)
def cancel_runs(request: Request, job_id: str, house: TheHouse, caller: TheCaller) -> Response:
    quiet = wants_toast(request)
    try:
        count = len(jobs.cancel_runs(house, job_id, caller.by))
    except LonghouseError as error:
        if not quiet:
            raise
        return toast(request, error=error)
    if quiet:
        return toast(request, f"{count} run{'' if count == 1 else 's'} of {job_id} cancelled or asked to stop.")
    return RedirectResponse(f"/jobs/{job_id}", 303)


def _asked_again(
    request: Request, house: House, job_id: str, values: dict[str, str], at: str, error: Invalid
) -> Response:
    """The job's page once more, with the values as they were sent and what is wrong with each."""
    found = jobs.get_job(house, job_id)
    fields = forms.refused(forms.fields(found.job.spec), values, error)
    when = {"value": at, "error": forms.wrong_with(error, "at")}
    shown = {**_shown(house, found), **_code(house, found), "fields": fields, "when": when}
    return page(request, "job.html", status=422, **shown)


def _shown(house: House, found: Overview) -> dict[str, Any]:
    job = found.job
    runs, _ = history.list_runs(house, job_id=job.id, limit=RUNS)
    return {
        "job": job,
        "spec": job.spec,
        "own_pause": found.pause,
        "on_hold": found.held,
        "next_due": found.next_due,
        "active": jobs.active_runs(house, job.id),
        "backfills": backfills.list_backfills(house, job_id=job.id, limit=BACKFILLS)[0],
        "left": backfills.left,
        "memory": memory_of(house, job.id),
        "recent": found.recent,
        "room": STRIP,
        "runs": runs,
        "upcoming": jobs.upcoming_of(house, job, UPCOMING),
        "turns": [turn for turn in jobs.clock_changes(house, job) if turn.at <= house.clock.now() + TURNS_SHOWN_MS],
        **_firings(house, job.id, FIRINGS, None),
        "settings": _settings(found),
    }


def _firings(house: House, job_id: str, limit: int, before: int | None) -> dict[str, Any]:
    """The newest entries of the ledger before a time, and where earlier ones begin."""
    high = house.clock.now() if before is None else before - 1
    found = jobs.firings(house, job_id, low=0, high=high, limit=limit)
    return {"firings": found, "before": before, "earlier": found[-1].first if len(found) == limit else None}


def _code(house: House, found: Overview) -> dict[str, Any]:
    try:
        return {"code": source.lines(panel.code(house, found.job)), "code_problem": ""}
    except LonghouseError as error:
        return {"code": None, "code_problem": error.message}


def _settings(found: Overview) -> list[tuple[str, str]]:
    spec = found.job.spec
    tries = (
        "1, never again"
        if spec.max_attempts == 1
        else f"{spec.max_attempts}, first wait {seconds_said(spec.retry_delay_seconds)}, doubling"
    )
    rows = [
        ("Timeout", seconds_said(spec.timeout_seconds)),
        ("Attempts", tries),
        ("Overlap", f"{spec.overlap}: {OVERLAPS.get(spec.overlap, '')}"),
        ("Catch up", f"{spec.catch_up}: {CATCH_UPS.get(spec.catch_up, '')}"),
        ("Misfire grace", seconds_said(spec.misfire_grace_seconds)),
    ]
    if spec.jitter_minutes:
        rows.append(("Jitter", f"up to {spec.jitter_minutes:g} min later"))
    if spec.priority:
        rows.append(("Priority", f"{spec.priority} (higher runs first)"))
    if spec.concurrency_group:
        rows.append(("Group", f"{spec.concurrency_group}, at most {spec.concurrency_limit} at once"))
    if spec.memory_mb:
        rows.append(("Memory", f"at most {spec.memory_mb} MB"))
    if spec.secrets:
        rows.append(("Secrets", ", ".join(str(each["key"]) for each in spec.secrets)))
    if found.job.environment:
        rows.append(("Environment", found.job.environment[:12]))
    return rows

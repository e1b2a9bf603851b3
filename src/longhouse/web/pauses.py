"""The buttons that pause and resume, the whole instance or one job."""

from __future__ import annotations

from fastapi import Depends, Request, Response
from starlette.datastructures import FormData

from longhouse import jobs, pauses
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs, safe_next
from longhouse.house import House
from longhouse.moments import refused
from longhouse.store.pauses import Pause
from longhouse.web.form_data import TheForm, back_to_job
from longhouse.web.page import acted, pages
from longhouse.web.times import MINUTE, absolute

router = pages()

WRITE = [Depends(needs("jobs:write"))]
LONGEST_DIGITS = 6


@router.post("/pause", dependencies=WRITE)
def pause(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    def act() -> str:
        return f"Everything is paused {_until(house, pauses.pause(house, caller.by, until=_end(house, form)))}."

    return acted(request, act, "/jobs")


@router.post("/resume", dependencies=WRITE)
def resume(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    def act() -> str:
        pauses.resume(house, caller.by)
        return "Jobs fire again when they are due."

    return acted(request, act, safe_next(str(form.get("back", "/jobs"))))


@router.post("/jobs/{job_id}/pause", dependencies=WRITE)
def pause_job(request: Request, job_id: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    def act() -> str:
        return f"{job_id} is paused {_until(house, jobs.pause(house, job_id, caller.by, until=_end(house, form)))}."

    return acted(request, act, back_to_job(job_id, form))


@router.post("/jobs/{job_id}/resume", dependencies=WRITE)
def resume_job(request: Request, job_id: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    def act() -> str:
        jobs.resume(house, job_id, caller.by)
        return f"{job_id} is no longer paused by itself."

    return acted(request, act, back_to_job(job_id, form))


def _end(house: House, form: FormData) -> str | None:
    """What the field `for` means: minutes from now; empty: no end."""
    minutes = str(form.get("for", "")).strip()
    if not minutes:
        return None
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= LONGEST_DIGITS):
        raise refused("for", f"{minutes!r} is no number of minutes")
    return iso(house.clock.now() + int(minutes) * MINUTE)


def _until(house: House, found: Pause) -> str:
    if found.until is None:
        return "until somebody resumes"
    return f"until {absolute(found.until, house.zone, house.clock.now())}"

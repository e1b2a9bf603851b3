"""A job's page, and what its buttons do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import backfills, figures, history, jobs
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import Invalid, LonghouseError
from longhouse.house import House
from longhouse.jobs import Overview
from longhouse.repo import panel
from longhouse.web import forms, job_facts, source
from longhouse.web.coming import coming
from longhouse.web.form_data import TheForm, wants_toast
from longhouse.web.memory import memory_of
from longhouse.web.page import acted, page, pages, part, toast

router = pages()

UPCOMING = 20
RUNS = 10
FIRINGS = 12
BACKFILLS = 5
COMMITS = 10
FIRINGS_PAGE = 100
TURNS_SHOWN_MS = 35 * 86_400_000
"""What a change of the clocks will do is said so long before."""

READ_RUNS = [Depends(needs("jobs:read")), Depends(needs("runs:read"))]
RUN = [Depends(needs("runs:write"))]

Part = Annotated[str, Query(max_length=20)]


@router.get("/jobs/{job_id}", dependencies=READ_RUNS)
def job_page(
    request: Request, job_id: str, house: TheHouse, part_of: Annotated[Part, Query(alias="part")] = ""
) -> Response:
    found = jobs.get_job(house, job_id)
    if part_of in PARTS:
        template, *needed = PARTS[part_of]
        return part(request, template, **_shown(house, found, needed))
    when = {"value": "", "error": "", "debug": False}
    return page(request, "job.html", **_shown(house, found, WHOLE), fields=forms.fields(found.job.spec), when=when)


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
    quiet, debug = wants_toast(request), "debug" in form
    try:
        run = jobs.run_now(house, job_id, caller.by, params=values, text=True, at=at or None, debug=debug)
    except Invalid as error:
        if quiet:
            return toast(request, error=error)
        when = {"value": at, "error": forms.wrong_with(error, "at"), "debug": debug}
        return _asked_again(request, house, job_id, values, when, error)
    except LonghouseError as error:
        if not quiet:
            raise
        return toast(request, error=error)
    if quiet:
        return toast(request, f"{job_id} is on its way.", link=f"/runs/{run.id}", label=f"Watch run {run.id}")
    return RedirectResponse(f"/runs/{run.id}", 303)


@router.post("/jobs/{job_id}/cancel", dependencies=RUN)
def cancel_runs(request: Request, job_id: str, house: TheHouse, caller: TheCaller) -> Response:
    def act() -> str:
        count = len(jobs.cancel_runs(house, job_id, caller.by))
        return f"{count} run{'' if count == 1 else 's'} of {job_id} cancelled or asked to stop."

    return acted(request, act, f"/jobs/{job_id}")


def _asked_again(
    request: Request, house: House, job_id: str, values: dict[str, str], when: dict[str, Any], error: Invalid
) -> Response:
    """The job's page once more, with the values as they were sent and what is wrong with each."""
    found = jobs.get_job(house, job_id)
    fields = forms.refused(forms.fields(found.job.spec), values, error)
    return page(request, "job.html", status=422, **_shown(house, found, WHOLE), fields=fields, when=when)


# --- what each part of the page shows -------------------------------------------------------------------------------


def _shown(house: House, found: Overview, needed: Iterable[Facts]) -> dict[str, Any]:
    own = {
        "job": found.job,
        "spec": found.job.spec,
        "own_pause": found.pause,
        "on_hold": found.held,
        "next_due": found.next_due,
    }
    for facts in needed:
        own |= facts(house, found)
    return own


def _ahead(house: House, found: Overview) -> dict[str, Any]:
    job, now = found.job, house.clock.now()
    upcoming = jobs.upcoming_of(house, job, UPCOMING)
    return {
        "upcoming": upcoming,
        "coming": coming(job.spec, house.zone, now, upcoming),
        "turns": [turn for turn in jobs.clock_changes(house, job) if turn.at <= now + TURNS_SHOWN_MS],
    }


def _soon(house: House, found: Overview) -> dict[str, Any]:
    """Of what is ahead the first due time: for parts that come anew with every run."""
    return {"upcoming": jobs.upcoming_of(house, found.job, 1)}


def _runs(house: House, found: Overview) -> dict[str, Any]:
    runs, _ = history.list_runs(house, job_id=found.job.id, limit=RUNS)
    return {"active": jobs.active_runs(house, found.job.id), "recent": found.recent, "room": jobs.STRIP, "runs": runs}


def _figures(house: House, found: Overview) -> dict[str, Any]:
    known = figures.figures(house, found.job.id)
    failure = known.failure and {**known.failure, "first": str(known.failure["message"]).strip().partition("\n")[0]}
    return {"cards": job_facts.cards(known), "failure": failure, "drawn_said": job_facts.drawn_said(known)}


def _backfills(house: House, found: Overview) -> dict[str, Any]:
    return {
        "backfills": backfills.list_backfills(house, job_id=found.job.id, limit=BACKFILLS)[0],
        "left": backfills.left,
    }


def _past(house: House, found: Overview) -> dict[str, Any]:
    return _firings(house, found.job.id, FIRINGS, None)


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


def _commits(house: House, found: Overview) -> dict[str, Any]:
    try:
        return {"commits": panel.log(house, COMMITS, found.job.commit_sha, found.job.spec.source_file)[0]}
    except LonghouseError:  # the code beside it says why
        return {"commits": ()}


def _settings(_house: House, found: Overview) -> dict[str, Any]:
    return {"settings": job_facts.settings(found)}


def _needed(house: House, found: Overview) -> dict[str, Any]:
    return {"needed": job_facts.needed(house, found.job)}


def _memory(house: House, found: Overview) -> dict[str, Any]:
    return {"memory": memory_of(house, found.job.id)}


Facts = Callable[[House, Overview], dict[str, Any]]
WHOLE: tuple[Facts, ...] = (
    *(_ahead, _runs, _figures, _backfills, _past),
    *(_code, _settings, _needed, _memory),
)
PARTS: dict[str, tuple[Any, ...]] = {
    "head": ("parts/job_head.html",),
    "figures": ("parts/job_figures_live.html", _figures),
    "next": ("parts/job_next.html", _ahead),
    "runs": ("parts/job_runs.html", _runs, _soon),
    "coming": ("parts/job_coming.html", _ahead),
    "firings": ("parts/job_firings.html", _past, _soon),
    "history": ("parts/job_history.html", _commits),
    "needs": ("parts/job_needs.html", _needed),
    "backfills": ("parts/job_backfills.html", _backfills),
    "memory": ("parts/job_memory.html", _memory),
}
"""A template, and what it shows."""

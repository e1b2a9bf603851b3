"""Running a run again: at once, or after looking at its parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import history, jobs
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import Conflict, Invalid, LonghouseError
from longhouse.house import House
from longhouse.store.runs import Run
from longhouse.web import forms
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages, sentence
from longhouse.web.run_log import RunId
from zerg._wire import JobDescription, job_description

router = pages()

WRITE = [Depends(needs("runs:write")), Depends(needs("runs:read"))]

Code = Annotated[str, Query(max_length=10)]


@router.get("/runs/{run_id}/rerun", dependencies=WRITE)
def rerun_page(request: Request, run_id: RunId, house: TheHouse, code: Code = "same") -> Response:
    """Its parameters, to be changed; nothing happens before the button is pressed."""
    run = history.get(house, run_id)
    latest = code == "latest"
    return _asked(request, house, run, latest=latest, fields=_fields(house, run, latest=latest))


@router.post("/runs/{run_id}/rerun", dependencies=WRITE)
def rerun(request: Request, run_id: RunId, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    latest, edited = form.get("code") == "latest", form.get("edited") == "yes"
    values = forms.given(form)
    debug = form.get("debug") == "1" if edited else None
    try:
        new = jobs.rerun(
            house,
            run_id,
            caller.by,
            same_commit=not latest,
            params=values if edited else None,
            text=edited,
            whole=edited,
            debug=debug,
        )
    except (Invalid, Conflict) as error:
        run = history.get(house, run_id)
        fields = _fields(house, run, latest=latest)
        if edited and isinstance(error, Invalid):
            fields = forms.refused(fields, values, error)
        elif edited:
            fields = [replace(field, value=values.get(field.name, field.value)) for field in fields]
        return _asked(request, house, run, latest=latest, fields=fields, debug=debug, error=error)
    return RedirectResponse(f"/runs/{new.id}", 303)


def _fields(house: House, run: Run, *, latest: bool) -> list[forms.Field]:
    """Those of the code that is to run, filled with the values that the run had."""
    spec = _spec(house, run, latest=latest)
    known = {parameter.name for parameter in spec.parameters}
    had = {name: value for name, value in run.params.items() if name in known}
    return forms.fields(spec.replace(params={**spec.params, **had}))


def _spec(house: House, run: Run, *, latest: bool) -> JobDescription:
    return jobs.get_job(house, run.job_id).job.spec if latest else job_description(run.spec)


def _asked(
    request: Request,
    house: House,
    run: Run,
    *,
    latest: bool,
    fields: list[forms.Field],
    debug: bool | None = None,
    error: LonghouseError | None = None,
) -> Response:
    shown: dict[str, Any] = {
        "run": run,
        "latest": latest,
        "fields": fields,
        "debug": run.debug if debug is None else debug,
        "problem": " ".join(filter(None, (sentence(error.message), error.hint))) if error else "",
        "in_the_way": error.facts.get("run") if error else None,
    }
    status = 200 if error is None else 409 if isinstance(error, Conflict) else 422
    return page(request, "rerun.html", status=status, **shown)

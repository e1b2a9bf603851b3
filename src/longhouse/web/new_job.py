"""New job: a template, a name, a schedule, what the template asks for, and what will be written."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from longhouse import job_templates, new_jobs, secrets
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.edits import EditConflict
from longhouse.errors import Conflict, Invalid, LonghouseError, ManifestBroken
from longhouse.house import House
from longhouse.job_templates import TEMPLATES, Template
from longhouse.new_jobs import NotRegistered, Planned, Wanted
from longhouse.repo.leaks import SecretInFile
from longhouse.triggers.preview import BARE
from longhouse.web import forms, source
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages, part, sentence
from longhouse.web.schedules import chosen, previewed, zones

router = pages()

WRITE = [Depends(needs("jobs:write"))]
REFUSED = (ManifestBroken, SecretInFile, Invalid, Conflict, EditConflict)
PRESETS = (
    ("*/5 * * * *", "Every 5 minutes"),
    ("0 * * * *", "Every hour"),
    ("0 8 * * *", "Daily at 8"),
    ("0 9 * * 1-5", "Weekdays at 9"),
    ("0 7 * * 1", "Mondays at 7"),
    ("0 6 1 * *", "First of the month"),
)


@router.get("/jobs/new", dependencies=WRITE)
def new_job_page(request: Request, house: TheHouse, template: Annotated[str, Query(max_length=100)] = "") -> Response:
    found = TEMPLATES.get(template) or next(iter(TEMPLATES.values()))
    values = {"when": "cron", "cron": found.cron, "every": "3600", "timezone": "", "enabled": "on"}
    return _page(request, house, found, {**values, "id": _free(house, found.id), "description": found.description}, {})


@router.get("/jobs/new/id", dependencies=WRITE)
def id_part(request: Request, house: TheHouse, id: Annotated[str, Query(max_length=200)] = "") -> Response:
    return part(request, "parts/new_job_id.html", **_id(house, id))


@router.post("/jobs/new/preview", dependencies=WRITE)
def code_part(request: Request, house: TheHouse, form: TheForm) -> Response:
    template = job_templates.find(str(form.get("template", "")))
    return part(request, "parts/new_job_code.html", **_drawn(house, template, _values(form), forms.given(form)))


@router.post("/jobs/new", dependencies=WRITE)
def create(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    template, values, params = job_templates.find(str(form.get("template", ""))), _values(form), forms.given(form)
    if form.get("act") == "look":
        return _page(request, house, template, values, params)
    try:
        made = new_jobs.create(house, _wanted(template, values, params), caller.by)
    except REFUSED as error:
        return _page(request, house, template, values, params, error=error, status=422)
    return RedirectResponse(f"/jobs/{made.planned.id}", 303)


def _values(form: FormData) -> dict[str, str]:
    names = ("id", "description", "when", "cron", "every", "timezone", "enabled")
    return {name: str(form.get(name, "")) for name in names}


def _wanted(template: Template, values: dict[str, str], params: dict[str, str]) -> Wanted:
    cron, every = chosen(values["when"], values["cron"], values["every"])
    return Wanted(
        template=template.name,
        id=values["id"].strip(),
        description=" ".join(values["description"].split()),
        cron=cron,
        every=every,
        timezone=values["timezone"].strip(),
        params=params,
        text=True,
        enabled=bool(values["enabled"]),
    )


def _page(
    request: Request,
    house: House,
    template: Template,
    values: dict[str, str],
    params: dict[str, str],
    *,
    error: LonghouseError | None = None,
    status: int = 200,
) -> Response:
    found = forms.fields(BARE.replace(parameters=template.parameters))
    found = [replace(field, value=params.get(field.name, field.value)) for field in found]
    wrong = error if isinstance(error, Invalid) and error.facts.get("errors") else None
    if wrong:
        found = forms.refused(found, params, wrong)
    stored = {each.name for each in secrets.list_secrets(house) if each.stored}
    cron, every = chosen(values["when"], values["cron"], values["every"])
    return page(
        request,
        "new_job.html",
        status=status,
        kinds=TEMPLATES.values(),
        kind=template,
        values=values,
        asked=list(zip(found, template.asked, strict=True)),
        secrets=[(each, each.key in stored) for each in template.secrets],
        presets=PRESETS,
        zones=zones(),
        error=error,
        said="" if error is None else " ".join(filter(None, (sentence(error.message), error.hint))),
        wrong_with={
            name: forms.wrong_with(wrong, name) if wrong else ""
            for name in ("id", "description", "cron", "every", "timezone")
        },
        paste=error.facts if isinstance(error, NotRegistered) else None,
        **_id(house, values["id"]),
        **_drawn(house, template, values, params),
        schedule=previewed(house, cron, every, values["timezone"]),
    )


def _id(house: House, job_id: str) -> dict[str, Any]:
    job_id = job_id.strip()
    problem = new_jobs.id_problem(house, job_id) if job_id else "choose an id"
    return {"id_problem": sentence(problem) if problem else "", "id_before": new_jobs.earlier(house, job_id)}


def _drawn(house: House, template: Template, values: dict[str, str], params: dict[str, str]) -> dict[str, Any]:
    """The code and the manifest's lines, as far as what is filled in lets them be said."""
    try:
        planned: Planned | None = new_jobs.draw(house, _wanted(template, values, params))
        lacking = ""
    except Invalid as error:
        planned, lacking = None, "; ".join(str(each["message"]) for each in error.facts.get("errors", []))
    return {
        "planned": planned,
        "lacking": sentence(lacking) if lacking else "",
        "code": source.lines(planned.code if planned else job_templates.code(template.name)),
        "added": source.lines(f"{planned.lines.imports}\n{planned.lines.call}") if planned else [],
    }


def _free(house: House, job_id: str) -> str:
    """The template's own id, or the first of its kind that nobody has."""
    candidates = (job_id, *(f"{job_id}-{number}" for number in range(2, 100)))
    return next((each for each in candidates if not new_jobs.id_problem(house, each)), job_id)

"""New jobs from templates: one verb for page, API and command. The file and its registration are one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from longhouse import edits, job_templates
from longhouse.edits import Edit, EditConflict
from longhouse.errors import Conflict, Invalid
from longhouse.house import By, House
from longhouse.job_templates import Template
from longhouse.repo import names, registering
from longhouse.repo.registering import CannotRegister, Registered
from longhouse.store import jobs as rows
from longhouse.triggers.preview import BadSchedule, preview
from zerg.jobs.settings import CHECKS
from zerg.parameters import BadParameters, coerce

MANIFEST = "manifest.py"
TRIES = 3


class NotRegistered(Conflict):
    """The manifest is written so that a job cannot be added to it here; `lines` is what to paste, `code` the file."""

    code = "repo.not_registered"


@dataclass(frozen=True)
class Wanted:
    """What somebody asked for, not yet checked."""

    template: str
    id: str
    description: str = ""
    cron: str = ""
    every: str = ""
    timezone: str = ""
    """Empty: the instance's, and the manifest says none."""
    params: Mapping[str, Any] = field(default_factory=dict)
    text: bool = False
    """The params come from a form or a command line."""
    enabled: bool = True


@dataclass(frozen=True)
class Planned:
    template: Template
    id: str
    path: str
    code: str
    lines: Registered
    """What goes into the manifest."""


@dataclass(frozen=True)
class Created:
    planned: Planned
    edit: Edit


def id_problem(house: House, job_id: str) -> str:
    """Why a new job cannot have this id, in a sentence; empty if it can."""
    if problem := CHECKS["id"](job_id):
        return f"the id {problem}"
    with house.db.read() as db:
        if rows.get(db, job_id) is not None:
            return f"there is a job {job_id} already"
    path = _path(job_id)
    return f"there is a file {path} already" if edits.read(house, path)[0] is not None else ""


def earlier(house: House, job_id: str) -> bool:
    """Whether runs of a job of this id are remembered, which is no longer there."""
    with house.db.read() as db:
        return rows.get(db, job_id) is None and rows.get(db, job_id, removed=True) is not None


def draw(house: House, wanted: Wanted) -> Planned:
    """The file and the lines of the manifest, whatever else is in the manifest. Raises Invalid naming each field."""
    template = job_templates.find(wanted.template)
    settings = _settings(house, template, wanted)
    return _planned(template, wanted, registering.lines_of(wanted.id, settings))


def create(house: House, wanted: Wanted, by: By, *, dry_run: bool = False) -> Created:
    """As one commit, loaded and scheduled. Raises Invalid, Conflict, NotRegistered, and what an edit raises."""
    template = job_templates.find(wanted.template)
    settings = _settings(house, template, wanted)
    for left in reversed(range(TRIES)):
        data, blob = edits.read(house, MANIFEST)
        text = names.require_text(MANIFEST, data or b"")
        try:
            lines = registering.register(text, wanted.id, settings)
        except CannotRegister as error:
            raise _refused(house, wanted, str(error)) from error
        planned = _planned(template, wanted, lines)
        writes: dict[str, bytes | None] = {MANIFEST: lines.text.encode(), planned.path: planned.code.encode()}
        expected = {MANIFEST: blob or None, planned.path: None}
        message = f"Add job {wanted.id}, from the template {template.title}"
        try:
            tried = edits.change(house, by, writes, expected=expected, message=message, dry_run=True)
            if wanted.id not in tried.added:
                raise _refused(house, wanted, "manifest.py ends before it comes to what is added at its end")
            if dry_run:
                return Created(planned, tried)
            return Created(planned, edits.change(house, by, writes, expected=expected, message=message))
        except EditConflict as error:
            if not left or any(each["path"] != MANIFEST for each in error.facts["conflicts"]):
                raise
    raise AssertionError("the last try returns or raises")


def _refused(house: House, wanted: Wanted, why: str) -> NotRegistered:
    planned = draw(house, wanted)
    return NotRegistered(
        f"the job is not added: {why}",
        hint=f"Save the file as {planned.path} and put the lines into manifest.py yourself.",
        lines=f"{planned.lines.imports}\n{planned.lines.call}",
        path=planned.path,
        file=planned.code,
    )


def _planned(template: Template, wanted: Wanted, lines: Registered) -> Planned:
    code = job_templates.code(template.name)
    said = wanted.description.strip()
    if template.name == "empty" and said and said.isprintable() and not set(said) & {'"', "\\"}:
        code = code.replace("What this job is for, in one sentence.", said, 1)
    return Planned(template, wanted.id, _path(wanted.id), code, lines)


def _path(job_id: str) -> str:
    return f"jobs/{registering.module_of(job_id)}.py"


def _settings(house: House, template: Template, wanted: Wanted) -> dict[str, Any]:
    """The JobConfig but for id and function. Raises Invalid with every problem."""
    problems: dict[str, str] = {}
    if problem := id_problem(house, wanted.id):
        problems["id"] = problem
    if said := CHECKS["description"](wanted.description):
        problems["description"] = f"the description {said}"
    every = None
    try:
        every = preview(wanted.cron, wanted.every, wanted.timezone or house.zone, house.clock.now(), 1).every
    except BadSchedule as error:
        problems[error.field] = str(error)
    params: dict[str, Any] = {}
    try:
        needed = {each.name for each in template.parameters if each.required}
        given = {name: value for name, value in wanted.params.items() if value != "" or name not in needed}
        params = coerce(template.parameters, given, text=wanted.text)
    except BadParameters as error:
        problems |= {f"params/{name}": text for name, text in error.problems.items()}
    if problems:
        raise Invalid(
            "the job cannot be made as it is described: " + "; ".join(problems.values()),
            errors=[{"pointer": f"/{name}", "message": text} for name, text in problems.items()],
        )
    defaults = {each.name: each.default for each in template.parameters}
    params = {name: value for name, value in params.items() if value != defaults[name]}
    secrets = tuple(each.key if each.required else {"key": each.key, "required": False} for each in template.secrets)
    return {
        "cron": wanted.cron.strip() or None,
        "every": every,
        "timezone": wanted.timezone or None,
        "description": wanted.description.strip() or None,
        "enabled": None if wanted.enabled else False,
        "params": params or None,
        "secrets": secrets or None,
        **template.settings,
    }

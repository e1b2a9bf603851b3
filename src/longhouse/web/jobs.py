"""The Jobs page: which jobs somebody looks for, in groups if wanted; and the switch of each job."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from starlette.datastructures import FormData

from longhouse import finding, jobs
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.finding import Looked
from longhouse.house import House
from longhouse.jobs import STRIP
from longhouse.web import forms
from longhouse.web.form_data import TheForm, back_to_job
from longhouse.web.page import acted, page, pages, part, standing
from longhouse.web.times import absolute

router = pages()

ROWS = 30
"""With a strip of sixty runs each, and all that a page loads, they stay well below 150 kB."""
READ_RUNS = [Depends(needs("jobs:read")), Depends(needs("runs:read"))]
WRITE = [Depends(needs("jobs:write"))]

SHOWS = (
    ("", "All"),
    ("on", "On"),
    ("off", "Off"),
    ("paused", "Paused"),
    ("failing", "Failing"),
    ("never", "Never ran"),
)
GROUPS = (("", "No groups"), ("project", "By project"), ("tag", "By tag"))

Text = Annotated[str, Query(max_length=200)]


@router.get("/jobs", dependencies=READ_RUNS)
def jobs_page(
    request: Request,
    house: TheHouse,
    q: Text = "",
    show: Literal["", "on", "off", "paused", "failing", "never"] = "",
    project: Text = "",
    tag: Text = "",
    group: Literal["", "project", "tag"] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
    part_of: Annotated[str, Query(alias="part")] = "",
) -> Response:
    if part_of == "pausing":
        return part(request, "parts/pausing.html", **standing(house))
    looked = Looked(text=q.strip(), show=show, project=project, tag=tag)
    found = finding.find(house, looked, group=group, page=number, limit=ROWS)
    shown: dict[str, Any] = {
        "found": found,
        "looked": looked,
        "kept": looked_for(looked),
        "group": group,
        "number": number,
        "address": lambda **parts: address("/jobs", looked_for(looked), group=group, **parts),
        "room": STRIP,
        "asks": forms.asks,
        "at_text": lambda ms, zone: absolute(ms, zone or house.zone, house.clock.now()),
        "shows": SHOWS,
        "group_names": GROUPS,
    }
    return part(request, "parts/jobs.html", **shown) if part_of else page(request, "jobs.html", **shown)


def looked_for(looked: Looked) -> dict[str, str]:
    return {"q": looked.text, "show": looked.show, "project": looked.project, "tag": looked.tag}


def address(path: str, kept: dict[str, Any], **parts: object) -> str:
    """`path` with what is looked for in its query, and what is not empty of `parts`."""
    query = urlencode([(name, value) for name, value in {**kept, **parts}.items() if value])
    return f"{path}?{query}" if query else path


@router.post("/jobs/{job_id}/enable", dependencies=WRITE)
def enable(request: Request, job_id: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    return _switched(request, house, caller, job_id, True, form)


@router.post("/jobs/{job_id}/disable", dependencies=WRITE)
def disable(request: Request, job_id: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    return _switched(request, house, caller, job_id, False, form)


def _switched(
    request: Request, house: House, caller: TheCaller, job_id: str, enabled: bool, form: FormData
) -> Response:
    def act() -> str:
        jobs.set_enabled(house, job_id, enabled, caller.by)
        said = "is enabled: it runs when it is due." if enabled else "is disabled: it will not run by itself."
        return f"{job_id} {said}"

    return acted(request, act, back_to_job(job_id, form))

"""One act on many jobs or runs: first what will happen to how many, then, confirmed, what happened to each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastapi import Depends, Request, Response
from starlette.datastructures import FormData

from longhouse import bulk, finding
from longhouse.bulk import Outcome
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import Invalid, LonghouseError
from longhouse.finding import SHOWS, Looked
from longhouse.house import House
from longhouse.web.form_data import TheForm, wants_toast
from longhouse.web.page import page, pages, part, sentence
from longhouse.web.runs import fields_of

router = pages()

LISTED = 12
"""Of those it is about, on the question."""
REFUSED = 100
"""Refusals that are shown."""


@dataclass(frozen=True)
class Act:
    verb: str
    done: str
    """After a number: `3 jobs …`."""
    means: str
    danger: bool = False


JOB_ACTS = {
    "enable": Act("Enable", "enabled", "They run again when they are due. This is committed to jobs.toml."),
    "disable": Act(
        "Disable", "disabled", "They do not run by themselves any more; runs that have begun go on. This is committed.",
        danger=True,
    ),
    "pause": Act("Pause", "paused", "What is due meanwhile is skipped, until somebody resumes. Runs go on."),
    "resume": Act("Resume", "resumed", "Their own pauses end. Nothing is made up for."),
    "run": Act("Run", "started", "Each starts as soon as there is a slot, with the parameters of the manifest."),
}  # fmt: skip
RUN_ACTS = {
    "cancel": Act("Cancel", "asked to stop", "What waits is cancelled; what runs is stopped with its processes.", True),
    "rerun": Act("Rerun", "started again", "With the same parameters and the code that they ran."),
    "rerun-latest": Act("Rerun", "started again", "With the same parameters and the latest code."),
}
WAITS = " Several runs of one job wait for each other."


@router.post("/jobs/bulk", dependencies=[Depends(needs("jobs:write")), Depends(needs("runs:write"))])
def bulk_jobs(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    do = str(form.get("do", ""))
    if do not in JOB_ACTS:
        raise Invalid(f"{do!r} is nothing that can be done to jobs")

    def act(ids: list[str]) -> list[Outcome]:
        return bulk.run_jobs(house, ids, caller.by) if do == "run" else bulk.set_jobs(house, do, ids, caller.by)

    return _answer(request, form, "job", do, JOB_ACTS[do], act, lambda: _jobs(house, form))


@router.post("/runs/bulk", dependencies=[Depends(needs("runs:write")), Depends(needs("runs:read"))])
def bulk_runs(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    do = str(form.get("do", ""))
    if do not in RUN_ACTS:
        raise Invalid(f"{do!r} is nothing that can be done to runs")

    def act(ids: list[str]) -> list[Outcome]:
        numbers = [int(each) for each in ids]
        if do == "cancel":
            return bulk.cancel_runs(house, numbers, caller.by)
        return bulk.rerun(house, numbers, caller.by, same_commit=do == "rerun")

    found = RUN_ACTS[do]
    shown = found if do == "cancel" else replace(found, means=found.means + WAITS)
    return _answer(request, form, "run", do, shown, act, lambda: _runs(house, form, do))


def _answer(request: Request, form: FormData, noun: str, do: str, act: Act, do_it: Any, fitting: Any) -> Response:
    """The question, or with `confirm` what came of it; a part of a page for our script."""
    back = "/jobs" if noun == "job" else back_to_runs(form)
    shown: dict[str, Any] = {"noun": noun, "act": act, "do": do, "back": back, "problem": ""}
    try:
        ids = ticked(form, noun) if form.get("confirm") or not form.get("all") else fitting()
        if form.get("confirm"):
            shown |= _told(do_it(ids))
            template = "bulk_done"
        else:
            shown |= {"ids": ids, "listed": ids[:LISTED]}
            template = "bulk_ask"
    except LonghouseError as error:
        shown |= {"ids": [], "listed": [], "problem": f"{sentence(error.message)} {error.hint}"}
        template = "bulk_ask"
    if wants_toast(request):
        return part(request, f"parts/{template}.html", **shown)
    return page(request, "bulk.html", inner=f"parts/{template}.html", **shown)


def _told(outcomes: list[Outcome]) -> dict[str, Any]:
    refused = [each for each in outcomes if each.error is not None]
    changed = sum(each.changed for each in outcomes)
    return {
        "changed": changed,
        "same": len(outcomes) - changed - len(refused),
        "refused": len(refused),
        "refusals": refused[:REFUSED],
    }


def ticked(form: FormData, noun: str) -> list[str]:
    """Ticked boxes, or what was asked about. Raises Invalid for a run that is no number."""
    found = str(form.get("ids", "")).split() or [str(each) for each in form.getlist(noun)]
    if noun == "run" and not all(each.isascii() and each.isdigit() and len(each) < 16 for each in found):
        raise Invalid("a run has a number")
    return list(dict.fromkeys(found))


def _jobs(house: House, form: FormData) -> list[str]:
    show = str(form.get("show", ""))
    looked = Looked(
        text=str(form.get("q", "")).strip(),
        show=show if show in SHOWS else "",
        project=str(form.get("project", "")),
        tag=str(form.get("tag", "")),
    )
    return bulk.matching_jobs(house, looked)


def _runs(house: House, form: FormData, do: str) -> list[str]:
    given = {name: str(value) for name, value in form.items() if isinstance(value, str)}
    wanted = finding.runs_wanted(house, **fields_of(given))
    return [str(each) for each in bulk.matching_runs(house, do, wanted)]


def back_to_runs(form: FormData) -> str:
    fingerprint = str(form.get("fingerprint", ""))
    return f"/errors/{fingerprint}" if len(fingerprint) == 16 and fingerprint.isalnum() else "/runs"

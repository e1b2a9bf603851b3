"""Deleting runs: first how many and what goes with them, then, confirmed, what came of it."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Request, Response
from starlette.datastructures import FormData

from longhouse import deletions, finding
from longhouse.clock import iso
from longhouse.deletions import Plan
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import LonghouseError
from longhouse.house import House
from longhouse.store.run_search import Wanted
from longhouse.web.bulk import LISTED, back_to_runs, ticked
from longhouse.web.form_data import TheForm, wants_toast
from longhouse.web.page import page, pages, part, sentence
from longhouse.web.runs import FIELDS, fields_of, number

router = pages()


@router.post("/runs/delete", dependencies=[Depends(needs("admin"))])
def delete_runs(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    shown: dict[str, Any] = {"back": back_to_runs(form), "problem": ""}
    template = "delete_ask"
    try:
        confirmed = number(form.get("confirm"), "confirm")
        plan = _plan(house, form)
        if confirmed is None:
            shown |= {"plan": plan, "listed": deletions.first(house, plan, LISTED), "asked": _asked(form, plan)}
        else:
            shown["found"] = deletions.carry_out(house, plan, caller.by, confirm=confirmed)
            template = "delete_done"
    except LonghouseError as error:
        shown["problem"] = f"{sentence(error.message)} {error.hint}"
    if wants_toast(request):
        return part(request, f"parts/{template}.html", **shown)
    return page(request, "delete.html", inner=f"parts/{template}.html", **shown)


def _plan(house: House, form: FormData) -> Plan:
    if not form.get("all"):
        return deletions.named(house, [int(each) for each in ticked(form, "run")])
    given = {name: str(value) for name, value in form.items() if isinstance(value, str)}
    wanted = finding.runs_wanted(house, **fields_of(given))
    return deletions.matching(house, wanted, ended_by=number(given.get("ended_by"), "ended_by"))


def _asked(form: FormData, plan: Plan) -> dict[str, str]:
    """The same runs once more, as the fields of a form: times that were given as distances stand still."""
    wanted = plan.doomed.matching
    if wanted is None:
        return {"ids": " ".join(str(each) for each in plan.doomed.ids)}
    kept = {name: str(form.get(name, "")) for name in FIELDS}
    return {
        "all": "1",
        **{name: value for name, value in kept.items() if value},
        **_times(wanted),
        "ended_by": str(wanted.ended_by),
    }


def _times(wanted: Wanted) -> dict[str, str]:
    return {name: iso(at) for name in ("since", "until") if (at := getattr(wanted, name)) is not None}

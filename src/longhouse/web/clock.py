"""The buttons of the banner that says that the clock was set forward."""

from __future__ import annotations

from fastapi import Depends, Request, Response

from longhouse import held
from longhouse.doors import TheCaller, TheHouse, needs, safe_next
from longhouse.web.form_data import TheForm
from longhouse.web.page import acted, pages

router = pages()


@router.post("/clock", dependencies=[Depends(needs("jobs:write"))])
def decide(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    def act() -> str:
        if form.get("act") == "accept":
            found = held.accept(house, caller.by)
            return f"{found.due_times} due times are caught up with by {found.runs} runs."
        return f"{held.leave(house, caller.by).left} due times stay held; no run is started for them."

    return acted(request, act, safe_next(str(form.get("back", "/jobs"))))

"""The buttons of the banner that says that the clock was set forward."""

from __future__ import annotations

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import held
from longhouse.doors import TheCaller, TheHouse, needs, safe_next
from longhouse.errors import LonghouseError
from longhouse.web.form_data import TheForm, wants_toast
from longhouse.web.page import pages, toast

router = pages()


@router.post("/clock", dependencies=[Depends(needs("jobs:write"))])
def decide(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    quiet = wants_toast(request)
    try:
        if form.get("act") == "accept":
            found = held.accept(house, caller.by)
            said = f"{found.due_times} due times are caught up with by {found.runs} runs."
        else:
            found = held.leave(house, caller.by)
            said = f"{found.left} due times stay held; no run is started for them."
    except LonghouseError as error:
        if not quiet:
            raise
        return toast(request, error=error)
    return toast(request, said) if quiet else RedirectResponse(safe_next(str(form.get("back", "/jobs"))), 303)

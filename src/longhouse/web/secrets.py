"""The Secrets page: what is stored, what is missing, and a form that only goes one way."""

from __future__ import annotations

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import secrets
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import Invalid
from longhouse.house import House
from longhouse.vault import Secret
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages, sentence

router = pages()

WRITE = [Depends(needs("secrets:write"))]


@router.get("/secrets", dependencies=WRITE)
def secrets_page(request: Request, house: TheHouse, name: str = "") -> Response:
    return _page(request, house, name=name[:100])


@router.post("/secrets", dependencies=WRITE)
def set_secret(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    name, value = str(form.get("name", "")).strip(), str(form.get("value", "")).replace("\r\n", "\n")
    try:
        secrets.put(house, name, Secret(value), caller.by)
    except Invalid as error:
        problem = " ".join(filter(None, (sentence(error.message), error.hint)))
        return _page(request, house, name=name, problem=problem, status=422)
    return RedirectResponse("/secrets", 303)


@router.post("/secrets/{name}/remove", dependencies=WRITE)
def remove_secret(name: str, house: TheHouse, caller: TheCaller) -> Response:
    secrets.remove(house, name, caller.by)
    return RedirectResponse("/secrets", 303)


def _page(request: Request, house: House, *, name: str, problem: str = "", status: int = 200) -> Response:
    items = secrets.list_secrets(house)
    return page(request, "secrets.html", status=status, items=items, name=name, problem=problem)

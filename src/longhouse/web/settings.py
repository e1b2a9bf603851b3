"""What the instance was told to be like, what of it can be changed, and the password."""

from __future__ import annotations

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import accounts, passwords, settings
from longhouse.doors import TheCaller, TheHouse, needs, peer_of, set_session
from longhouse.errors import Conflict, Invalid, LonghouseError, TooMany
from longhouse.house import House
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages, sentence

router = pages()

ADMIN = [Depends(needs("admin"))]
DONE = {"settings": "The settings are stored and count from now on.", "password": "The password is set."}


@router.get("/settings", dependencies=ADMIN)
def settings_page(request: Request, house: TheHouse, done: str = "") -> Response:
    return _settings(request, house, done=DONE.get(done, ""))


@router.post("/settings", dependencies=ADMIN)
def change_settings(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    """Only what differs is stored: a default that was left alone stays a default."""
    given = {name: str(form[name]).strip() for name in settings.LIVE if name in form}
    standing = {each.name: each for each in settings.list_settings(house)}
    wanted = {
        name: _wanted(text) for name, text in given.items() if name in standing and text != _text(standing[name].value)
    }
    try:
        settings.change(house, wanted, caller.by)
    except (Invalid, Conflict) as error:
        return _settings(request, house, given=given, error=error)
    return RedirectResponse("/settings?done=settings", 303)


def _wanted(text: str) -> int | str | None:
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return text or None


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _settings(
    request: Request,
    house: House,
    *,
    given: dict[str, str] | None = None,
    error: LonghouseError | None = None,
    done: str = "",
) -> Response:
    found = settings.list_settings(house)
    return page(
        request,
        "settings.html",
        status=422 if error else 200,
        live=[each for each in found if each.live],
        rest=[each for each in found if not each.live],
        given=given or {},
        wrong={each["pointer"][1:]: each["message"] for each in error.facts.get("errors", [])} if error else {},
        problem=error,
        done=done,
        about=settings.about(house),
        has_password=accounts.has_password(house),
        sessions=len(accounts.list_sessions(house)),
    )


@router.get("/settings/password", dependencies=ADMIN)
def password_page(request: Request, house: TheHouse) -> Response:
    return _password(request, house)


@router.post("/settings/password", dependencies=ADMIN)
def set_password(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    """Every session ends; this browser gets a new one."""
    new, peer = str(form.get("password", "")), peer_of(request.scope)
    try:
        if new != str(form.get("again", "")):
            message = "the two are not the same"
            raise Invalid(message, errors=[{"pointer": "/again", "message": message}])
        agent = request.headers.get("user-agent", "") if caller.kind == "session" else None
        session = accounts.change_password(house, str(form.get("current", "")), new, peer, caller.by, agent=agent)
    except (Invalid, TooMany) as error:
        return _password(request, house, error)
    response = RedirectResponse("/settings?done=password", 303)
    if session is not None:
        set_session(response, request, session)
    return response


def _password(request: Request, house: House, error: LonghouseError | None = None) -> Response:
    wrong = {each["pointer"][1:]: sentence(each["message"]) for each in error.facts.get("errors", [])} if error else {}
    return page(
        request,
        "password.html",
        status=200 if error is None else 429 if isinstance(error, TooMany) else 422,
        wrong=wrong,
        problem=sentence(error.message) if error and not wrong else "",
        has_password=accounts.has_password(house),
        least=passwords.LEAST,
    )

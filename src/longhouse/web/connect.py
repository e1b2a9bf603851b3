"""Connect GitHub: three ways to a token, one way to choose a repository, and the settings of the connection.

No page carries a token: what was verified waits in the database until it is saved.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from longhouse.doors import Caller, TheCaller, TheHouse, needs
from longhouse.doors.problems import KINDS
from longhouse.errors import Invalid, LonghouseError
from longhouse.house import By, House
from longhouse.repo import connecting, github_account, github_device, github_web, remote, sync
from longhouse.repo.github import Repository
from longhouse.vault import Secret
from longhouse.web.form_data import TheForm
from longhouse.web.page import outside, page, pages, part

router = pages()
callback = pages()
"""Open to strangers: its state says whose it is, and nobody's code gets into the address of a login."""

SYNC = [Depends(needs("repo:sync"))]
PULLS = {
    "": "only when asked",
    "5": "every 5 minutes",
    "15": "every 15 minutes",
    "60": "every hour",
    "1440": "every day",
}
"""Of the field `pull_minutes`."""

STRANGER = By("stranger", "web")

Part = Annotated[str, Query(alias="part", max_length=20)]


@router.get("/connect", dependencies=SYNC)
def connect_page(request: Request, house: TheHouse, part_of: Part = "") -> Response:
    if part_of == "signing":
        return part(request, "parts/signing.html", **_signing(house))
    if part_of == "connection":
        return part(request, "parts/connection.html", **_connection(house))
    return _page(request, house)


@router.post("/connect/verify", dependencies=SYNC)
def verify(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    where, token = _text(form, "url"), Secret(str(form.get("token", "")).strip())
    try:
        connecting.verify(house, where, token, caller.by)
    except LonghouseError as error:
        url = "" if token.reveal() and token.reveal() in where else where[:500]
        return _page(request, house, error, url=url)
    return RedirectResponse("/connect#verified", 303)


@router.post("/connect/save", dependencies=SYNC)
def save(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    try:
        connecting.save(house, caller.by, **_settings(form))
    except LonghouseError as error:
        return _page(request, house, error)
    return _synced(house, caller.by)


@router.post("/connect/settings", dependencies=SYNC)
def change(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    try:
        connecting.change(house, caller.by, **_settings(form))
    except LonghouseError as error:
        return _page(request, house, error)
    return RedirectResponse("/connect", 303)


@router.post("/connect/sync", dependencies=SYNC)
def sync_now(house: TheHouse, caller: TheCaller) -> Response:
    return _synced(house, caller.by)


@router.post("/connect/forget", dependencies=SYNC)
def forget_verified(house: TheHouse) -> Response:
    connecting.drop(house)
    return RedirectResponse("/connect", 303)


@router.post("/connect/disconnect", dependencies=SYNC)
def disconnect(house: TheHouse, caller: TheCaller) -> Response:
    connecting.disconnect(house, caller.by)
    return RedirectResponse("/connect", 303)


# --- signing in -----------------------------------------------------------------------------------------------------


@router.post("/connect/code", dependencies=SYNC)
def begin_code(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    try:
        github_device.begin(house, caller.by, _text(form, "client_id"))
    except LonghouseError as error:
        return _page(request, house, error)
    return RedirectResponse("/connect/code", 303)


@router.get("/connect/code", dependencies=SYNC)
def code_page(request: Request, house: TheHouse) -> Response:
    return page(request, "connect_code.html", **_signing(house))


@router.post("/connect/code/cancel", dependencies=SYNC)
def cancel_code(house: TheHouse) -> Response:
    github_device.cancel(house)
    return RedirectResponse("/connect", 303)


@router.post("/connect/github", dependencies=SYNC)
def begin_web(request: Request, house: TheHouse, caller: TheCaller) -> Response:
    """A page with a link, and no redirection: a form of ours may lead to nobody else's pages."""
    try:
        address = github_web.begin(house, caller.key, str(request.base_url), caller.by)
    except LonghouseError as error:
        return _page(request, house, error)
    return page(request, "connect_github.html", address=address, host=house.outward.github_host)


@callback.get(github_web.CALLBACK)
def come_back(
    request: Request,
    house: TheHouse,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=500)] = "",
    error: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    caller: Caller | None = getattr(request.state, "caller", None)
    by = STRANGER if caller is None else caller.by
    try:
        github_web.finish(house, None if caller is None else caller.key, state, code, error, by)
    except LonghouseError as failure:
        if caller is not None:
            return _page(request, house, failure)
        problem = {"title": "Sign in first", "status": 403, "detail": failure.message, "hint": failure.hint}
        shown = {**problem, "errors": [], "request_id": "", "run": None}
        return outside(request, "problem.html", status=403, problem=shown, back="")
    return RedirectResponse("/connect/repositories", 303)


@router.post("/connect/sign-out", dependencies=SYNC)
def sign_out(house: TheHouse, caller: TheCaller) -> Response:
    github_account.forget(house, caller.by)
    return RedirectResponse("/connect", 303)


# --- choosing -------------------------------------------------------------------------------------------------------


@router.get("/connect/repositories", dependencies=SYNC)
def repositories_page(
    request: Request,
    house: TheHouse,
    q: Annotated[str, Query(max_length=100)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=1000)] = 1,
) -> Response:
    return _picker(request, house, q.strip(), number)


@router.post("/connect/repositories", dependencies=SYNC)
def choose(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    try:
        connecting.choose(house, _text(form, "full_name"), caller.by)
    except LonghouseError as error:
        return _picker(request, house, "", 1, error)
    return RedirectResponse("/connect#verified", 303)


@router.post("/connect/repositories/new", dependencies=SYNC)
def make(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    try:
        connecting.make(house, _text(form, "name"), caller.by)
    except LonghouseError as error:
        return _picker(request, house, "", 1, error)
    return RedirectResponse("/connect#verified", 303)


def _picker(request: Request, house: House, query: str, number: int, problem: LonghouseError | None = None) -> Response:
    items: list[Repository] = []
    more = False
    try:
        items, more = connecting.repositories(house, number, query)
    except LonghouseError as error:
        problem = problem or error
    slug = house.outward.app_slug
    return page(
        request,
        "connect_repositories.html",
        status=_status(problem),
        problem=problem,
        account=github_account.get(house),
        items=items,
        more=more,
        query=query,
        number=number,
        install=f"{house.outward.github_url}/apps/{slug}/installations/new" if slug else "",
    )


# --- the page -------------------------------------------------------------------------------------------------------


def _page(request: Request, house: House, problem: LonghouseError | None = None, *, url: str = "") -> Response:
    return page(
        request,
        "connect.html",
        status=_status(problem),
        problem=problem,
        url=url,
        verified=connecting.candidate(house),
        client_id=github_device.client_id(house),
        from_settings=bool(house.outward.client_id),
        back_here=github_web.possible(house),
        host=house.outward.github_host,
        pulls=PULLS,
        **_signing(house),
        **_connection(house),
    )


def _signing(house: House) -> dict[str, Any]:
    return {"account": github_account.get(house), "device": github_device.get(house)}


def _connection(house: House) -> dict[str, Any]:
    return {"remote": remote.get(house), "synced": sync.state(house), "lost": _lost(house)}


def _lost(house: House) -> bool:
    """The sign-in has to be made again before the remote can be reached."""
    now = remote.get(house)
    account = github_account.get(house)
    return now is not None and now.kind == github_account.KIND and (account is None or bool(account.lost))


def _synced(house: House, by: By) -> Response:
    """What goes wrong is in the state, which the page shows."""
    try:
        sync.sync(house, by)
    except (remote.NotConnected, sync.Busy):
        raise
    except LonghouseError:
        pass
    return RedirectResponse("/connect", 303)


def _status(problem: LonghouseError | None) -> int:
    return 200 if problem is None else KINDS[problem.kind].status


def _settings(form: FormData) -> dict[str, Any]:
    """Raises Invalid."""
    minutes = _text(form, "pull_minutes")
    if minutes and not (minutes.isascii() and minutes.isdigit() and len(minutes) <= 5):
        raise Invalid(f"{minutes[:20]!r} is no number of minutes")
    return {
        "branch": _text(form, "branch"),
        "auto_push": "auto_push" in form,
        "pull_minutes": int(minutes) if minutes else None,
    }


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()

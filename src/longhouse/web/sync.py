"""What came of the last sync, and the choices when two histories have gone apart or something waits for a yes."""

from __future__ import annotations

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import Conflict, Invalid, LonghouseError
from longhouse.house import House
from longhouse.repo import divergence, remote, sync
from longhouse.repo.github_refusals import GitHubFailed
from longhouse.repo.refusals import SyncFailed
from longhouse.repo.sync_state import CHOICES
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages

router = pages()

READ = [Depends(needs("jobs:read"))]
SYNC = [Depends(needs("repo:sync"))]
FILES = "file."
SIDES = {"ours": "as it is here", "theirs": "as it is on the remote", "merged": "as below"}


@router.post("/repo/sync", dependencies=SYNC)
def sync_now(house: TheHouse, caller: TheCaller) -> Response:
    """What the remote refuses is in the state, which the page shows."""
    try:
        sync.sync(house, caller.by)
    except (SyncFailed, GitHubFailed):
        pass
    return RedirectResponse("/repo", 303)


@router.get("/repo/diverged", dependencies=READ)
def diverged_page(request: Request, house: TheHouse) -> Response:
    return _page(request, house)


@router.post("/repo/resolve", dependencies=SYNC)
def resolve(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    choice, seen = str(form.get("choice", "")), str(form.get("incoming", "")) or None
    try:
        found = sync.conflicts(house) if choice == "merge" else ()
        files = {each.path: _chosen(form, number, each) for number, each in enumerate(found)}
        sync.resolve(house, caller.by, choice, seen=seen, files=files, anyway="anyway" in form)
    except (SyncFailed, Conflict) as error:
        if sync.state(house).state == "diverged":
            return _page(request, house, error, form)
        if not isinstance(error, SyncFailed):
            raise
    return RedirectResponse("/repo", 303)


def _chosen(form: FormData, number: int, found: divergence.Conflict) -> str | None:
    """What the form says a file shall be; None: it goes away."""
    side = str(form.get(f"{FILES}{number}.side", ""))
    if form.get(f"{FILES}{number}.path") != found.path or side not in SIDES:
        raise Invalid(f"nothing is said about {found.path}", hint="Look at the files again, and choose for each.")
    if side == "ours":
        return found.ours
    return found.theirs if side == "theirs" else str(form.get(f"{FILES}{number}.text", "")).replace("\r\n", "\n")


def _page(
    request: Request, house: House, problem: LonghouseError | None = None, form: FormData | None = None
) -> Response:
    state = sync.state(house)
    files = sync.conflicts(house) if state.state == "diverged" else ()
    typed = [str(form.get(f"{FILES}{n}.text", each.merged)) if form else each.merged for n, each in enumerate(files)]
    shown = {"remote": remote.get(house), "sync": state, "files": list(zip(files, typed, strict=True)), "sides": SIDES}
    status = 200 if problem is None else 409
    return page(request, "diverged.html", status=status, problem=problem, choices=CHOICES, **shown)

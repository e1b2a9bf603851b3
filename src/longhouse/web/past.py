"""Pages of the past: two versions beside each other, who wrote a line, a file as it was, the way back."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import RedirectResponse

from longhouse import restoring
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.edits import RemovalUnconfirmed
from longhouse.errors import LonghouseError, NotFound
from longhouse.house import By, House
from longhouse.repo import past
from longhouse.repo.history import Compared
from longhouse.web import diff, source
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages, part, sentence

router = pages()

READ = [Depends(needs("jobs:read"))]
WRITE = [Depends(needs("jobs:write"))]
RUNS = [Depends(needs("runs:read")), Depends(needs("jobs:read"))]

Commitish = Annotated[str, Query(max_length=64, pattern="^[0-9a-f]{4,64}$")]
MaybeCommit = Annotated[str, Query(max_length=64, pattern="^(?:[0-9a-f]{4,64})?$")]
OnePath = Annotated[str, Query(max_length=1000)]
View = Annotated[str, Query(max_length=10)]


@router.get("/repo/diff", dependencies=READ)
def diff_page(
    request: Request,
    house: TheHouse,
    older: Annotated[str, Query(alias="from", max_length=64, pattern="^[0-9a-f]{4,64}$")],
    to: MaybeCommit = "",
    path: OnePath = "",
    view: View = "",
) -> Response:
    found = past.compare(house, older, to or None, path or None)
    named = {"from": found.old, "to": found.new or "", "path": path}
    views = {name: f"/repo/diff?{urlencode({**named, 'view': name})}" for name in ("lines", "sides")}
    swapped = f"/repo/diff?{urlencode({'from': found.new, 'to': found.old, 'path': path})}" if found.new else ""
    return page(request, "diff.html", **compared(found), view=view, views=views, swapped=swapped, path_of=path)


def compared(found: Compared) -> dict[str, Any]:
    """What the list of changed files needs."""
    files, long = diff.files(found.diff)
    return {
        "old": found.old,
        "new": found.new,
        "changes": found.changes,
        "files": files,
        "cut": found.cut or long,
        "sides": diff.sides,
    }


@router.get("/repo/blame/{path:path}", dependencies=READ)
def blame_page(request: Request, path: str, house: TheHouse, commit: MaybeCommit = "") -> Response:
    found = past.blame(house, path, commit or None)
    code = source.lines("\n".join(text for _, text in found.lines))
    rows = []
    before = ""
    for (each, _), text in zip(found.lines, code, strict=False):
        rows.append((found.commits[each] if each != before else None, text))
        before = each
    return page(request, "blame.html", path_of=path, commit=found.commit, rows=rows)


@router.get("/repo/commits/{sha}/files/{path:path}", dependencies=READ)
def old_file_page(request: Request, sha: str, path: str, house: TheHouse) -> Response:
    commit, data = past.file_at(house, sha, path)
    code = source.lines(data.decode("utf-8", "replace"))
    return page(request, "old_file.html", commit=commit, path_of=path, code=code, text=b"\0" not in data)


@router.get("/repo/restore", dependencies=WRITE)
def restore_page(request: Request, house: TheHouse, commit: Commitish, path: OnePath = "") -> Response:
    """What would change, and the button: nothing happens before it is pressed."""
    return _restore_page(request, house, commit, path)


def _restore_page(
    request: Request, house: House, commit: str, path: str, *, error: LonghouseError | None = None
) -> Response:
    found = restoring.preview(house, commit, path or None)
    problem = "" if error is None else " ".join(filter(None, (sentence(error.message), error.hint)))
    return page(
        request,
        "restore.html",
        status=200 if error is None else 409,
        **compared(found),
        view="",
        path_of=path,
        problem=problem,
        confirm=isinstance(error, RemovalUnconfirmed),
    )


@router.post("/repo/restore", dependencies=WRITE)
def restore(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    commit, path = str(form.get("commit", "")), str(form.get("path", ""))
    try:
        made = _restored(house, caller.by, commit, path, confirmed=form.get("confirm") == "yes")
    except NotFound:
        raise
    except LonghouseError as error:
        return _restore_page(request, house, commit, path, error=error)
    return RedirectResponse(f"/repo/commits/{made.commit}" if made.commit else "/repo", 303)


def _restored(house: House, by: By, commit: str, path: str, *, confirmed: bool) -> restoring.Restored:
    return restoring.restore(house, by, commit, path or None, confirm_removal=confirmed)


@router.get("/runs/{run_id}/changes", dependencies=RUNS)
def changes_page(
    request: Request,
    run_id: Annotated[int, InPath(ge=1, le=2**53 - 1)],
    house: TheHouse,
    view: View = "",
    part_of: Annotated[str, Query(alias="part", max_length=20)] = "",
) -> Response:
    found = past.since_green(house, run_id)
    shown: dict[str, Any] = {"found": found, "view": view}
    shown |= compared(found.compared) if found.compared else {"files": [], "cut": False, "old": "", "new": ""}
    return part(request, "parts/changes.html", **shown) if part_of else page(request, "changes.html", **shown)

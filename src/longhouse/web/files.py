"""Files of the jobs repo: a list, a view with numbered lines, drafts."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from longhouse import drafts, edits
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.edits import EditConflict, RemovalUnconfirmed
from longhouse.errors import Conflict, Invalid, LonghouseError, ManifestBroken, NotFound
from longhouse.house import House
from longhouse.repo import names, tree
from longhouse.repo.leaks import SecretInFile
from longhouse.web import diff, source
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages, sentence

router = pages()

READ = [Depends(needs("jobs:read"))]
WRITE = [Depends(needs("jobs:write"))]
REFUSED = (ManifestBroken, RemovalUnconfirmed, SecretInFile, Invalid, Conflict)


@router.get("/repo/files", dependencies=READ)
def files_page(request: Request, house: TheHouse) -> Response:
    return page(request, "files.html", files=tree.files(house), drafts=drafts.list_drafts(house))


@router.get("/repo/files/{path:path}", dependencies=READ)
def file_page(request: Request, path: str, house: TheHouse) -> Response:
    data, blob = there(house, path)
    text = names.require_text(path, data)
    return page(request, "file.html", file=path, blob=blob, lines=source.lines(text), bytes_of=len(data), **said(None))


@router.post("/repo/delete/{path:path}", dependencies=WRITE)
def remove(request: Request, path: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    blob, confirm = str(form.get("blob", "")), "confirm_removal" in form
    try:
        edits.change(house, caller.by, {path: None}, expected={path: blob or None}, confirm_removal=confirm)
    except (EditConflict, *REFUSED) as error:
        data, now = there(house, path)
        text = names.require_text(path, data)
        shown = {"file": path, "blob": now, "lines": source.lines(text), "bytes_of": len(data)}
        return page(request, "file.html", status=409, **shown, **said(error))
    return RedirectResponse("/repo/files", 303)


@router.get("/repo/drafts/{name}", dependencies=READ)
def draft_page(request: Request, name: str, house: TheHouse) -> Response:
    return _draft(request, house, name)


@router.post("/repo/drafts/{name}/apply", dependencies=WRITE)
def apply_draft(request: Request, name: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    try:
        drafts.apply(house, name, caller.by, confirm_removal="confirm_removal" in form)
    except (EditConflict, *REFUSED) as error:
        return _draft(request, house, name, status=409, **said(error))
    return RedirectResponse("/repo/files", 303)


@router.post("/repo/drafts/{name}/delete", dependencies=WRITE)
def delete_draft(name: str, house: TheHouse, caller: TheCaller) -> Response:
    drafts.delete(house, name, caller.by)
    return RedirectResponse("/repo/files", 303)


def _draft(request: Request, house: House, name: str, *, status: int = 200, **shown_too: Any) -> Response:
    found = drafts.show(house, name)
    shown, long = diff.files(found.diff)
    context = {"error": "", "confirm": False, "new": "", "view": "", **shown_too}
    return page(request, "draft.html", status=status, draft=found.draft, files=shown, cut=found.cut or long, **context)


def said(error: LonghouseError | None) -> dict[str, Any]:
    if error is None:
        return {"error": "", "confirm": False}
    text = " ".join(
        filter(None, (sentence(error.message), "" if isinstance(error, RemovalUnconfirmed) else error.hint))
    )
    return {"error": text, "confirm": isinstance(error, RemovalUnconfirmed)}


def there(house: House, path: str) -> tuple[bytes, str]:
    data, blob = edits.read(house, path)
    if data is None:
        raise NotFound(f"the jobs repo has no file {path[:80]}", hint="See Jobs repo, Files.")
    return data, blob

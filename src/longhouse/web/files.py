"""Files of the jobs repo: a list, a view with numbered lines, a form that loses nothing of what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import escape
from starlette.datastructures import FormData

from longhouse import drafts, edits
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.edits import EditConflict, RemovalUnconfirmed
from longhouse.errors import Conflict, Invalid, LonghouseError, ManifestBroken, NotFound
from longhouse.house import House
from longhouse.repo import names, tree
from longhouse.repo.leaks import SecretInFile
from longhouse.web import diff, source
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, sentence

router = APIRouter(include_in_schema=False)

READ = [Depends(needs("jobs:read"))]
WRITE = [Depends(needs("jobs:write"))]
REFUSED = (ManifestBroken, RemovalUnconfirmed, SecretInFile, Invalid, Conflict)


@dataclass(frozen=True)
class Typed:
    """What is in the form; it comes back whatever is wrong with it."""

    path: str
    content: str
    blob: str
    """The version it was made for; empty for a new file."""
    message: str = ""
    draft: str = ""
    new: bool = False


@router.get("/repo/files", dependencies=READ)
def files_page(request: Request, house: TheHouse) -> Response:
    return page(request, "files.html", files=tree.files(house), drafts=drafts.list_drafts(house))


@router.get("/repo/files/{path:path}", dependencies=READ)
def file_page(request: Request, path: str, house: TheHouse) -> Response:
    data, blob = _there(house, path)
    text = names.require_text(path, data)
    return page(request, "file.html", file=path, blob=blob, lines=source.lines(text), bytes_of=len(data), **_said(None))


@router.get("/repo/new", dependencies=WRITE)
def new_page(request: Request, house: TheHouse, path: str = "jobs/") -> Response:
    return _form(request, Typed(path[:300], "", "", new=True))


@router.get("/repo/edit/{path:path}", dependencies=WRITE)
def edit_page(request: Request, path: str, house: TheHouse) -> Response:
    data, blob = _there(house, path)
    return _form(request, Typed(path, names.require_text(path, data), blob))


@router.post("/repo/edit", dependencies=WRITE)
def save(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    typed = _typed(form)
    try:
        data = _bytes(house, typed)
        edits.change(
            house,
            caller.by,
            {typed.path: data},
            expected={typed.path: typed.blob or None},
            message=typed.message,
            draft=typed.draft,
            confirm_removal="confirm_removal" in form,
        )
    except EditConflict as error:
        [conflict] = error.facts["conflicts"]
        merged = Typed(typed.path, conflict["merged"], conflict["blob"] or "", typed.message, new=typed.new)
        return _form(request, merged, status=412, conflict=conflict)
    except REFUSED as error:
        return _form(request, typed, status=422, error=error)
    return RedirectResponse("/repo/files" if typed.draft else f"/repo/files/{quote(typed.path)}", 303)


@router.post("/repo/delete/{path:path}", dependencies=WRITE)
def remove(request: Request, path: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    blob, confirm = str(form.get("blob", "")), "confirm_removal" in form
    try:
        edits.change(house, caller.by, {path: None}, expected={path: blob or None}, confirm_removal=confirm)
    except (EditConflict, *REFUSED) as error:
        data, now = _there(house, path)
        text = names.require_text(path, data)
        shown = {"file": path, "blob": now, "lines": source.lines(text), "bytes_of": len(data)}
        return page(request, "file.html", status=409, **shown, **_said(error))
    return RedirectResponse("/repo/files", 303)


@router.get("/repo/drafts/{name}", dependencies=READ)
def draft_page(request: Request, name: str, house: TheHouse) -> Response:
    return _draft(request, house, name)


@router.post("/repo/drafts/{name}/apply", dependencies=WRITE)
def apply_draft(request: Request, name: str, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    try:
        drafts.apply(house, name, caller.by, confirm_removal="confirm_removal" in form)
    except (EditConflict, *REFUSED) as error:
        return _draft(request, house, name, status=409, **_said(error))
    return RedirectResponse("/repo/files", 303)


@router.post("/repo/drafts/{name}/delete", dependencies=WRITE)
def delete_draft(name: str, house: TheHouse, caller: TheCaller) -> Response:
    drafts.delete(house, name, caller.by)
    return RedirectResponse("/repo/files", 303)


def _draft(request: Request, house: House, name: str, *, status: int = 200, **said: Any) -> Response:
    found = drafts.show(house, name)
    shown, long = diff.files(found.diff)
    context = {"error": "", "confirm": False, "new": "", "view": "", **said}
    return page(request, "draft.html", status=status, draft=found.draft, files=shown, cut=found.cut or long, **context)


def _form(
    request: Request,
    typed: Typed,
    *,
    status: int = 200,
    error: LonghouseError | None = None,
    conflict: dict[str, Any] | None = None,
) -> Response:
    broken = error if isinstance(error, ManifestBroken) else None
    here = broken is not None and broken.file == typed.path and broken.line is not None
    return page(
        request,
        "edit.html",
        status=status,
        typed=typed,
        content=escape(typed.content.replace("\r\n", "\n")),  # as it is: what is only shown would be saved otherwise
        conflict=conflict,
        broken=broken,
        bad_lines=source.lines(typed.content) if here else [],
        **_said(error),
    )


def _said(error: LonghouseError | None) -> dict[str, Any]:
    if error is None:
        return {"error": "", "confirm": False}
    text = " ".join(
        filter(None, (sentence(error.message), "" if isinstance(error, RemovalUnconfirmed) else error.hint))
    )
    return {"error": text, "confirm": isinstance(error, RemovalUnconfirmed)}


def _typed(form: FormData) -> Typed:
    values = {name: str(form.get(name, "")) for name in ("path", "content", "blob", "message")}
    draft = str(form.get("draft", "")).strip() if form.get("act") == "draft" else ""
    return Typed(**values, draft=draft, new="new" in form)


def _bytes(house: House, typed: Typed) -> bytes:
    """A browser sends every end of line as CR LF; the file keeps those it had. Raises Invalid."""
    text = typed.content.replace("\r\n", "\n")
    if typed.blob:
        before, _ = edits.read(house, typed.path)
        if before is not None and before.count(b"\r\n") == before.count(b"\n") > 0:
            text = text.replace("\n", "\r\n")
    return text.encode("utf-8", "strict")


def _there(house: House, path: str) -> tuple[bytes, str]:
    data, blob = edits.read(house, path)
    if data is None:
        raise NotFound(f"the jobs repo has no file {path[:80]}", hint="See Jobs repo, Files.")
    return data, blob

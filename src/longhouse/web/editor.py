"""The editor: a form that loses nothing of what was typed, whatever is wrong with it or has changed meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import escape
from starlette.datastructures import FormData

from longhouse import edits
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.edits import EditConflict
from longhouse.errors import LonghouseError, ManifestBroken
from longhouse.house import House
from longhouse.repo import names, panel
from longhouse.web import diff, source
from longhouse.web.files import REFUSED, said, there
from longhouse.web.form_data import TheForm
from longhouse.web.page import page, pages, part

router = pages()

WRITE = [Depends(needs("jobs:write"))]
MARKS = re.compile(r"^(<<<<<<< yours|>>>>>>> theirs)$", re.MULTILINE)


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
    saved: bool = False
    """It is what the file holds: leaving loses nothing."""


@router.get("/repo/new", dependencies=WRITE)
def new_page(request: Request, path: str = "jobs/") -> Response:
    return _form(request, Typed(path[:300], "", "", new=True, saved=True))


@router.get("/repo/edit/{path:path}", dependencies=WRITE)
def edit_page(
    request: Request, path: str, house: TheHouse, line: Annotated[int, Query(ge=0, le=10**6)] = 0
) -> Response:
    data, blob = there(house, path)
    return _form(request, Typed(path, names.require_text(path, data), blob, saved=True), line=line)


@router.get("/repo/changed/{path:path}", dependencies=WRITE)
def changed_part(request: Request, path: str, house: TheHouse, blob: str = "") -> Response:
    """The bar that says that the file is no longer what the editor began with."""
    now = edits.read(house, names.require_path(path))[1]
    commit = None
    if now != blob:
        found, _ = panel.log(house, 1, None, path)
        commit = found[0] if found else None
    return part(request, "parts/edit_changed.html", file=path, blob=blob, changed=now != blob, gone=not now, by=commit)


@router.post("/repo/edit", dependencies=WRITE)
def save(request: Request, house: TheHouse, caller: TheCaller, form: TheForm) -> Response:
    typed = _typed(form)
    if side := {"mine": form.get("mine"), "theirs": form.get("theirs")}.get(str(form.get("act"))):
        return _form(request, replace(typed, content=str(side)))
    try:
        _require_chosen(typed)
        edits.change(
            house,
            caller.by,
            {typed.path: _bytes(house, typed)},
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


def _form(
    request: Request,
    typed: Typed,
    *,
    status: int = 200,
    error: LonghouseError | None = None,
    conflict: dict[str, Any] | None = None,
    line: int = 0,
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
        sides=_sides(conflict) if conflict else (),
        broken=broken,
        bad_lines=source.lines(typed.content) if here else [],
        line=broken.line if broken is not None and here else line,
        nonce=request.state.nonce,
        raw=escape,
        **said(error),
    )


def _sides(conflict: dict[str, Any]) -> tuple[tuple[str, str, list[diff.Line]], ...]:
    """What each side did to the text that both began with."""
    base = conflict["base"] or ""
    both = (("mine", "What you changed", conflict["yours"]), ("theirs", "What the others changed", conflict["theirs"]))
    return tuple((name, title, diff.compared(base, text)) for name, title, text in both if text is not None)


def _typed(form: FormData) -> Typed:
    path, content, blob, message = (str(form.get(name, "")) for name in ("path", "content", "blob", "message"))
    draft = str(form.get("draft", "")).strip() if form.get("act") == "draft" else ""
    return Typed(path, content, blob, message, draft, "new" in form)


def _require_chosen(typed: Typed) -> None:
    """Raises ManifestBroken where both sides of a conflict are still in the text."""
    found = MARKS.search(typed.content.replace("\r\n", "\n"))
    if found and not typed.draft:
        line = typed.content.replace("\r\n", "\n").count("\n", 0, found.start()) + 1
        raise ManifestBroken(
            "here stand your lines and theirs; keep what is right, and remove the marks", file=typed.path, line=line
        )


def _bytes(house: House, typed: Typed) -> bytes:
    """A browser sends every end of line as CR LF; the file keeps those it had. Raises Invalid."""
    text = typed.content.replace("\r\n", "\n")
    if typed.blob:
        before, _ = edits.read(house, typed.path)
        if before is not None and before.count(b"\r\n") == before.count(b"\n") > 0:
            text = text.replace("\n", "\r\n")
    return text.encode("utf-8", "strict")

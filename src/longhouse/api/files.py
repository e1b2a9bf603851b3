"""Files of the jobs repo: read, written with the ETag they were read with, several of them as one commit, as drafts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field, Strict
from starlette.responses import Response

from longhouse import drafts, edits
from longhouse.api.replies import TheReplies
from longhouse.api.runs import when
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.problems import ConditionMissing
from longhouse.doors.routes import routes
from longhouse.drafts import Draft
from longhouse.edits import Edit
from longhouse.errors import Invalid, NotFound
from longhouse.house import House
from longhouse.repo import names, tree

router = routes(tags=["files"])

READ = [Depends(needs("jobs:read"))]
WRITE = [Depends(needs("jobs:write"))]

FilePath = Annotated[str, Path(max_length=300, description="Relative to the jobs repo, such as `jobs/digest.py`.")]
DraftName = Annotated[str, Path(max_length=200)]
Message = Annotated[str, Field(max_length=2000, description="Of the commit; without one, it names the files.")]
Confirm = Annotated[
    bool, Field(description="Yes to a change that removes more than one job, or more than a fifth of them.")
]
Blob = Annotated[str, Field(pattern="^[0-9a-f]{40}([0-9a-f]{24})?$")]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=100, description="The ETag the edit was made for; another one answers 412."),
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", max_length=100, description="`*`: only if there is no such file yet.")
]


class FileListed(BaseModel):
    path: str
    blob: str | None = Field(description="Its ETag in the newest commit; null if it is in none.")
    unsettled: bool = Field(description="The folder has something else than the newest commit.")
    editable: bool


class FileList(BaseModel):
    items: list[FileListed]


class FileShown(BaseModel):
    path: str
    blob: str
    size: int
    content: str


class Wanted(BaseModel):
    """What goes with every change."""

    model_config = ConfigDict(extra="forbid")

    message: Message = ""
    draft: Annotated[
        str, Field(max_length=60, description="Keep it as a draft of this name, whether it loads or not.")
    ] = ""
    confirm_removal: Annotated[Confirm, Strict()] = False


class Content(Wanted):
    content: str


class FileWritten(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str = Field(max_length=300)
    content: str | None = Field(description="The new text; null removes the file.")
    blob: Blob | None = Field(None, description="The ETag the edit was made for; null if there was no such file.")


class Changes(Wanted):
    files: list[FileWritten] = Field(min_length=1, max_length=edits.MOST_FILES)
    dry_run: bool = Field(False, strict=True, description="Check everything and change nothing.")


class Broken(BaseModel):
    file: str | None
    line: int | None
    error: str


class FileNow(BaseModel):
    path: str
    blob: str | None = Field(description="Its ETag from now on; null: it is gone.")


class EditShown(BaseModel):
    commit: str | None = Field(description="Null if nothing differs, and after a dry run.")
    draft: str | None
    files: list[FileNow]
    added: list[str] = Field(description="Ids of jobs.")
    removed: list[str]
    needs_confirmation: bool = Field(description="A dry run of a change that waits for confirm_removal.")
    broken: Broken | None = Field(description="Why a draft does not load.")


class DraftShown(BaseModel):
    name: str
    commit: str
    author: str
    at: str
    subject: str


class DraftDetail(DraftShown):
    files: list[str]
    diff: str
    cut: bool = Field(description="The diff is longer than 1 MiB; this is its beginning.")


class DraftList(BaseModel):
    items: list[DraftShown]


class Applied(BaseModel):
    model_config = ConfigDict(extra="forbid")

    confirm_removal: Annotated[Confirm, Strict()] = False


@router.get("/api/jobs/repo/files", dependencies=READ)
def list_files(house: TheHouse) -> FileList:
    """Every file of the jobs repo, at most 5,000."""
    shown = [FileListed(path=_text(each.path), **_rest(each)) for each in tree.files(house)]
    return FileList(items=shown)


@router.get("/api/jobs/repo/files/{path:path}", dependencies=READ)
def get_file(path: FilePath, response: Response, house: TheHouse) -> FileShown:
    """A file as it is in the folder now; its ETag is git's id of these bytes."""
    data, blob = edits.read(house, path)
    if data is None:
        raise _no_file(path)
    response.headers["ETag"] = f'"{blob}"'
    return FileShown(path=path, blob=blob, size=len(data), content=names.require_text(path, data))


@router.put(
    "/api/jobs/repo/files/{path:path}",
    response_model=EditShown,
    responses={201: {"model": EditShown, "description": "There was no such file"}},
    dependencies=WRITE,
)
def put_file(
    path: FilePath,
    body: Content,
    response: Response,
    house: TheHouse,
    caller: TheCaller,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> EditShown:
    """Write one file as one commit, loaded and rescheduled. A file that is there is written only with If-Match."""
    expected = _expected(house, path, if_match, new=if_none_match is not None)
    edit = edits.change(
        house,
        caller.by,
        {path: body.content.encode()},
        expected={path: expected},
        message=body.message,
        draft=body.draft,
        confirm_removal=body.confirm_removal,
    )
    response.status_code = 201 if expected is None and edit.commit else 200
    if not body.draft:
        response.headers["ETag"] = f'"{edit.blobs[path]}"'
    return _edit(edit, body.draft)


@router.delete("/api/jobs/repo/files/{path:path}", dependencies=WRITE)
def delete_file(
    path: FilePath,
    house: TheHouse,
    caller: TheCaller,
    if_match: IfMatch = None,
    message: Annotated[str, Query(max_length=2000)] = "",
    confirm_removal: Annotated[bool, Query()] = False,
) -> EditShown:
    """Remove one file as one commit; only with If-Match."""
    expected = _expected(house, path, if_match, new=False)
    if expected in (None, _NO_FILE):
        raise _no_file(path)
    edit = edits.change(
        house,
        caller.by,
        {path: None},
        expected={path: expected},
        message=message,
        confirm_removal=confirm_removal,
    )
    return _edit(edit, "")


@router.post("/api/jobs/repo/changes", response_model=EditShown, dependencies=WRITE)
def change_files(body: Changes, house: TheHouse, caller: TheCaller, replies: TheReplies) -> Response:
    """Write and remove several files as one commit: all of them or none."""
    writes = {each.path: None if each.content is None else each.content.encode() for each in body.files}
    if len(writes) < len(body.files):
        raise Invalid("a file is named twice")

    def act() -> tuple[int, BaseModel]:
        edit = edits.change(
            house,
            caller.by,
            writes,
            expected={each.path: each.blob for each in body.files},
            message=body.message,
            draft=body.draft,
            confirm_removal=body.confirm_removal,
            dry_run=body.dry_run,
        )
        return 200, _edit(edit, body.draft)

    return replies.once_slowly(act)


@router.get("/api/jobs/repo/drafts", dependencies=READ)
def list_drafts(house: TheHouse) -> DraftList:
    """Changes that wait on branches of their own, newest first."""
    return DraftList(items=[DraftShown(**_draft(each)) for each in drafts.list_drafts(house)])


@router.get("/api/jobs/repo/drafts/{name}", dependencies=READ)
def get_draft(name: DraftName, house: TheHouse) -> DraftDetail:
    """One draft with its diff."""
    found = drafts.show(house, name)
    return DraftDetail(
        **_draft(found.draft), files=[_text(path) for path in found.files], diff=found.diff, cut=found.cut
    )


@router.post("/api/jobs/repo/drafts/{name}/apply", response_model=EditShown, dependencies=WRITE)
def apply_draft(
    name: DraftName, house: TheHouse, caller: TheCaller, replies: TheReplies, body: Applied | None = None
) -> Response:
    """Merge a draft into what there is, as one commit; then the draft is gone."""

    def act() -> tuple[int, BaseModel]:
        confirm = body is not None and body.confirm_removal
        return 200, _edit(drafts.apply(house, name, caller.by, confirm_removal=confirm), "")

    return replies.once_slowly(act)


@router.delete("/api/jobs/repo/drafts/{name}", status_code=204, dependencies=WRITE)
def delete_draft(name: DraftName, house: TheHouse, caller: TheCaller) -> None:
    """Forget a draft."""
    drafts.delete(house, name, caller.by)


def _expected(house: House, path: str, if_match: str | None, *, new: bool) -> str | None:
    """The blob id that the edit was made for. Raises ConditionMissing."""
    if if_match is not None and if_match.strip() != "*":
        return if_match.strip().removeprefix("W/").strip('"')
    data, blob = edits.read(house, path)
    if if_match is not None:
        return blob or _NO_FILE
    if data is not None and not new:
        raise ConditionMissing(
            f"{path} exists; say which version of it the edit was made for",
            hint="Fetch the file and send its ETag as If-Match.",
        )
    return None


_NO_FILE = "0" * 40
"""An id that no bytes have: `If-Match: *` asks for a file that is there."""


def _no_file(path: str) -> NotFound:
    return NotFound(f"the jobs repo has no file {path[:80]}", hint="GET /api/jobs/repo/files lists them.")


def _edit(edit: Edit, draft: str) -> EditShown:
    broken = edit.broken
    return EditShown(
        commit=edit.commit,
        draft=draft or None,
        files=[FileNow(path=path, blob=blob) for path, blob in edit.blobs.items()],
        added=list(edit.added),
        removed=list(edit.removed),
        needs_confirmation=edit.needs_yes,
        broken=Broken(file=broken.file, line=broken.line, error=broken.message) if broken else None,
    )


def _draft(draft: Draft) -> dict[str, str]:
    at = when(draft.at) or ""
    return {
        "name": _text(draft.name),
        "commit": draft.commit,
        "author": draft.author,
        "at": at,
        "subject": draft.subject,
    }


def _rest(each: tree.Listed) -> dict[str, Any]:
    return {"blob": each.blob, "unsettled": each.unsettled, "editable": each.editable}


def _text(path: str) -> str:
    """File names are bytes; those that are no text are shown as far as they are."""
    return path.encode("utf-8", "replace").decode()

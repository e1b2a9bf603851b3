"""The past of the jobs repo: compare, blame, an old file, restore; and what changed since a job last succeeded."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from longhouse import restoring
from longhouse.api.replies import TheReplies
from longhouse.api.repo import FileChanged, readable
from longhouse.api.runs import RunId
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.repo import past
from longhouse.repo.history import Compared

router = routes(tags=["repo"])

COMMITISH = "^[0-9a-f]{4,64}$"
Commitish = Annotated[str, Query(pattern=COMMITISH, description="A commit's id, or the first 4 or more digits of it.")]
OnePath = Annotated[str | None, Query(max_length=1000, description="Only this file.")]
READ = [Depends(needs("jobs:read"))]


class DiffShown(BaseModel):
    from_: str = Field(alias="from", description="The older one's whole id.")
    to: str | None = Field(description="null: the files as they are now, committed or not.")
    changes: list[FileChanged]
    diff: str
    cut: bool = Field(description="The diff is longer than 1 MiB; this is its beginning.")


class BlamedLine(BaseModel):
    line: int
    commit: str
    text: str


class BlamedCommit(BaseModel):
    id: str
    author: str
    at: str
    subject: str


class BlameShown(BaseModel):
    path: str
    commit: str
    lines: list[BlamedLine]
    commits: list[BlamedCommit] = Field(description="Each that a line is from, once.")


class OldFile(BaseModel):
    path: str
    commit: str
    size: int
    text: str = Field(description="Bytes that are not UTF-8 are replaced.")


class RestoreAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    commit: Annotated[str, Field(pattern=COMMITISH, description="Where to restore from.")]
    path: Annotated[str | None, Field(max_length=1000, description="One file; without it all but jobs.toml.")] = None
    confirm_removal: Annotated[bool, Field(description="Yes to a restore that removes several jobs.")] = False


class RestoredShown(BaseModel):
    commit: str | None = Field(description="The new commit; null when the files are that way already.")
    subject: str
    files: list[str]


class ChangesShown(BaseModel):
    run: int
    commit: str | None
    since: int | None = Field(description="The last run of the job before this one that succeeded.")
    same: bool | None = Field(description="Whether both ran the same code; null when that cannot be said.")
    why: str = Field(description="Why there is nothing to compare; else empty.")
    changes: list[FileChanged]
    diff: str
    cut: bool


@router.get("/api/jobs/repo/diff", dependencies=READ, response_model_by_alias=True)
def get_diff(
    house: TheHouse,
    older: Annotated[str, Query(alias="from", pattern=COMMITISH, description="The older commit.")],
    to: Annotated[str | None, Query(pattern=COMMITISH, description="The newer; without it: the files as now.")] = None,
    path: OnePath = None,
) -> DiffShown:
    """What differs between two commits, or between a commit and the files as they are."""
    found = past.compare(house, older, to, path)
    return DiffShown(**{"from": found.old}, to=found.new, changes=_changes(found), diff=found.diff, cut=found.cut)


@router.get("/api/jobs/repo/blame/{path:path}", dependencies=READ)
def get_blame(
    path: Annotated[str, Path(max_length=1000, description="A file, as in the newest commit.")],
    house: TheHouse,
    commit: Annotated[str | None, Query(pattern=COMMITISH, description="As of this commit; else the newest.")] = None,
) -> BlameShown:
    """Which commit each line of a file is from."""
    found = past.blame(house, path, commit)
    return BlameShown(
        path=readable(found.path),
        commit=found.commit,
        lines=[BlamedLine(line=n, commit=each, text=text) for n, (each, text) in enumerate(found.lines, 1)],
        commits=[
            BlamedCommit(id=each.id, author=each.author, at=iso(each.at), subject=each.subject)
            for each in found.commits.values()
        ],
    )


@router.get("/api/jobs/repo/commits/{sha}/files/{path:path}", dependencies=READ)
def get_old_file(
    sha: Annotated[str, Path(pattern=COMMITISH, description="A commit's id.")],
    path: Annotated[str, Path(max_length=1000, description="A file of it.")],
    house: TheHouse,
) -> OldFile:
    """A file as it was in a commit."""
    commit, data = past.file_at(house, sha, path)
    return OldFile(path=readable(path), commit=commit, size=len(data), text=data.decode("utf-8", "replace"))


@router.post("/api/jobs/repo/restore", response_model=RestoredShown, dependencies=[Depends(needs("jobs:write"))])
def restore(house: TheHouse, caller: TheCaller, replies: TheReplies, body: RestoreAsked) -> Response:
    """A file, or all of them, as in an earlier commit; as a new commit, if the outcome loads. Nothing is lost."""

    def act() -> tuple[int, BaseModel]:
        made = restoring.restore(house, caller.by, body.commit, body.path, confirm_removal=body.confirm_removal)
        files = [readable(path) for path in made.files]
        return 200, RestoredShown(commit=made.commit, subject=made.subject, files=files)

    return replies.once_slowly(act)


@router.get("/api/runs/{run_id}/changes", dependencies=READ)
def get_changes(run_id: RunId, house: TheHouse) -> ChangesShown:
    """What is different about a run's code since the last run of its job that succeeded."""
    found = past.since_green(house, run_id)
    compared = found.compared
    return ChangesShown(
        run=found.run,
        commit=found.commit or None,
        since=found.green,
        same=None if compared is None else found.same,
        why=found.why,
        changes=_changes(compared) if compared else [],
        diff=compared.diff if compared else "",
        cut=compared.cut if compared else False,
    )


def _changes(found: Compared) -> list[FileChanged]:
    return [FileChanged(kind=change.kind, path=readable(change.path)) for change in found.changes]

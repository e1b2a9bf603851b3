"""The jobs repo: how it stands, what happened in it, make it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse.api.paging import Limit, link_next
from longhouse.api.replies import TheReplies
from longhouse.api.runs import when
from longhouse.api.sync import SyncShown, sync_shown
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.repo import panel
from longhouse.repo.git import GitFailed
from longhouse.repo.history import Commit
from longhouse.simulation import impact

router = routes(tags=["repo"])

SHA = "^[0-9a-f]{40}$"


class LeakShown(BaseModel):
    path: str
    line: int
    what: str = Field(description="Which secret or token it is; never the value.")


class RepoShown(BaseModel):
    ready: bool
    path: str
    branch: str | None
    head: str | None
    loaded_commit: str | None = Field(description="The last commit whose manifest loaded: what runs.")
    dirty: bool
    staged: bool = Field(
        description="Somebody staged some of it with git: it is committed within a minute, unless he does."
    )
    blocked: str | None = Field(description="Why nothing is committed now.")
    left_out: list[LeakShown] = Field(description="Files that hold a secret and are in no commit.")
    remote: str | None = Field(description="The address that it is synced with.")
    last_sync_at: str | None
    last_sync_error: str | None
    sync: SyncShown


class CommitShown(BaseModel):
    id: str
    parents: list[str]
    author: str
    at: str
    subject: str
    body: str
    impact: list[str] = Field(description="What it does to the schedules, in sentences; from the lines of its message.")


class CommitPage(BaseModel):
    items: list[CommitShown]
    next: str | None


class FileChanged(BaseModel):
    kind: str = Field(description="A added, M modified, D deleted, T another type")
    path: str


class CommitDetail(CommitShown):
    changes: list[FileChanged]
    diff: str
    cut: bool = Field(description="The diff is longer than 1 MiB; this is its beginning.")


@router.get("/api/jobs/repo", dependencies=[Depends(needs("jobs:read"))])
def get_repo(house: TheHouse) -> RepoShown:
    """How the jobs repo stands."""
    return repo_shown(panel.status(house))


@router.post(
    "/api/jobs/repo/init",
    response_model=RepoShown,
    responses={201: {"model": RepoShown, "description": "Something was created"}},
    dependencies=[Depends(needs("repo:sync"))],
)
def init_repo(house: TheHouse, caller: TheCaller, replies: TheReplies) -> Response:
    """Make what is missing of the jobs repo: 201 if that was anything, else 200. Never overwrites."""

    def init() -> tuple[int, BaseModel]:
        created, status = panel.init(house, caller.by)
        return (201 if created else 200), repo_shown(status)

    return replies.once_slowly(init)


@router.get("/api/jobs/repo/log", dependencies=[Depends(needs("jobs:read"))])
def list_commits(
    request: Request,
    response: Response,
    house: TheHouse,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(pattern=SHA, description="`next` of the page before.")] = None,
    path: Annotated[str | None, Query(max_length=1000, description="Only what changed this file or folder.")] = None,
) -> CommitPage:
    """The history of the jobs repo, newest first."""
    try:
        found, following = panel.log(house, limit, cursor, path)
    except GitFailed:
        if cursor is not None:
            panel.commit(house, cursor)  # raises NotFound for a commit that is none of ours
        raise
    items = [CommitShown(**_values(commit)) for commit in found]
    return CommitPage(items=items, next=link_next(request, response, following))


@router.get("/api/jobs/repo/commits/{sha}", dependencies=[Depends(needs("jobs:read"))])
def get_commit(
    sha: Annotated[str, Path(pattern=SHA, description="The commit's whole id.")], house: TheHouse
) -> CommitDetail:
    """One commit with what it changed."""
    found = panel.commit(house, sha)
    return CommitDetail(
        **_values(found.commit),
        changes=[FileChanged(kind=change.kind, path=readable(change.path)) for change in found.changes],
        diff=found.diff,
        cut=found.cut,
    )


def repo_shown(status: panel.Status) -> RepoShown:
    return RepoShown(
        ready=status.ready,
        path=readable(status.path),
        branch=status.branch,
        head=status.head,
        loaded_commit=status.loaded_commit,
        dirty=status.dirty,
        staged=status.staged,
        blocked=status.blocked,
        left_out=[LeakShown(path=readable(leak.path), line=leak.line, what=leak.what) for leak in status.left_out],
        remote=status.remote,
        last_sync_at=when(status.last_sync_at),
        last_sync_error=status.last_sync_error,
        sync=sync_shown(status.sync),
    )


def readable(path: str) -> str:
    """File names are bytes; those that are no text are shown as far as they are."""
    return path.encode("utf-8", "replace").decode()


def _values(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.id,
        "parents": list(commit.parents),
        "author": commit.author,
        "at": iso(commit.at),
        "subject": commit.subject,
        "body": commit.body,
        "impact": list(impact.words(impact.of_message(commit.body))),
    }

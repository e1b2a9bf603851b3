"""The jobs repo as people see it: how it stands, what happened in it, the code of a job."""

from __future__ import annotations

from dataclasses import dataclass, field

from longhouse import audit
from longhouse.errors import LonghouseError
from longhouse.house import By, House
from longhouse.repo import bootstrap, commits, history, remote, sync
from longhouse.repo.leaks import Leak
from longhouse.repo.sync_state import State
from longhouse.store import settings
from longhouse.store.jobs import Job


@dataclass(frozen=True)
class Status:
    ready: bool
    path: str
    branch: str | None
    head: str | None
    loaded_commit: str | None
    dirty: bool
    """Files differ from the newest commit; they are committed when they have been quiet for a second."""
    blocked: str | None
    """Why nothing is committed now."""
    changed: tuple[str, ...]
    staged: bool = False
    """Somebody staged some of it with git: it is left to his own commit for `watch.STAGED_SECONDS`, at most until the
    instance commits for another reason: before a sync, at a start."""
    left_out: tuple[Leak, ...] = ()
    """Files that hold a secret and are in no commit."""
    remote: str | None = None
    """Its address."""
    sync: State = field(default_factory=State)

    @property
    def last_sync_at(self) -> int | None:
        return self.sync.last_sync_at

    @property
    def last_sync_error(self) -> str | None:
        return None if self.sync.last_error is None else self.sync.last_error.sentence


def status(house: House) -> Status:
    """Never raises for the state of the repo: what is wrong is in `blocked`."""
    path, where = str(house.paths.tree), remote.get(house)
    address, synced = None if where is None else where.url, sync.state(house)
    try:
        git = bootstrap.opened(house.paths)
        ours = house.repo_lock.locked()  # the instance stages, too, before it reads what it is to commit
        state = commits.state(git)
        loaded = commits.loaded(git)
    except LonghouseError as error:
        return Status(
            False, path, None, None, None, dirty=False, blocked=error.message, changed=(), remote=address, sync=synced
        )
    with house.db.read() as db:
        noted = settings.get(db, "repo_blocked")
    return Status(
        ready=state.head is not None,
        path=path,
        branch=state.branch,
        head=state.head,
        loaded_commit=loaded,
        dirty=not state.clean,
        blocked=state.blocked or noted,
        changed=state.changed,
        staged=state.staged and not (ours or house.repo_lock.locked()),
        left_out=left_out(house),
        remote=address,
        sync=synced,
    )


def left_out(house: House) -> tuple[Leak, ...]:
    """Files that hold a secret and are in no commit."""
    with house.db.read() as db:
        return tuple(Leak(**each) for each in settings.get(db, "repo_left_out") or ())


def init(house: House, by: By) -> tuple[bool, Status]:
    """Make what is missing of the jobs repo; True if that was anything. Never overwrites. Raises CannotStart."""
    with house.repo_lock:
        booted = bootstrap.ensure(house.paths, known_commits=knows_commits(house))
        if booted.created:
            with house.db.write() as db:
                audit.record(house, db, by, "repo.init", "repo", after={"head": booted.head})
    house.feed.settled()
    return booted.created, status(house)


def knows_commits(house: House) -> bool:
    """The database has seen commits of this repo."""
    with house.db.read() as db:
        return settings.get(db, "tried_commit") is not None


def log(
    house: House, limit: int, before: str | None = None, path: str | None = None
) -> tuple[tuple[history.Commit, ...], str | None]:
    """At most `limit` commits, newest first, from `before` on, and where the next page starts; all, or of one file."""
    return history.history(bootstrap.opened(house.paths), limit, before, path)


def commit(house: House, sha: str) -> history.Shown:
    """Raises NotFound."""
    return history.show(bootstrap.opened(house.paths), sha)


def code(house: House, job: Job) -> str:
    """The file that defines the job's function, as it was loaded. Raises NotFound."""
    return history.file_at(bootstrap.opened(house.paths), job.commit_sha, job.spec.source_file).decode(errors="replace")

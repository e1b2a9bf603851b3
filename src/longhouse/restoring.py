"""Back to an earlier version, as a new commit: nothing is taken out of history, nothing that is not in it is lost."""

from __future__ import annotations

from dataclasses import dataclass

from longhouse import consequences, describing, edits, loading
from longhouse.errors import NotFound
from longhouse.house import By, House
from longhouse.repo import bootstrap, changes, checkouts, commits, history, jobs_toml, messages
from longhouse.repo.changes import Writes
from longhouse.repo.commits import CommitBlocked, Committed
from longhouse.repo.git import Git
from longhouse.store import jobs as rows

TRIES = 5
SUBMODULE = "160000"


@dataclass(frozen=True)
class Restored:
    commit: str | None
    """The new commit; None when the files are that way already."""
    subject: str
    files: tuple[str, ...]


def restore(house: House, by: By, commit: str, path: str | None = None, *, confirm_removal: bool = False) -> Restored:
    """The file at `path`, or all files, as they were in `commit`. jobs.toml stays as it is unless it is named: a job
    that somebody disabled since must not come back to life.

    What is in the tree is committed first. Raises NotFound, CommitBlocked, ManifestBroken when the outcome would not
    load, and RemovalUnconfirmed when it has many jobs less than now.
    """
    with house.repo_lock:
        git = bootstrap.opened(house.paths)
        changes.complete(git, commits.branch(git))
        target = git.resolve(commit)
        for _ in range(TRIES):
            head = _settled(house, git)
            writes = _writes(git, head, target, path)
            if not writes:
                return Restored(None, "", ())
            try:
                return _take(house, git, by, head, target, path, writes, confirm_removal=confirm_removal)
            except changes.Moved:
                continue
    raise CommitBlocked("Nothing is committed: somebody else commits all the time", hint="Try again in a moment.")


def _settled(house: House, git: Git) -> str:
    """HEAD, once it has what is in the tree. Raises CommitBlocked."""
    state = commits.state(git)
    if state.blocked is not None or state.head is None:
        raise CommitBlocked(f"Nothing is committed: {state.blocked}", hint="Finish or abort it, then try again.")
    loading.commit_outside(house, git, state)
    return git.head().commit or state.head


def _writes(git: Git, head: str, target: str, path: str | None) -> dict[str, bytes | None]:
    if path is not None:
        wanted = history.file_at(git, target, path)
        now = checkouts.listing(git, head).get(path)
        return {} if now == changes.blob_of(wanted, head) else {path: wanted}
    return {
        file.path: history.file_at(git, target, file.path) if file.mode != changes.NOTHING else None
        for file in changes.files(git, head, target)
        if file.path != jobs_toml.NAME and SUBMODULE not in (file.mode, file.mode_before)
    }


def _take(
    house: House, git: Git, by: By, head: str, target: str, path: str | None, writes: Writes, *, confirm_removal: bool
) -> Restored:
    subject = f"Update jobs: restore {f'{path} of ' if path else ''}{target[:12]}"
    made = _prepared(git, head, writes, subject, by)
    described, tree = describing.describe(house, git, made), house.paths.checkouts / made
    overrides = jobs_toml.read_tree(tree)
    if not confirm_removal:
        with house.db.read() as db:
            before = {job.id for job in rows.all_jobs(db)}
        edits.refuse_removal(before, {job.id for job in described[0]})
    locks = {lock.path: lock.text.encode() for lock in consequences.locks(house, tree, described[0])}
    lines = consequences.trailers(house, described[0], overrides)
    made = _prepared(git, head, {**writes, **locks}, messages.with_trailers(subject, lines).decode(), by)
    changes.accept(git, made, commits.branch(git))
    files = tuple(writes)
    loading.tell_commit(house, Committed(made, subject, files), by)
    loading.load(house, git, made, described)
    return Restored(made, subject, files)


def _prepared(git: Git, head: str, writes: Writes, message: str, by: By) -> str:
    name = "".join(char for char in by.name if char.isprintable() and char not in "<>") or "unknown"
    return changes.prepare(git, (head,), writes, message, (name, f"{by.surface}@localhost"))


def preview(house: House, commit: str, path: str | None = None) -> history.Compared:
    """What a restore would change now. Raises NotFound."""
    git = bootstrap.opened(house.paths)
    head = git.head().commit
    if head is None:
        raise NotFound("the jobs repo has no commit yet")
    return history.compare(git, head, commit, path)

"""Looking back: two commits beside each other, who wrote a line, a file as it was, what changed since a success."""

from __future__ import annotations

from dataclasses import dataclass, replace

from longhouse import history as runs
from longhouse import secrets
from longhouse.errors import NotFound
from longhouse.house import House
from longhouse.repo import bootstrap, history
from longhouse.repo.history import Blame, Commit, Compared
from longhouse.store import runs as rows


@dataclass(frozen=True)
class SinceGreen:
    """What is different about the code of a run since the last one before it that succeeded."""

    run: int
    commit: str
    green: int | None
    """None: none has succeeded before."""
    compared: Compared | None
    """None without a run to compare with, or when git has no longer the code of one of them."""
    why: str
    """Why there is nothing to compare; else empty."""

    @property
    def same(self) -> bool:
        return self.compared is not None and not self.compared.changes


def compare(house: House, old: str, new: str | None, path: str | None = None) -> Compared:
    """Two commits, or a commit and the files as they are (None). Raises NotFound.

    A file that is in no commit may hold a secret: what is shown of it is masked.
    """
    git = bootstrap.opened(house.paths)
    if new is not None:
        return history.compare(git, old, new, path)
    found = history.compare_tree(git, old, path)
    hidden = secrets.masker(house).mask(found.diff.encode())
    return replace(found, diff=hidden.decode("utf-8", "replace"))


def blame(house: House, path: str, commit: str | None) -> Blame:
    """Of the newest commit when none is named. Raises NotFound."""
    git = bootstrap.opened(house.paths)
    return history.blame(git, path, commit or git.head().commit or "")


def file_at(house: House, commit: str, path: str) -> tuple[str, bytes]:
    """The commit's whole id, and the file as it was committed. Raises NotFound."""
    git = bootstrap.opened(house.paths)
    full = git.resolve(commit)
    return full, history.file_at(git, full, path)


def since_green(house: House, run_id: int) -> SinceGreen:
    """Raises NotFound for a run that there is not."""
    run = runs.get(house, run_id)
    if run.commit_sha is None:
        return SinceGreen(run_id, "", None, None, "The run has no code yet: it is chosen when it starts.")
    with house.db.read() as db:
        green = rows.green_before(db, run.job_id, run_id)
    if green is None:
        return SinceGreen(run_id, run.commit_sha, None, None, "No run of this job succeeded before.")
    try:
        found = history.compare(bootstrap.opened(house.paths), green["commit_sha"], run.commit_sha)
    except NotFound:
        why = "The code of one of them is no longer in the jobs repo."
        return SinceGreen(run_id, run.commit_sha, green["id"], None, why)
    return SinceGreen(run_id, run.commit_sha, green["id"], found, "")


def commits_between(house: House, old: str, new: str, limit: int) -> list[Commit]:
    """From `new` back to the one after `old`, newest first, at most `limit` and one more. Raises NotFound."""
    found, _ = history.history(bootstrap.opened(house.paths), limit + 1, new)
    ids = [commit.id for commit in found]
    return list(found[: ids.index(old)] if old in ids else found)

"""The files of the jobs repo as a list: what is committed, and what lies in the folder and is not yet."""

from __future__ import annotations

from dataclasses import dataclass

from longhouse.errors import NotFound
from longhouse.house import House
from longhouse.repo import bootstrap, commits, names
from longhouse.repo.checkouts import listing
from longhouse.repo.git import Git

MOST = 5_000
"""Files that are listed; nobody reads more, and an answer stays small."""


@dataclass(frozen=True)
class Listed:
    path: str
    blob: str | None
    """Of the newest commit; None for a file that is in none."""
    unsettled: bool
    """The folder has something else than the newest commit."""
    editable: bool
    """It can be written through the instance; others only with an editor."""


def repo(house: House) -> Git:
    """Raises NotFound while there is none."""
    git = bootstrap.opened(house.paths)
    if not git.git_dir.is_dir():
        raise NotFound("the jobs repo is not there", hint="Make it: longhouse-jobs repo init")
    return git


def files(house: House) -> tuple[Listed, ...]:
    """Sorted by path, without those that were removed from the folder; at most MOST. Raises NotFound without a repo."""
    git = repo(house)
    state = commits.state(git)
    committed = listing(git, state.head) if state.head else {}
    changed = set(state.changed)
    gone = {path for path in changed if not (house.paths.tree / path).is_file()}
    paths = sorted((committed.keys() | changed) - gone)[:MOST]
    return tuple(Listed(path, committed.get(path), path in changed, names.allowed(path)) for path in paths)

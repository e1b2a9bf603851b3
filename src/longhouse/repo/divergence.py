"""Two histories that have gone apart, and the ways to bring them together. None of them discards a commit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from longhouse import errors
from longhouse.clock import moment
from longhouse.repo import changes, commits, incoming
from longhouse.repo.git import Git, require_commit

BRANCHES = "longhouse/"


class Unresolved(errors.Conflict):
    """The same lines were changed on both sides; `files` names where."""

    code = "sync.conflicts"


class InTheWay(errors.Conflict):
    """A file in the jobs folder that is in no commit would be overwritten by what comes in."""

    code = "sync.in_the_way"


@dataclass(frozen=True)
class Conflict:
    """A file that was changed on both sides, in its three forms; None where there is no such file."""

    path: str
    base: str | None
    ours: str | None
    theirs: str | None
    merged: str
    """With both sides between markers where they differ."""


@dataclass(frozen=True)
class Merged:
    tree: str
    conflicts: tuple[Conflict, ...]


def merged(git: Git, ours: str, theirs: str) -> Merged:
    """What git makes of both. It writes objects and nothing else."""
    both = (require_commit(ours), require_commit(theirs))
    done = git.read("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", *UNRELATED, *both, codes=(0, 1))
    tree, *paths = (item for item in done.out.split(b"\0") if item)
    name = require_commit(tree.decode().strip())
    if done.code == 0:
        return Merged(name, ())
    base = incoming.base(git, ours, theirs)
    return Merged(name, tuple(_conflict(git, base, ours, theirs, name, os.fsdecode(path)) for path in paths))


UNRELATED = ("--allow-unrelated-histories",)


def _conflict(git: Git, base: str | None, ours: str, theirs: str, tree: str, path: str) -> Conflict:
    return Conflict(
        path,
        base and incoming.text_of(git, base, path),
        incoming.text_of(git, ours, path),
        incoming.text_of(git, theirs, path),
        incoming.text_of(git, tree, path) or "",
    )


def merge(git: Git, ours: str, theirs: str, files: Mapping[str, str | None]) -> str:
    """A commit with both behind it. `files` is the text of each that conflicts, None to leave it out.

    Raises Unresolved.
    """
    found = merged(git, ours, theirs)
    paths = {each.path for each in found.conflicts}
    if left := sorted(paths - set(files)):
        names = ", ".join(left[:5]) + (" and more" if len(left) > 5 else "")
        raise Unresolved(
            f"both sides changed {names}", hint="Say for each what it shall be, or take one side.", files=left
        )
    tree = _with(git, found.tree, {path: files[path] for path in paths}) if paths else found.tree
    return _commit(git, tree, ours, theirs, "Merge the remote's commits")


def take_theirs(git: Git, ours: str, theirs: str) -> str:
    """A commit with the remote's files, and both histories behind it."""
    tree = git.read("rev-parse", f"{require_commit(theirs)}^{{tree}}").out.decode().strip()
    return _commit(git, tree, ours, theirs, "Take the remote's files")


def branch_for(now: int, taken: Collection[str]) -> str:
    """A name for a new branch on the remote: of the day, and of none that is there."""
    day = f"{BRANCHES}{moment(now):%Y-%m-%d}"
    return next(name for name in (day, *(f"{day}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)


def advance(git: Git, old: str, new: str) -> None:
    """Files, index and branch go from commit `old` to `new`, whole even if we are killed; what is in no commit is not
    overwritten. Raises InTheWay, and what accepting a change raises."""
    coming = {file.path for file in changes.files(git, require_commit(old), require_commit(new))}
    touched = sorted(coming.intersection(commits.state(git).changed))
    if found := _in_the_way(git, old, new) or next(iter(touched), None):
        raise _kept(found)
    try:
        changes.advance(git, old, new, commits.branch(git))
    except changes.Moved as error:
        raise commits.Overtaken("nothing was taken: somebody has committed meanwhile", hint="Sync again.") from error


def _in_the_way(git: Git, old: str, new: str) -> str | None:
    """A file that git ignores, and would overwrite for that reason; None if there is none."""
    out = git.read("diff-tree", "-r", "-z", "--name-only", "--diff-filter=A", "--no-renames", old, new).out
    for path in (os.fsdecode(item) for item in out.split(b"\0") if item):
        places = [git.work_tree / path, *(git.work_tree / path).parents]
        above = places[1 : places.index(git.work_tree)]
        if (
            places[0].is_symlink()
            or places[0].exists()
            or any(place.is_symlink() or place.is_file() for place in above)
        ):
            return path
    return None


def _kept(what: str) -> InTheWay:
    return InTheWay(
        f"nothing was taken: {what} would be overwritten, and it is in no commit",
        hint="Move it away, or let it be committed.",
    )


def _commit(git: Git, tree: str, ours: str, theirs: str, subject: str) -> str:
    text = f"{subject}\n"
    made = git.write("commit-tree", tree, "-p", ours, "-p", theirs, data=text.encode())
    return require_commit(made.out.decode().strip())


def _with(git: Git, tree: str, files: Mapping[str, str | None]) -> str:
    """`tree` with other texts."""
    with tempfile.TemporaryDirectory(dir=git.home, prefix="index-") as folder:
        index = Path(folder) / "index"
        git.write("read-tree", tree, index=index)
        for path, text in files.items():
            if text is None:
                git.write("update-index", "--force-remove", "--", path, index=index)
            else:
                blob = git.write("hash-object", "-w", "--stdin", data=text.encode()).out.decode().strip()
                git.write("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", index=index)
        return git.write("write-tree", index=index).out.decode().strip()

"""The past of the jobs repo, read by commit id."""

from __future__ import annotations

import os
from dataclasses import dataclass

from longhouse.errors import Invalid, NotFound
from longhouse.repo.git import Git, require_commit

MAX_DIFF = 1024 * 1024
MAX_FILE = 16 * 1024 * 1024
FIELDS = "%H%x00%P%x00%an%x00%ae%x00%ct%x00%s%x00%b%x00"
FIELD_COUNT = FIELDS.count("%x00")


@dataclass(frozen=True)
class Commit:
    id: str
    parents: tuple[str, ...]
    author: str
    email: str
    at: int
    """When it was committed, milliseconds since the epoch, UTC."""
    subject: str
    body: str


@dataclass(frozen=True)
class Change:
    """One file in a commit."""

    kind: str
    """A added, M modified, D deleted, T another type."""
    path: str


@dataclass(frozen=True)
class Shown:
    commit: Commit
    changes: tuple[Change, ...]
    diff: str
    """Against the first parent; bytes that are not UTF-8 are replaced."""
    cut: bool
    """The diff is longer than 1 MiB; this is its beginning."""


def history(git: Git, limit: int, cursor: str | None = None) -> tuple[tuple[Commit, ...], str | None]:
    """Commits from HEAD, newest first, and the cursor of the next page. `cursor` is the id to go on from."""
    start = require_commit(cursor) if cursor else git.head().commit
    if start is None:
        return (), None
    found = _log(git, f"--max-count={limit + 1}", start)
    return found[:limit], found[limit].id if len(found) > limit else None


def show(git: Git, commit: str) -> Shown:
    """`commit` (it may be abbreviated) with its diff. Raises NotFound."""
    full = git.resolve(commit)
    one = _log(git, "--max-count=1", full)[0]
    base = ("--no-ext-diff", "--no-textconv", "--no-renames", "--root", "--no-commit-id", "-r")
    between = (one.parents[0], full) if one.parents else (full,)
    names = git.read("diff-tree", *base, "-z", "--name-status", *between).out
    items = [os.fsdecode(item) for item in names.split(b"\0") if item]
    diff = git.read("diff-tree", *base, "--patch", *between, limit=MAX_DIFF)
    changes = tuple(Change(kind[0], path) for kind, path in zip(items[::2], items[1::2], strict=True))
    return Shown(one, changes, diff.out.decode("utf-8", "replace"), diff.cut)


def file_at(git: Git, commit: str, path: str) -> bytes:
    """The file as committed. Raises NotFound, also for a folder, and Invalid when it is over 16 MiB."""
    where = f"{require_commit(commit)}:{path}"
    if not path or path.startswith(("/", ":", "./", "../")) or "\0" in path or "\n" in path:
        raise NotFound(f"{path[:80]!r} is not the path of a file in the jobs repo")
    found = git.read("cat-file", "blob", where, codes=(0, 128), limit=MAX_FILE)
    if found.cut:
        raise Invalid(f"{path} is larger than {MAX_FILE // 1024 // 1024} MiB")
    if found.code != 0:
        raise NotFound(f"{commit[:12]} has no file {path}")
    return found.out


def ever_held(git: Git, commit: str, path: str) -> bool:
    """Whether `commit` or one before it has, or had, a file at `path`."""
    return bool(git.read("rev-list", "--max-count=1", commit, "--", f":(literal){path}").out)


def _log(git: Git, *args: str) -> tuple[Commit, ...]:
    out = git.read("log", "--no-show-signature", f"--format=tformat:{FIELDS}", *args, "--").out
    fields = out.decode("utf-8", "replace").split("\0")
    rows = (fields[at : at + FIELD_COUNT] for at in range(0, len(fields) - FIELD_COUNT, FIELD_COUNT))
    return tuple(_commit(row) for row in rows)


def _commit(row: list[str]) -> Commit:
    commit, parents, author, email, seconds, subject, body = row
    return Commit(commit.strip(), tuple(parents.split()), author, email, int(seconds) * 1000, subject, body.strip())

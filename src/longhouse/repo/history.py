"""The past of the jobs repo, read by commit id."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from longhouse.errors import Invalid, NotFound
from longhouse.repo.git import Git, require_commit

MAX_DIFF = 1024 * 1024
MAX_FILE = 16 * 1024 * 1024
FIELDS = "%H%x00%P%x00%an%x00%ae%x00%ct%x00%s%x00%b%x00"
FIELD_COUNT = FIELDS.count("%x00")
PLAIN = ("--no-ext-diff", "--no-textconv", "--no-renames")
MOST_NEW = 20
"""Files that are in no commit yet, of which a diff shows the text."""
BLAMED = re.compile(r"([0-9a-f]{40}(?:[0-9a-f]{24})?) \d+ \d+(?: \d+)?\Z")


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


@dataclass(frozen=True)
class Compared:
    """What differs between two commits, or between a commit and the files as they are."""

    old: str
    new: str | None
    """None: the files as they are."""
    changes: tuple[Change, ...]
    diff: str
    cut: bool


@dataclass(frozen=True)
class Blame:
    """Who wrote each line of a file, as of `commit`."""

    commit: str
    path: str
    lines: tuple[tuple[str, str], ...]
    """(id of the commit that the line is from, its text)"""
    commits: dict[str, Commit]
    """Without parents and body."""


def history(
    git: Git, limit: int, cursor: str | None = None, path: str | None = None
) -> tuple[tuple[Commit, ...], str | None]:
    """Commits from HEAD, newest first, and the cursor of the next page. `cursor` is the id to go on from.

    With a `path` only those that changed this file, or something in this folder.
    """
    start = require_commit(cursor) if cursor else git.head().commit
    if start is None:
        return (), None
    only = (require_path(path),) if path else ()
    found = _log(git, f"--max-count={limit + 1}", start, paths=only)
    return found[:limit], found[limit].id if len(found) > limit else None


def show(git: Git, commit: str) -> Shown:
    """`commit` (it may be abbreviated) with its diff. Raises NotFound."""
    full = git.resolve(commit)
    one = _log(git, "--max-count=1", full)[0]
    changes, diff, cut = _between(git, (one.parents[0], full) if one.parents else ("--root", full))
    return Shown(one, changes, diff, cut)


def compare(git: Git, old: str, new: str, path: str | None = None) -> Compared:
    """Two commits (they may be abbreviated), of one file or of all. Raises NotFound."""
    one, other = git.resolve(old), git.resolve(new)
    return Compared(one, other, *_between(git, (one, other), path))


def compare_tree(git: Git, old: str, path: str | None = None) -> Compared:
    """A commit and the files as they are, new ones too. Raises NotFound, ConfigRefused."""
    full = git.resolve(old)
    only = (f":(literal){require_path(path)}",) if path else ()
    names = git.inspect("diff", *PLAIN, "-z", "--name-status", full, "--", *only).out
    text = git.inspect("diff", *PLAIN, full, "--", *only).out
    changes = _changes(names)
    new = git.inspect("ls-files", "-z", "--others", "--exclude-standard", "--", *only).out
    untracked = [os.fsdecode(name) for name in new.split(b"\0") if name]
    for name in untracked[:MOST_NEW]:
        text += git.inspect("diff", *PLAIN, "--no-index", "--", "/dev/null", name, codes=(0, 1)).out
    changes += tuple(Change("A", name) for name in untracked)
    cut = len(text) > MAX_DIFF or len(untracked) > MOST_NEW
    return Compared(full, None, changes, text[:MAX_DIFF].decode("utf-8", "replace"), cut)


def blame(git: Git, path: str, commit: str) -> Blame:
    """Raises NotFound, and Invalid for a file over 16 MiB."""
    full = git.resolve(commit)
    file_at(git, full, path)  # says what is wrong in our words
    out = git.read("blame", "--porcelain", "--encoding=UTF-8", full, "--", path).out.decode("utf-8", "replace")
    lines: list[tuple[str, str]] = []
    facts: dict[str, dict[str, str]] = {}
    at = ""
    for line in out.split("\n"):
        if line.startswith("\t"):
            lines.append((at, line[1:]))
        elif found := BLAMED.match(line):
            at = found[1]
            facts.setdefault(at, {})
        elif at:
            name, _, value = line.partition(" ")
            facts[at].setdefault(name, value)
    return Blame(full, path, tuple(lines), {each: _blamed(each, known) for each, known in facts.items()})


def _blamed(commit: str, known: dict[str, str]) -> Commit:
    email = known.get("author-mail", "").strip("<>")
    made = int(known.get("committer-time", 0)) * 1000
    return Commit(commit, (), known.get("author", ""), email, made, known.get("summary", ""), "")


def _between(git: Git, between: tuple[str, ...], path: str | None = None) -> tuple[tuple[Change, ...], str, bool]:
    base = (*PLAIN, "--no-commit-id", "-r")
    only = ("--", f":(literal){require_path(path)}") if path else ()
    names = git.read("diff-tree", *base, "-z", "--name-status", *between, *only).out
    diff = git.read("diff-tree", *base, "--patch", *between, *only, limit=MAX_DIFF)
    return _changes(names), diff.out.decode("utf-8", "replace"), diff.cut


def _changes(names: bytes) -> tuple[Change, ...]:
    items = [os.fsdecode(item) for item in names.split(b"\0") if item]
    return tuple(Change(kind[0], path) for kind, path in zip(items[::2], items[1::2], strict=True))


def require_path(path: str) -> str:
    """Raises NotFound."""
    if not path or path.startswith(("/", ":", "./", "../")) or "\0" in path or "\n" in path:
        raise NotFound(f"{path[:80]!r} is not the path of a file in the jobs repo")
    return path


def file_at(git: Git, commit: str, path: str) -> bytes:
    """The file as committed. Raises NotFound, also for a folder, and Invalid when it is over 16 MiB."""
    where = f"{require_commit(commit)}:{require_path(path)}"
    found = git.read("cat-file", "blob", where, codes=(0, 128), limit=MAX_FILE)
    if found.cut:
        raise Invalid(f"{path} is larger than {MAX_FILE // 1024 // 1024} MiB")
    if found.code != 0:
        raise NotFound(f"{commit[:12]} has no file {path}")
    return found.out


def ever_held(git: Git, commit: str, path: str) -> bool:
    """Whether `commit` or one before it has, or had, a file at `path`."""
    return bool(git.read("rev-list", "--max-count=1", commit, "--", f":(literal){path}").out)


def _log(git: Git, *args: str, paths: tuple[str, ...] = ()) -> tuple[Commit, ...]:
    only = (f":(literal){path}" for path in paths)
    out = git.read("log", "--no-show-signature", f"--format=tformat:{FIELDS}", *args, "--", *only).out
    fields = out.decode("utf-8", "replace").split("\0")
    rows = (fields[at : at + FIELD_COUNT] for at in range(0, len(fields) - FIELD_COUNT, FIELD_COUNT))
    return tuple(_commit(row) for row in rows)


def _commit(row: list[str]) -> Commit:
    commit, parents, author, email, seconds, subject, body = row
    return Commit(commit.strip(), tuple(parents.split()), author, email, int(seconds) * 1000, subject, body.strip())

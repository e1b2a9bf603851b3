"""What came from elsewhere is looked at before any of it is taken: names, kinds, sizes, secrets."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from longhouse.errors import Conflict
from longhouse.repo import history, leaks
from longhouse.repo.git import Git, require_commit

LARGEST = 1024 * 1024
"""Bytes of one file; a jobs repo holds code."""
MOST_FILES = 20_000
MOST_LISTED = 64 * 1024 * 1024
"""Bytes of a list of files."""
MOST_DIFF = 64 * 1024 * 1024
"""Bytes of the diff of one commit."""
SHOWN = ("--format=", "--cc", "--unified=0", "--text", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
NAMED = 5
KINDS = {"120000": "is a link", "160000": "is another repository (a submodule)"}
DOT_GIT = re.compile(r"\.git|git~[0-9]+", re.IGNORECASE)
IGNORABLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Characters that a Mac's file system leaves out of names."""


class NotLookedThrough(Conflict):
    """A commit is too large to be looked through, so it goes neither in nor out."""

    code = "sync.not_looked_through"


@dataclass(frozen=True)
class Entry:
    mode: str
    blob: str
    size: int
    path: str


def entries(git: Git, commit: str) -> tuple[Entry, ...]:
    """Raises NotLookedThrough."""
    listing = git.read("ls-tree", "-r", "-l", "-z", "--full-tree", require_commit(commit), limit=MOST_LISTED)
    if listing.cut:
        raise NotLookedThrough(
            f"commit {commit[:10]} names more files than can be looked through, and is not taken",
            hint=f"{MOST_FILES:,} are the most: mend it on the remote with a new commit.",
        )
    found = []
    for item in listing.out.split(b"\0"):
        if item:
            head, _, path = item.partition(b"\t")
            mode, _, blob, size = head.decode().split()
            found.append(Entry(mode, blob, int(size) if size.isdigit() else 0, os.fsdecode(path)))
    return tuple(found)


def problems(theirs: Iterable[Entry], ours: Iterable[Entry]) -> list[str]:
    """Why `theirs` is not taken, one sentence for each file; what we have ourselves is not looked at again. Pure."""
    known, whole = set(ours), tuple(theirs)
    new = [entry for entry in whole if entry not in known]
    found = [f"{_printable(entry.path)} {why}" for entry in new if (why := _wrong(entry))]
    if len(whole) > MOST_FILES:
        found.append(f"there are {len(whole):,} files, and {MOST_FILES:,} are the most")
    return found + list(_clashes(whole, {entry.path for entry in new}))


def _wrong(entry: Entry) -> str | None:
    if entry.mode in KINDS:
        return KINDS[entry.mode]
    if entry.size > LARGEST:
        return f"has {entry.size:,} bytes, and {LARGEST:,} are the most"
    if entry.path.startswith("/") or "\\" in entry.path or any(ord(char) < 32 or char == "\x7f" for char in entry.path):
        return "has a name that is no plain path"
    for part in entry.path.split("/"):
        plain = IGNORABLE.sub("", part).rstrip(" .").partition(":")[0]
        if part in ("", ".", "..") or DOT_GIT.fullmatch(plain):
            return "has a name that git or a file system takes for something else"
    return None


def _clashes(whole: tuple[Entry, ...], new: set[str]) -> Iterator[str]:
    """Names that some file systems take for the same one."""
    seen: dict[str, str] = {}
    for entry in whole:
        parts = entry.path.split("/")
        for count in range(1, len(parts) + 1):
            name = "/".join(parts[:count])
            first = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
            if first != name and any(
                path == each or path.startswith(each + "/") for each in (first, name) for path in new
            ):
                yield f"{_printable(name)} and {_printable(first)} differ only in how they are written"


def secrets_in(git: Git, theirs: Iterable[Entry], ours: Iterable[Entry], finds: leaks.Finds) -> list[str]:
    """`jobs/a.py:3 holds a GitHub user token` for each new file that holds one."""
    known = {entry.blob for entry in ours}
    found = []
    for entry in theirs:
        if entry.blob not in known and entry.mode not in KINDS:
            leak = leaks.in_bytes(entry.path, git.read("cat-file", "blob", entry.blob).out, finds)
            found += [str(leak)] if leak else []
    return found


def secrets_out(git: Git, commit: str, have: str | None, finds: leaks.Finds) -> list[leaks.Leak]:
    """What commits that the remote does not `have` would give away: a person's own commits pass no check of ours.

    Raises NotLookedThrough."""
    since = (f"^{require_commit(have)}",) if have else ()
    whole = git.read("log", *SHOWN, *since, require_commit(commit), "--", limit=MOST_DIFF)
    if not whole.cut:
        return list(_added(whole.out, finds))
    found: list[leaks.Leak] = []
    for each in git.read("rev-list", *since, require_commit(commit)).out.decode().split():
        part = git.read("log", *SHOWN, "--max-count=1", each, "--", limit=MOST_DIFF)
        if part.cut:
            raise NotLookedThrough(
                f"commit {each[:10]} adds more than can be looked through for secrets, and is not pushed",
                hint="A jobs repo holds code: take the large files out of the commit.",
            )
        found += _added(part.out, finds)
    return found


def _added(diff: bytes, finds: leaks.Finds) -> Iterator[leaks.Leak]:
    """Of each file in each commit, the first secret in the lines that it adds."""
    path, part, head = "", bytearray(), False
    for line in [*diff.split(b"\n"), b"diff "]:
        if line.startswith(b"diff "):
            leak = leaks.in_bytes(path, bytes(part), finds)
            if leak:
                yield leak
            part.clear()
            head = True
        elif line.startswith(b"@@"):
            head = False
        elif head and line.startswith(b"+++ "):
            path = os.fsdecode(line[4:].removeprefix(b"b/")).strip('"')
        elif not head and line.startswith(b"+"):
            part += line[1:] + b"\n"


def counted(git: Git, ours: str, theirs: str) -> tuple[int, int]:
    """Commits that only we have, and that only they have."""
    out = git.read("rev-list", "--left-right", "--count", f"{require_commit(ours)}...{require_commit(theirs)}").out
    left, right = out.split()
    return int(left), int(right)


def base(git: Git, ours: str, theirs: str) -> str | None:
    """The newest commit that both have; None for unrelated histories."""
    found = git.read("merge-base", require_commit(ours), require_commit(theirs), codes=(0, 1))
    return found.out.decode().split("\n")[0] or None


def said(found: list[str]) -> str:
    more = len(found) - NAMED
    return "; ".join(found[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def text_of(git: Git, commit: str, path: str) -> str | None:
    """The file as text, None if `commit` has none there."""
    names = git.read("ls-tree", "-z", "--full-tree", require_commit(commit), "--", path).out
    return history.file_at(git, commit, path).decode("utf-8", "replace") if names else None


def _printable(path: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in path)[:120]

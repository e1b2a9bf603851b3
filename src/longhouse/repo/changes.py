"""A change of some files as one commit: prepared beside the tree, then taken into it so that no crash can split it.

First the commit is named as pending, then the branch moves to it, then the files and the index follow. Whoever is
killed in between is finished by the next one who looks, so an edit is in history whole or was never accepted. A step
over commits that somebody else made goes the same way.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from longhouse.errors import NotFound
from longhouse.repo import beneath, locks
from longhouse.repo.checkouts import SUBMODULE, blob_id
from longhouse.repo.commits import CommitBlocked
from longhouse.repo.git import Git, GitFailed
from longhouse.repo.history import MAX_FILE

PENDING = "refs/longhouse/pending"
"""The journal: a commit that is being taken in."""
ADVANCING = "refs/longhouse/advancing"
"""The same for a step: a commit whose parents are where the branch was and where it goes."""
WAIT_SECONDS = 5.0
"""How long another git process may hold the index before a change is refused."""
PLAIN, EXECUTABLE = "100644", "100755"
NOTHING = "000000"
AT_ONCE = 100
"""Blobs that git is asked for in one call."""

Writes = Mapping[str, bytes | None]
"""The new bytes of each path; None: it goes away."""


class Moved(Exception):
    """The branch is no longer where the change began."""


@dataclass(frozen=True)
class File:
    """One file of a change, before and after; modes are git's, ids are those of blobs."""

    path: str
    mode_before: str
    mode: str
    before: str
    after: str


def prepare(git: Git, parents: Sequence[str], writes: Writes, message: str, author: tuple[str, str]) -> str:
    """A commit on no branch: the files of the first parent with these changes. `author` is name and address."""
    with _folder(git) as folder:
        index = folder / "index"
        git.write("read-tree", parents[0], index=index)
        git.write("update-index", "-z", "--index-info", index=index, data=_entries(git, parents[0], writes))
        tree = git.write("write-tree", index=index).out.decode().strip()
    who = ("-c", f"author.name={author[0]}", "-c", f"author.email={author[1]}")
    names = [word for parent in parents for word in ("-p", parent)]
    return git.write(*who, "commit-tree", tree, *names, data=message.encode()).out.decode().strip()


def files(git: Git, before: str, after: str) -> tuple[File, ...]:
    """What differs between two commits."""
    out = git.read("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", before, after).out
    items = out.split(b"\0")
    return tuple(_file(head, path) for head, path in zip(items[:-1:2], items[1::2], strict=False))


def content(git: Git, blob: str) -> bytes | None:
    """The bytes that a blob id names; None if the repository has none of that id."""
    found = git.read("cat-file", "blob", blob, codes=(0, 128), limit=MAX_FILE)
    return found.out if found.code == 0 else None


def accept(git: Git, commit: str, branch: str) -> None:
    """Take a prepared commit into the branch, the index and the tree. Raises Moved, and CommitBlocked while another git
    process is at work; nothing has happened then."""
    _accept(git, branch, _parent(git, commit), commit, PENDING, commit)


def advance(git: Git, old: str, new: str, branch: str) -> None:
    """The same for a commit `new` that has `old` somewhere behind it."""
    step = git.write("commit-tree", f"{new}^{{tree}}", "-p", old, "-p", new, data=b"A step").out.decode().strip()
    _accept(git, branch, old, new, ADVANCING, step)


def _accept(git: Git, branch: str, old: str, new: str, journal: str, entry: str) -> None:
    with _locked_index(git) as lock:
        git.write("update-ref", journal, entry)
        try:
            git.write("update-ref", "-m", "change", f"refs/heads/{branch}", new, old)
        except GitFailed:
            if git.ref(f"refs/heads/{branch}") == old:
                raise
            git.write("update-ref", "-d", journal)
            raise Moved from None
        _take_in(git, files(git, old, new), lock)
    git.write("update-ref", "-d", journal)


def complete(git: Git, branch: str) -> str | None:
    """Finish what a crash cut short; the commit it was about. Bytes that somebody wrote since then stay in the tree."""
    journal = next((name for name in (PENDING, ADVANCING) if (git.git_dir / name).exists()), None)
    if journal is None:
        return None
    entry = git.ref(journal)
    if entry is None:
        raise NotFound(f"{journal} names no commit of the jobs repo")
    old, new = _parent(git, entry), entry if journal == PENDING else _parent(git, entry, 2)
    at = git.ref(f"refs/heads/{branch}")
    if at == old:
        git.write("update-ref", "-m", "change", f"refs/heads/{branch}", new, old)
    if at in (old, new):
        with _locked_index(git) as lock:
            _take_in(git, files(git, old, new), lock)
    elif at is None or git.read("merge-base", "--is-ancestor", new, at, codes=(0, 1)).code == 1:
        git.write("update-ref", f"refs/heads/drafts/interrupted-{new[:12]}", new)
    beneath.sweep(git.work_tree)
    git.write("update-ref", "-d", journal)
    return new


def _entries(git: Git, parent: str, writes: Writes) -> bytes:
    """Lines for `update-index --index-info`; a file keeps its mode."""
    executable = executables(git, parent, tuple(writes))
    lines = []
    for path, data in writes.items():
        if data is None:
            lines.append(f"0 {'0' * len(parent)}\t{path}".encode())
        else:
            blob = git.write("hash-object", "-w", "--stdin", data=data).out.decode().strip()
            lines.append(f"{EXECUTABLE if path in executable else PLAIN} {blob}\t{path}".encode())
    return b"".join(line + b"\0" for line in lines)


def executables(git: Git, commit: str, paths: Sequence[str]) -> frozenset[str]:
    out = git.read("ls-tree", "-z", "--full-tree", commit, "--", *paths).out
    return frozenset(line.partition(b"\t")[2].decode() for line in out.split(b"\0") if line.startswith(b"100755"))


def _file(head: bytes, path: bytes) -> File:
    mode_before, mode, before, after, _ = head.decode().lstrip(":").split(" ")
    return File(os.fsdecode(path), mode_before, mode, before, after)


def _parent(git: Git, commit: str, number: int = 1) -> str:
    return git.read("rev-parse", "--verify", f"{commit}^{number}").out.decode().strip()


def _contents(git: Git, blobs: Collection[str]) -> dict[str, bytes]:
    """The bytes of many blobs, with a call for each hundred of them; what is too much for one is left out."""
    found, wanted = {}, sorted(blobs)
    for first in range(0, len(wanted), AT_ONCE):
        asked = "".join(f"{blob}\n" for blob in wanted[first : first + AT_ONCE]).encode()
        out, at = git.write("cat-file", "--batch", data=asked).out, 0
        while (end := out.find(b"\n", at)) >= 0:
            blob, _, size = out[at:end].decode().partition(" blob ")
            if not size or end + 1 + int(size) > len(out):
                break
            found[blob] = out[end + 1 : end + 1 + int(size)]
            at = end + int(size) + 2
    return found


def _take_in(git: Git, changed: Sequence[File], lock: Path) -> None:
    """The tree's files, where they still are what the change began with, and the entries of the index."""
    plain = [file for file in changed if SUBMODULE not in (file.mode_before, file.mode)]
    ids = {blob for file in plain for blob in (file.before, file.after) if blob.strip("0")}
    read = _contents(git, ids) if len(ids) > 2 else {}

    def bytes_of(mode: str, blob: str) -> bytes | None:
        if mode == NOTHING:
            return None
        return read[blob] if blob in read else content(git, blob)

    beneath.put_all(
        git.work_tree,
        [
            beneath.Put(
                file.path,
                bytes_of(file.mode, file.after),
                bytes_of(file.mode_before, file.before),
                executable=file.mode == EXECUTABLE,
            )
            for file in plain
        ],
    )
    lines = "".join(f"{file.mode.replace(NOTHING, '0')} {file.after}\t{file.path}\0" for file in changed)
    with _folder(git) as folder:
        index = folder / "index"
        if (git.git_dir / "index").exists():
            shutil.copyfile(git.git_dir / "index", index)
        else:
            git.write("read-tree", "HEAD", index=index)
        git.write("update-index", "-z", "--index-info", index=index, data=os.fsencode(lines))
        shutil.copyfile(index, lock)
    with lock.open("rb") as file_of_lock:
        os.fsync(file_of_lock.fileno())
    lock.rename(git.git_dir / "index")


@contextmanager
def _locked_index(git: Git) -> Iterator[Path]:
    """git's own lock of the index: no other git changes files, index or branch of the tree meanwhile."""
    lock = git.git_dir / "index.lock"
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            break
        except FileExistsError as error:
            if "index.lock" in locks.heal(git).held and time.monotonic() > end:
                raise CommitBlocked(
                    "Nothing is committed: another git process is at work (index.lock)",
                    hint="Try again when it has ended.",
                ) from error
            time.sleep(0.02)
    try:  # the file stays open: that is how others see that the lock is held
        with git.at_work():
            yield lock
    finally:
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), lock.stat()):
                lock.unlink()  # else it has become the index, and the lock that is there is another's
        os.close(handle)


@contextmanager
def _folder(git: Git) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=git.home, prefix="index-") as folder:
        yield Path(folder)


def blob_of(data: bytes, like: str) -> str:
    """The id of these bytes, in the repository's own format."""
    return blob_id(data, len(like))

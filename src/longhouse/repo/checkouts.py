"""Read-only trees of commits, for jobs to run from.

A checkout holds exactly the commit's bytes: no line-end conversion, no filter, links as plain files. Mode bits stop
nobody who is root, so every use compares what is there with the commit first; one that was changed is built anew.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from longhouse.repo import ages, beneath
from longhouse.repo.git import COMMIT, Git, GitFailed, require_commit
from longhouse.repo.history import MAX_FILE
from longhouse.repo.plain import Changes

Files = dict[str, str]
"""Blob id by path relative to the tree."""

ATTEMPTS = 5
"""Others may build, tamper with or prune the same checkout meanwhile."""
IDLE_SECONDS = 3600.0
"""Who has asked for a checkout may not have said yet that he runs from it."""
MOST_WRITTEN = 5
"""Files that differ from another checkout; with more, git builds the whole faster."""
LISTINGS = 128
"""Commits of which it is remembered what they hold."""
READ_ONLY = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
SEARCHABLE = READ_ONLY | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
SUBMODULE = "160000"

_tree_of: dict[str, str] = {}
"""Of the last commits that were made of a tree whose listing is known already."""


def checkout(git: Git, folder: Path, commit: str) -> Path:
    """The tree of `commit`, verified now. Any number of threads and processes may ask at once."""
    files = listing(git, require_commit(commit))
    place = folder / commit
    if matches(place, files):
        ages.touch(place)
        return place
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(ATTEMPTS):
        built = None if attempt or place.exists() else _linked(git, folder, files)
        _put(built or _build(git, folder, commit), place, files)
        if matches(place, files):
            return place
    raise GitFailed(
        f"the checkout of {commit[:12]} does not stay as it was committed",
        hint="Something changes files below the cache folder of the data directory; find out what, and stop it.",
    )


class NoDraft(Exception):
    """There is no other checkout to make it from, too much differs, or the files change at this moment."""


def draft(git: Git, folder: Path, head: str, changes: Changes) -> Path:
    """What the checkout of a commit with these changes of `head` would be, by the files as they stand now; to be
    compared with what was staged. Raises NoDraft."""
    files = dict(listing(git, head))
    for verb, path in changes:
        files.pop(path, None)
        if verb != "D":
            files[path] = blob_id(_as_it_stands(git, path), len(head))
    try:
        built = _linked(git, folder, files) if folder.is_dir() else None
    except GitFailed as error:  # there is no blob of what a file was a moment ago
        raise NoDraft from error
    if built is None:
        raise NoDraft
    return built / "tree"


def _as_it_stands(git: Git, path: str) -> bytes:
    try:
        data = beneath.read(git.work_tree, path, MAX_FILE)
    except OSError as error:
        raise NoDraft from error
    if data is None:
        raise NoDraft
    return data


def put_draft(git: Git, folder: Path, draft: Path, commit: str) -> None:
    """Make it the checkout of `commit`, with which it was compared."""
    _put(draft.parent, folder / commit, listing(git, commit))


def discard_draft(draft: Path) -> None:
    _discard(draft.parent)


def adopt(folder: Path, tree: str, commit: str) -> None:
    """The checkout of a tree, made before it was committed, becomes that of its commit, if there is none yet."""
    _tree_of[commit] = tree
    while len(_tree_of) > LISTINGS:
        del _tree_of[next(iter(_tree_of))]
    with suppress(OSError):
        os.rename(folder / tree, folder / commit)


def listing(git: Git, commit: str) -> Files:
    """What `commit` holds; a commit never changes, so it is read once. Submodules are left out, as in every clone."""
    return listings(git, _tree_of.get(commit, commit))


@lru_cache(maxsize=LISTINGS)
def listings(git: Git, commit: str) -> Files:
    """By the id of a commit or of a tree."""
    out = git.read("ls-tree", "-r", "-z", "--full-tree", commit).out
    entries = (entry.split(b"\t", 1) for entry in out.split(b"\0") if entry)
    fields = ((head.decode().split(" "), os.fsdecode(path)) for head, path in entries)
    return {path: blob for (mode, _, blob), path in fields if mode != SUBMODULE}


def content(git: Git, folder: Path, commit: str, path: str) -> bytes | None:
    """The bytes of a file as `commit` has it; None if it has none. Read from the checkout, if that is as it should be.
    Raises OSError for a file beyond any size of code."""
    blob = listing(git, commit).get(path)
    if blob is None:
        return None
    with suppress(OSError):
        data = beneath.read(folder / commit, path, MAX_FILE)
        if data is not None and blob_id(data, len(blob)) == blob:
            return data
    found = git.read("cat-file", "blob", blob, limit=MAX_FILE)
    if found.cut:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return found.out


def matches(place: Path, files: Files) -> bool:
    """Whether `place` holds these files, these bytes and nothing else. Every run waits for it, so it is kept short."""
    digits = max(map(len, files.values()), default=40)
    missing = len(files)
    folders = [(str(place), "")]
    try:
        while folders:
            folder, prefix = folders.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((entry.path, name + "/"))
                    elif files.get(name) != _blob_of(entry.path, digits):
                        return False
                    else:
                        missing -= 1
    except OSError:  # a link, a pipe, a file that vanished
        return False
    return missing == 0


def prune(folder: Path, keep: Collection[str], *, idle_seconds: float = IDLE_SECONDS) -> int:
    """Remove checkouts that nobody used for a while, but for those of `keep`, and what a crash left; how many went."""
    if not folder.is_dir():
        return 0
    now = ages.now(folder)
    idle = [each for each in folder.iterdir() if each.name not in keep and ages.age(each, now) >= idle_seconds]
    for place in idle:
        _discard(place)
    return len(idle)


def _blob_of(path: str, digits: int) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, size + 1)
        while len(data) < size and (more := os.read(fd, size - len(data))):
            data += more
    finally:
        os.close(fd)
    return blob_id(data, digits)


def blob_id(data: bytes, digits: int = 40) -> str:
    """git's name for a file of these bytes."""
    digest = hashlib.sha256() if digits == 64 else hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(data))
    digest.update(data)
    return digest.hexdigest()


def _linked(git: Git, folder: Path, files: Files) -> Path | None:
    """Most commits change a file or two: the others are those of the newest checkout, linked. None if there is no such
    checkout, or too much differs. What was tampered with there shows when the result is compared."""
    base = _newest(folder)
    if base is None:
        return None
    try:
        known = listing(git, base.name)
    except GitFailed:  # a trial's, and housekeeping took its objects
        return None
    new = {path: blob for path, blob in files.items() if known.get(path) != blob}
    if len(new) > MOST_WRITTEN:
        return None
    place = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    tree, source = f"{place}/tree", str(base)  # of thousands of files, joining with pathlib takes longer than linking
    try:
        for each in {os.path.dirname(path) for path in files}:
            os.makedirs(f"{tree}/{each}", exist_ok=True)
        for path in files.keys() - new.keys():
            os.link(f"{source}/{path}", f"{tree}/{path}", follow_symlinks=False)
        for path, blob in new.items():
            Path(tree, path).write_bytes(_bytes_of(git, path, blob))
            os.chmod(f"{tree}/{path}", READ_ONLY)
        for current, below, _ in os.walk(tree, topdown=False):
            for name in below:
                os.chmod(os.path.join(current, name), SEARCHABLE)
    except OSError:  # it is being pruned, or the file system knows no links
        _discard(place)
        return None
    return place


def _bytes_of(git: Git, path: str, blob: str) -> bytes:
    """What `blob` holds. A file that was committed a moment ago still lies in the work tree."""
    with suppress(OSError):
        data = beneath.read(git.work_tree, path, MAX_FILE)
        if data is not None and blob_id(data, len(blob)) == blob:
            return data
    return git.read("cat-file", "blob", blob).out


def _newest(folder: Path) -> Path | None:
    found = [each for each in folder.iterdir() if COMMIT.match(each.name)]
    ages_of = {}
    for each in found:
        with suppress(OSError):
            ages_of[each] = each.stat().st_mtime_ns
    return max(ages_of, key=lambda each: ages_of[each], default=None)


def _build(git: Git, folder: Path, commit: str) -> Path:
    place = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    tree = place / "tree"
    tree.mkdir()
    git.read("read-tree", "--reset", "-u", commit, index=place / "index", work_tree=tree)
    for current, _, names in os.walk(tree, topdown=False):
        for name in names:
            os.chmod(os.path.join(current, name), READ_ONLY)  # an executable bit has no use: Python reads the file
        if current != str(tree):
            os.chmod(current, SEARCHABLE)
    return place


def _put(built: Path, place: Path, files: Files) -> None:
    """Move `built`/tree to `place`. One that another caller made stays: a run may be importing from it right now."""
    for attempt in range(2):
        try:
            os.rename(built / "tree", place)
            os.chmod(place, SEARCHABLE)
        except OSError:
            if attempt == 0 and not matches(place, files):
                _set_aside(place, built / "tampered")
                continue
        break
    _discard(built)


def _set_aside(place: Path, aside: Path) -> None:
    with suppress(OSError):
        os.chmod(place, 0o700, follow_symlinks=True)  # a folder moves to another parent only if it is writable
        os.rename(place, aside)


def _discard(place: Path) -> None:
    if place.is_symlink() or not place.is_dir():
        place.unlink(missing_ok=True)
        return
    for current, folders, _ in os.walk(place):
        for path in (current, *(os.path.join(current, name) for name in folders)):
            if not os.path.islink(path):
                with suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(place, ignore_errors=True)

"""git's lock files: one that a dead process left behind is taken away, one that somebody holds is respected.

A killed git leaves its lock and every later commit fails. But a lock may be held by a person whose `git commit` waits
in an editor, with no file open at all. So a lock is stale only if it is a few seconds old, no process has it open, and
no git process works on this repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from longhouse.repo import ages
from longhouse.repo.git import Git

STALE_SECONDS = 3.0
PROC = Path("/proc")


@dataclass(frozen=True)
class Locks:
    """Names relative to the repository."""

    healed: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


def heal(git: Git, *, stale_seconds: float = STALE_SECONDS) -> Locks:
    """Remove the stale locks of the repository. What remains is held, or too young to tell."""
    found = tuple(_locks(git.git_dir))
    if not found:
        return Locks()
    now = ages.now(git.home)
    old = [path for path in found if ages.age(path, now) >= stale_seconds]
    holders = _open_files() if old else frozenset()
    busy = _git_at_work(git) if old else False
    stale = [path for path in old if not busy and not _same_file(path, holders)]
    healed = tuple(path for path in stale if _remove(path))
    return Locks(
        healed=tuple(str(path.relative_to(git.git_dir)) for path in healed),
        held=tuple(str(path.relative_to(git.git_dir)) for path in found if path not in healed),
    )


def _locks(git_dir: Path) -> Iterator[Path]:
    yield from sorted(git_dir.glob("*.lock"))
    yield from sorted((git_dir / "refs").rglob("*.lock"))


def _remove(path: Path) -> bool:
    with suppress(OSError):
        path.unlink()
        return True
    return False


def _same_file(path: Path, holders: frozenset[tuple[int, int]]) -> bool:
    try:
        info = path.lstat()
    except OSError:
        return False
    return (info.st_dev, info.st_ino) in holders


def _processes() -> Iterator[Path]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            yield entry


def _open_files() -> frozenset[tuple[int, int]]:
    """(device, inode) of every lock file that some process we may look into has open."""
    found = set()
    for process in _processes():
        with suppress(OSError):
            for link in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(link.readlink()).endswith(".lock"):
                        info = link.stat()
                        found.add((info.st_dev, info.st_ino))
    return frozenset(found)


def _git_at_work(git: Git) -> bool:
    """Whether a git process works on this repository; one that cannot be looked into counts."""
    places = (os.path.realpath(git.git_dir), os.path.realpath(git.work_tree))
    return any(_is_git(process) and _works_on(process, places) for process in _processes())


def _is_git(process: Path) -> bool:
    with suppress(OSError):
        return (process / "comm").read_text().startswith("git")
    return False


def _works_on(process: Path, places: tuple[str, str]) -> bool:
    try:
        where = os.readlink(process / "cwd")
        if any(where == place or where.startswith(place + "/") for place in places):
            return True
        said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False  # ended meanwhile
    except OSError:
        return True
    return any(os.fsencode(place) in said for place in places)

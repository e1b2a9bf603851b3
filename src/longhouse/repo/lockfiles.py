"""Lock files: what uv made of requirements, committed beside them, so that no run ever resolves anything.

`requirements.lock` belongs to requirements.txt, `jobs/x.py.lock` to the block in jobs/x.py. The first line says what it
was made from and for which Python; a lock of anything else does not count. A lock is an input like any other: it may
have come from somewhere else, and may name packages and hashes, but no index and no option.
"""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from longhouse.repo.requirements import REQUIREMENTS, EnvironmentFailed, Wanted

NAME = "requirements.lock"
HEAD = "# Locked by Longhouse Jobs"


@dataclass(frozen=True)
class LockFile:
    path: str
    """Relative to the tree."""
    text: str


def path_of(file: str) -> str:
    """Where the lock of the requirements in `file` is."""
    return NAME if file == REQUIREMENTS else f"{file}.lock"


def owner_of(path: str) -> str | None:
    """The file whose requirements a lock at `path` would be of; None for a path that is no lock's."""
    if path == NAME:
        return REQUIREMENTS
    return path.removesuffix(".lock") if path.endswith(".py.lock") else None


def lock_file(asked: Wanted, body: str) -> LockFile:
    return LockFile(path_of(asked.file), f"{_first_line(asked)}\n{body}")


def body(tree: Path, asked: Wanted) -> str | None:
    """What is locked in `tree` for exactly these requirements and this Python; None if that is not there.

    Raises EnvironmentFailed for one that holds more than packages and their hashes.
    """
    name = path_of(asked.file)
    try:
        first, _, text = (tree / name).read_text("utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if first.rstrip("\r") != _first_line(asked):
        return None
    for number, line in enumerate(text.splitlines(), 2):
        words = re.sub(r"(^|\s)#.*$", "", line).split()
        if option := next((word for word in words if word.startswith("-") and not word.startswith("--hash=")), ""):
            raise EnvironmentFailed(
                f"{name}:{number}: {option[:40]} does not belong into a lock",
                hint="Delete the file: it is made anew from what it locks.",
            )
    return text


def _first_line(asked: Wanted) -> str:
    digest = hashlib.sha256(asked.text.encode()).hexdigest()[:24]
    return f"{HEAD} from {asked.file} ({digest}) for {python()}"


def python() -> str:
    """The interpreter that a resolution is good for."""
    release = ".".join(platform.python_version_tuple()[:2])
    return f"{platform.python_implementation()} {release}, {platform.system()} {platform.machine()}"

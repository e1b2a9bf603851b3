"""Which git is run: the one at a known place, and none that lacks what is asked of it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from longhouse.errors import CannotStart

SEARCHED = ("/usr/bin", "/usr/local/bin", "/bin", "/opt/git/bin")
OLDEST = (2, 38)
"""Its `merge-tree --write-tree` merges two histories without touching a file. Older ones pass over in silence what
keeps other settings out (GIT_CONFIG_GLOBAL, 2.32) and what makes a commit last (core.fsync, 2.36)."""
SAID = re.compile(r"git version (?P<whole>(?P<major>\d{1,4})\.(?P<minor>\d{1,4})[\w.-]*)")
INSTALL = "Install it, on Debian: apt-get install git"


def find_program() -> Path:
    found = shutil.which("git", path=os.pathsep.join(SEARCHED))
    if found is None:
        raise CannotStart("git is not installed on this machine", hint=INSTALL)
    return Path(found)


def require_recent(said: str, program: Path) -> str:
    """The version in what `git version` said. Raises CannotStart."""
    needed = ".".join(map(str, OLDEST))
    found = SAID.match(said)
    if found is None:
        raise CannotStart(f"{program} does not say which version of git it is", hint=INSTALL)
    if (int(found["major"]), int(found["minor"])) < OLDEST:
        raise CannotStart(
            f"git {found['whole']} at {program} is too old: {needed} is needed at least",
            hint=f"Install git {needed} or newer; {', '.join(SEARCHED)} are searched in this order.",
        )
    return found["whole"]

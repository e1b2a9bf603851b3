"""Changes of a few plain files, the everyday ones, into the index with one call of git; the rest goes the long way."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence

from longhouse.repo.git import Git

MOST = 20
VERBS = {" M": "M", " D": "D", "??": "A"}
"""What git calls a path in the tree that nobody has staged, and what its change is."""

Changes = tuple[tuple[str, str], ...]
"""(A|M|D, path)"""


def found(git: Git, entries: Sequence[tuple[str, str]], only: Collection[str], but: Collection[str]) -> Changes | None:
    """What of git's status entries is to be committed, if all of it is plain; None if somebody has staged something, or
    there is more than plain files, which `git add` knows to handle."""
    wanted = [(code, path) for code, path in entries if (not only or path in only) and path not in but]
    if len(wanted) > MOST or any(code not in VERBS for code, _ in entries):
        return None
    if not all(code == " D" or _is_plain(git, path) for code, path in wanted):
        return None
    return tuple(sorted(((VERBS[code], path) for code, path in wanted), key=lambda change: change[1]))


def stage(git: Git, changes: Changes) -> bool:
    """False if git could not: a file cannot be read, or became something else meanwhile."""
    paths = b"".join(os.fsencode(path) + b"\0" for _, path in changes)
    return git.write("update-index", "--add", "--remove", "-z", "--stdin", data=paths, codes=(0, 128)).code == 0


def _is_plain(git: Git, path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(git.work_tree / path).st_mode)
    except OSError:
        return False

"""Two texts that began as one, put together: git's own three-way merge of a file."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from longhouse.repo.git import Git

DRAFT = re.compile(r"(?!.*\.lock\Z)[A-Za-z0-9][A-Za-z0-9_-]{0,59}\Z")
LABELS = ("yours", "before", "theirs")


@dataclass(frozen=True)
class Merged:
    data: bytes
    clean: bool
    """No lines had to be put beside each other for somebody to choose."""


def three_way(git: Git, base: bytes, yours: bytes, theirs: bytes) -> Merged:
    """Where both changed the same lines, the result has both between <<<<<<< yours and >>>>>>> theirs."""
    git.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=git.home, prefix="merge-") as folder:
        paths = []
        for label, data in zip(LABELS, (yours, base, theirs), strict=True):
            path = Path(folder) / label
            path.write_bytes(data)
            paths.append(str(path))
        labels = [word for label in LABELS for word in ("-L", label)]
        done = git.read("merge-file", "-p", *labels, *paths, codes=range(128))
    return Merged(done.out, done.code == 0)

"""What a remote sends arrives in a folder of its own, and is part of the repository once all of it is there.

So a try that fails leaves nothing behind, and what is on its way can be measured: git limits what is pushed to it, not
what it fetches.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from longhouse.repo.git import Git

LARGEST = 256 * 1024 * 1024
"""Bytes that one fetch may bring. A jobs repo holds code, a megabyte of it as a rule; and what is larger than this does
not come over an ordinary line within one try."""
PREFIX = "tmp_objdir-longhouse-"
"""git's own housekeeping knows the beginning, and removes what a killed server left."""
LAST = ".idx"
"""A pack is there for every git that looks as soon as its index is."""


@dataclass(frozen=True)
class Quarantine:
    folder: Path
    objects: Path
    """Of the repository; what is there is seen from here, too."""
    most: int
    """Bytes."""

    @property
    def env(self) -> Mapping[str, str]:
        quoted = str(self.objects).replace("\\", "\\\\").replace('"', '\\"')
        return {"GIT_OBJECT_DIRECTORY": str(self.folder), "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'}

    def size(self) -> int:
        """Bytes on disk, of what git is still writing, too."""
        total = 0
        for parent, _, names in os.walk(self.folder):
            for name in names:
                with suppress(OSError):  # git has just renamed it
                    total += os.lstat(os.path.join(parent, name)).st_size
        return total

    def too_large(self) -> bool:
        return self.size() > self.most

    def admit(self) -> None:
        """Make all of it objects of the repository."""
        came = [path for path in self.folder.glob("*/*") if path.is_file()]
        for path in sorted(came, key=lambda path: path.suffix == LAST):
            target = self.objects / path.relative_to(self.folder)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)


@contextmanager
def quarantine(git: Git) -> Iterator[Quarantine]:
    """Empty, and gone afterwards. One at a time, as there is one sync at a time."""
    objects = git.git_dir / "objects"
    for left in objects.glob(f"{PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    made = Quarantine(Path(tempfile.mkdtemp(prefix=PREFIX, dir=objects)), objects, LARGEST)
    try:
        yield made
    finally:
        shutil.rmtree(made.folder, ignore_errors=True)  # a git that is being ended may still write: the next one clears

"""How old files are, by the clock of the file system that stamps them: whatever happens to the wall clock."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def now(folder: Path) -> float:
    """What the file system of `folder` would stamp a file with. Nothing stays there."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime


def age(path: Path, at: float) -> float:
    """Seconds since `path` was last changed, -1 if it is gone."""
    try:
        return max(0.0, at - path.lstat().st_mtime)
    except OSError:
        return -1.0


def touch(path: Path) -> None:
    """Used now. Does nothing for what is gone."""
    try:
        os.utime(path)
    except OSError:
        return

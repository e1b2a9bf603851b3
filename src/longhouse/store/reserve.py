"""Disk space that is set aside for the day when there is none: with it, what runs can still be brought to its end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from longhouse.errors import StorageFull

MIB = 1024 * 1024
SIZE = 32 * MIB
LEAST_FREE = 16 * MIB
"""Nothing new begins below this."""
SMALL_VOLUME = 4
"""On a tiny volume the reserve is this part of it at most, and the least free space half of that."""


class Reserve:
    """A file of real blocks. It is given up when a write of the database fails for want of space, and made again when
    there is enough; from the one to the other, and whenever little space is left, the disk counts as full.

    Without a path it keeps nothing and nothing is ever full. From any thread.
    """

    def __init__(self, path: Path | None = None, *, size: int = SIZE) -> None:
        self.path = path
        self.size, self.least = size, LEAST_FREE
        if path is not None:
            total = _volume(path)[1]
            self.size = min(size, total // SMALL_VOLUME)
            self.least = min(LEAST_FREE, total // SMALL_VOLUME // 2)
        self.full_since: int | None = None
        """Milliseconds; None: there is space."""
        self.last: tuple[int, int] | None = None
        """The newest time of fullness that is over, milliseconds."""
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        return self.full_since is not None

    def since(self, now: int) -> int | None:
        """Since when the disk is full, None if it is not. Looks at the disk itself, so it is true at once."""
        if not self.full and self.path is not None and _volume(self.path)[0] < self.least:
            with self._lock:
                self.full_since = self.full_since or now
        return self.full_since

    def refuse(self, now: int) -> None:
        """Raises StorageFull if nothing new is to begin."""
        if self.since(now) is not None:
            raise StorageFull(
                "the disk is full: no new run is accepted",
                hint="Free some disk space; within half a minute runs are accepted again, without a restart.",
            )

    def give(self, now: int) -> None:
        """The disk is full: the reserve becomes free space."""
        with self._lock:
            self.full_since = self.full_since or now
            if self.path is not None and self.path.exists():
                os.truncate(self.path, 0)

    def look(self, now: int) -> bool:
        """Whether the disk is full, now; keeps the reserve if there is space for it."""
        if self.path is None:
            self._over(now)
            return False
        with self._lock:
            missing = self.size - self._kept()
            if _volume(self.path)[0] - missing < self.least or (missing and not self._keep()):
                self.full_since = self.full_since or now
                return True
        self._over(now)
        return False

    def _over(self, now: int) -> None:
        if self.full_since is not None:
            self.last, self.full_since = (self.full_since, now), None

    def _kept(self) -> int:
        assert self.path is not None
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return 0
        return min(found.st_size, self.size)

    def _keep(self) -> bool:
        assert self.path is not None
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(fd, 0, self.size)
            except OSError:
                os.ftruncate(fd, 0)
                return False
            finally:
                os.close(fd)
        except OSError:
            return False
        return True


def _volume(path: Path) -> tuple[int, int]:
    """(free bytes for us, bytes in all) of the file system that holds `path`."""
    found = os.statvfs(path.parent)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

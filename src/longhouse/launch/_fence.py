"""A fence around the processes of one run: a pids cgroup of its own, where this machine lets us make one.

Standard library only. Behind a fence a fork over the limit fails at once, all members are known without looking for
them, and a fence that is shut lets nothing new be born: what forks faster than we can kill is ended all the same.
"""

from __future__ import annotations

import contextlib
import os

PREFIX = "longhouse-jobs-"


def site() -> str | None:
    """The folder in which fences can be made; None if there is none. Finds out by making one."""
    try:
        with open("/proc/self/cgroup") as cgroups, open("/proc/self/mounts") as mounts:
            candidates = sites(cgroups.read(), mounts.read())
    except OSError:
        return None
    return next((found for found, unified in candidates if (not unified or _opened(found)) and _usable(found)), None)


def sites(cgroups: str, mounts: str) -> list[tuple[str, bool]]:
    """Folders that may be ours to use, and whether they are of the unified hierarchy (version 2).

    There, processes live in leaves alone: if we are in one, fences go beside it.
    """
    own = {}
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = path
    old = next((path for names, path in own.items() if "pids" in names.split(",")), None)
    found = []
    for line in mounts.splitlines():
        _, point, kind, options, *_ = line.split(" ")
        if kind == "cgroup" and old is not None and "pids" in options.split(","):
            found.append((os.path.normpath(point + old), False))
        elif kind == "cgroup2" and own.get("", "/") != "/":
            found.append((os.path.normpath(point + os.path.dirname(own[""])), True))
    return found


def _opened(folder: str) -> bool:
    """Whether a folder of the unified hierarchy was handed to us; its children then count their processes."""
    try:
        delegated = os.stat(folder).st_uid == os.geteuid() != 0
        with contextlib.suppress(OSError):
            delegated = delegated or os.getxattr(folder, "user.delegate") == b"1"
        if delegated:
            _write(f"{folder}/cgroup.subtree_control", "+pids")
    except OSError:
        return False
    return delegated


def _usable(folder: str) -> bool:
    """A process can be put behind a fence there: tried with one that ends at once."""
    fence = Fence(folder, f"{os.getpid()}-0", 1)
    if not fence.made:
        return False
    try:
        pid = os.posix_spawn(
            "/bin/sh", ["sh", "-c", f'echo $$ > "{fence.path}/cgroup.procs"'], {"LANG": "C"}, file_actions=_SILENT
        )
        return os.waitpid(pid, 0)[1] == 0
    except OSError:
        return False
    finally:
        fence.remove()


_SILENT = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]


def sweep(folder: str, owner: int | None = None) -> None:
    """Remove the empty fences of runners that are gone, or of `owner`."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            pid, _, _ = name.removeprefix(PREFIX).partition("-")
            if not name.startswith(PREFIX) or not pid.isdecimal():
                continue
            if int(pid) == owner or (owner is None and not os.path.exists(f"/proc/{pid}")):
                with contextlib.suppress(OSError):  # not empty, or somebody was first
                    os.rmdir(f"{folder}/{name}")


class Fence:
    def __init__(self, folder: str, name: str, most: int) -> None:
        """`most` processes and threads."""
        self.path = f"{folder}/{PREFIX}{name}"
        self.events = -1
        """Readable as POLLPRI when a fork was refused."""
        self.made = False
        try:
            os.mkdir(self.path)
            self.made = True
            _write(f"{self.path}/pids.max", str(most))
            self.events = os.open(f"{self.path}/pids.events", os.O_RDONLY | os.O_CLOEXEC)
            self.breached()
        except OSError:
            self.remove()

    def enter(self) -> None:
        """Put the calling process behind it, and with it all that it will start."""
        _write(f"{self.path}/cgroup.procs", str(os.getpid()))

    def breached(self) -> bool:
        """Whether a fork was refused since it was made."""
        try:
            return int(os.pread(self.events, 200, 0).split()[1]) > 0
        except (OSError, IndexError):
            return False

    def shut(self) -> None:
        """No fork behind it succeeds from now on."""
        with contextlib.suppress(OSError):
            _write(f"{self.path}/pids.max", "0")

    def members(self) -> list[int]:
        try:
            with open(f"{self.path}/cgroup.procs") as file:
                return [int(pid) for pid in file]
        except OSError:
            return []

    def remove(self) -> None:
        """When nothing is behind it any more."""
        if self.events >= 0:
            os.close(self.events)
            self.events = -1
        if self.made:
            self.made = False
            with contextlib.suppress(OSError):
                os.rmdir(self.path)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)

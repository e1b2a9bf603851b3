"""What /proc says about processes. Standard library only: the runner imports it, too."""

from __future__ import annotations

import os
import signal
import time

MARKER = "LONGHOUSE_JOBS_ATTEMPT"
"""The variable that every process of an attempt inherits."""


def boot_id() -> str:
    """Changes with every start of the machine: the same pid before and after is another process."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


class Status:
    """What we want to know of a process. No NamedTuple: `typing` is two megabytes of a runner that may have twelve."""

    def __init__(self, state: str, parent: int, group: int, session: int, started: int) -> None:
        self.state = state
        self.parent = parent
        self.group = group
        self.session = session
        self.started = started
        """Clock ticks since boot."""


def status(pid: int) -> Status | None:
    """None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before it may hold spaces and brackets
    except OSError:
        return None
    return Status(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def started_ticks(pid: int) -> int | None:
    found = status(pid)
    return None if found is None else found.started


def alive(pid: int) -> bool:
    """Whether it can still do something: a zombie cannot."""
    found = status(pid)
    return found is not None and found.state not in "ZX"


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def threads(pid: int) -> int:
    """How many it has, told by the links to their folder; 0 if there is no such process."""
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink - 2
    except OSError:
        return 0


def children(pid: int) -> list[int]:
    """Its children, zombies included."""
    try:
        found = b""
        for thread in (pid,) if threads(pid) == 1 else os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += file.read()
        return [int(each) for each in found.split()]
    except FileNotFoundError:
        if not os.path.exists(f"/proc/{pid}/task"):
            return []
    except OSError:
        return []
    # a kernel that keeps no list of children
    return [each for each in all_pids() if (known := status(each)) is not None and known.parent == pid]


def descendants(pid: int) -> list[int]:
    """Everything below `pid`, parents before their children."""
    found: list[int] = []
    waiting = children(pid)
    while waiting:
        found.extend(waiting)
        waiting = [below for each in waiting for below in children(each)]
    return found


def crowded(pid: int, most: int) -> bool:
    """Whether more than `most` processes and threads are below `pid`. Looks only if the machine has so many at all."""
    if tasks_of_machine() <= most:
        return False
    count, waiting = 0, children(pid)
    while waiting and count <= most:
        each = waiting.pop()
        count += threads(each)
        waiting.extend(children(each))
    return count > most


def tasks_of_machine() -> int:
    """Processes and threads of everybody."""
    with open("/proc/loadavg") as file:
        return int(file.read().split()[3].partition("/")[2])


def send(pid: int, number: int) -> bool:
    """Whether there was such a process to signal."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_all(pids: list[int]) -> set[int]:
    """KILL those of them that still live, with their process groups; which of them those were.

    A group is signalled in one go: a process that forks and exits all the time, faster than we can look, is in it.
    Groups of our own session are spared: we are in one of them.
    """
    living = {pid: known for pid in pids if (known := status(pid)) is not None and known.state not in "ZX"}
    own = os.getsid(0)
    for group in {known.group for known in living.values() if known.session != own}:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    return {pid for pid in living if send(pid, signal.SIGKILL)}


def carrying(marker: str) -> list[int]:
    """Every living process that was started with this marker in its environment."""
    wanted = f"{MARKER}={marker}".encode()
    found = []
    for pid in all_pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            continue
    return found


def kill_leftovers(pid: int | None, ticks: int | None, boot: str | None, marker: str) -> int:
    """End what is left of an attempt whose owner is gone; how many processes that were.

    `pid` counts only if it is still the same process: same start time, same boot. The rest is found by its marker.
    """
    killed: dict[int, int | None] = {}
    same = pid is not None and ticks is not None and boot == boot_id() and started_ticks(pid) == ticks
    deadline, quiet = time.monotonic() + 5, 0
    # Twice in a row: a process that forked behind our look and was gone before our kill has left a child to find.
    while quiet < 2 and time.monotonic() < deadline:
        left = set(carrying(marker))
        if same and pid is not None and started_ticks(pid) == ticks:
            left |= {pid, *descendants(pid)}
        # one that is ending has lost its environment before it is gone
        left |= {each for each, started in killed.items() if started_ticks(each) == started}
        ended = kill_all(list(left))
        killed |= {each: started_ticks(each) for each in ended - killed.keys()}
        quiet = 0 if ended else quiet + 1
        time.sleep(0.005)
    return len(killed)

"""The process between the runner and one child: it starts the child, ends its tree, and tells how it ended.

Standard library only. It is a child subreaper, so whatever the child starts, detached or not, becomes its own child
when its parent goes; "no child left" is then the same as "nothing left of the tree". It also ends a tree that grows
over the limit of processes: behind a fence, if there is one, else by counting.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import time

from longhouse.launch._fence import Fence
from longhouse.launch._processes import crowded, descendants, kill_all, send, started_ticks, tasks_of_machine

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

OOM_SCORE = 500
MESSAGES_FD = 3
"""Where the child finds its socket."""
LOOK_SECONDS = 0.1
"""How often the tree is looked at for too many processes."""
SPARE_TASKS = 2
"""Without a fence an ordinary user may start this many times the limit above what the machine had at the start: then
forks fail, before the next look."""

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def prctl(option: int, value: int) -> None:
    if _prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


class Wakeup:
    """Makes SIGCHLD something that poll sees."""

    def __init__(self) -> None:
        self.fd, write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def clear(self) -> None:
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            pass


class Order:
    """What to start, as it comes from the instance: parts between NUL bytes, which none of them can contain."""

    def __init__(self, data: bytes) -> None:
        memory, tasks, self.cwd, count, *rest = data.split(b"\0")
        self.memory_bytes = int(memory)
        self.tasks = int(tasks)
        """Processes and threads that it may have at once; 0: any number."""
        self.argv = rest[: int(count)]
        self.env = dict(each.split(b"=", 1) for each in rest[int(count) :])


def start(order: Order, fence: Fence | None, out: int, err: int, messages: int) -> tuple[int, str]:
    """Fork and execute; the pid, and why it could not be executed ("" if it could)."""
    told, tell = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            become(order, fence, out, err, messages, tell, parent)
        except BaseException as error:
            os.write(tell, str(error).encode(errors="replace")[:2000])
        finally:
            os._exit(127)
    os.close(tell)
    why = b""
    while part := os.read(told, 4096):
        why += part
    os.close(told)
    return pid, why.decode(errors="replace")


def become(order: Order, fence: Fence | None, out: int, err: int, messages: int, tell: int, parent: int) -> None:
    """In the new process: everything between fork and exec."""
    if fence is not None:
        fence.enter()
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if order.memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (order.memory_bytes, order.memory_bytes))
    if order.tasks and fence is None:  # counts all processes of the user; root has no such limit
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        most = tasks_of_machine() + SPARE_TASKS * order.tasks
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    with open("/proc/self/oom_score_adj", "r+") as file:
        score = min(1000, int(file.read()) + OOM_SCORE)
        file.seek(0)
        file.write(str(score))
    os.umask(0o077)
    null = os.open("/dev/null", os.O_RDONLY)
    # to high numbers first, so that no dup2 closes what the next one needs; everything but 0 to 3 closes on exec
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 16) for fd in (null, out, err, messages)]
    tell = fcntl.fcntl(tell, fcntl.F_DUPFD_CLOEXEC, 16)
    for target, fd in enumerate(high):
        os.dup2(fd, target)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(order.cwd)
        os.execve(order.argv[0], order.argv, order.env)  # noqa: S606
    except OSError as error:
        os.write(tell, f"{error.strerror}: {os.fsdecode(error.filename or b'')}".encode(errors="replace"))
        os._exit(127)


class Supervisor:
    """Watches over one child until nothing of its tree is left."""

    def __init__(
        self, control: socket.socket, lifeline: int, leader: int, wakeup: Wakeup, tasks: int, fence: Fence | None
    ) -> None:
        self.control = control
        self.lifeline = lifeline
        self.leader = leader
        self.wakeup = wakeup
        self.tasks = tasks
        self.fence = fence
        self.crowded = False
        self.status: int | None = None
        """Of the leader, once it has ended."""
        self.kill_at: float | None = None
        self.killed_by_us = False
        self.survivors: set[int] = set()

    def watch(self) -> str:
        """Until the leader has ended, or has to end; why it had to, if that was not asked for."""
        poll = select.poll()
        for fd in (self.wakeup.fd, self.control.fileno(), self.lifeline):
            poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll(self.patience())}
            if self.wakeup.fd in ready:
                self.wakeup.clear()
                self.reap()
            if self.status is not None:
                return ""
            if self.lifeline in ready:
                return "the process that starts all runs died"
            if self.control.fileno() in ready and not self.obey(self.control.recv(64)):
                return "the instance is gone"
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                return ""
            if self.look():
                return ""

    def patience(self) -> int | None:
        """Milliseconds until something has to be looked at."""
        at = [LOOK_SECONDS] if self.tasks else []
        if self.kill_at is not None:
            at.append(max(0.0, self.kill_at - time.monotonic()))
        return int(min(at) * 1000) + 1 if at else None

    def look(self) -> bool:
        """Whether the tree has grown over its limit."""
        if self.tasks:
            self.crowded = self.fence.breached() if self.fence else crowded(os.getpid(), self.tasks)
        return self.crowded

    def obey(self, command: bytes) -> bool:
        """False when there is nobody left to give commands."""
        if not command:
            return False
        if command[:1] == b"T":
            for pid in descendants(os.getpid()):
                send(pid, signal.SIGTERM)
                send(pid, signal.SIGCONT)
        grace = float(command[1:] or 0)
        self.kill_at = min(self.kill_at or float("inf"), time.monotonic() + grace)
        return True

    def reap(self) -> bool:
        """Collect those that have ended; False when there is no child any more."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.leader:
                self.status = status

    def clear(self) -> None:
        """End everything, and wait until nothing is left."""
        self.killed_by_us = self.status is None
        if self.fence is not None:
            self.fence.shut()
            self.look()  # it may have ended because a fork was refused
        poll = select.poll()
        poll.register(self.wakeup.fd, select.POLLIN)
        while True:
            began = time.monotonic()
            members = self.fence.members() if self.fence is not None else []
            killed = kill_all(list({*members, *descendants(os.getpid())}))
            if not self.killed_by_us:
                self.survivors.update(killed)
            if not self.reap():
                return
            took = time.monotonic() - began
            if took > 0.005:  # a big tree: every death would have us look again, and the dying need the processor
                time.sleep(min(0.2, 2 * took))
            poll.poll(20)
            self.wakeup.clear()
            if not self.reap():
                return

    def verdict(self, note: str) -> bytes:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        code = number = ""
        if self.status is not None and not note:
            if os.WIFSIGNALED(self.status):
                number = str(os.WTERMSIG(self.status))
                if number == str(int(signal.SIGKILL)) and not self.killed_by_us:
                    note = "something else killed it; that is what the kernel does when memory runs out"
            else:
                code = str(os.WEXITSTATUS(self.status))
        if self.crowded:
            note = note or f"it had more than {self.tasks} processes and threads at once"
        cpu, peak, left = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, len(self.survivors)
        return "\0".join(("X", code, number, f"{cpu:.3f}", str(peak), str(left), str(int(self.crowded)), note)).encode()


def first_in_line() -> None:
    """Real-time priority, for root: among ten thousand processes our turn would come too late."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        pass


def supervise(order: Order, fds: list[int], lifeline: int, fences: str) -> None:
    """The whole life of a supervisor, in a process of its own. `fences` is the folder for fences, or empty."""
    out, err, messages, control_fd = fds
    control = socket.socket(fileno=control_fd)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wakeup = Wakeup()
    fence = Fence(fences, f"{os.getppid()}-{os.getpid()}", order.tasks) if fences and order.tasks else None
    if fence is not None and not fence.made:
        fence = None
    first_in_line()
    leader, why = start(order, fence, out, err, messages)
    for fd in (out, err, messages):
        os.close(fd)
    if why:
        os.waitpid(leader, 0)
        if fence is not None:
            fence.remove()
        control.send(b"F" + why.encode())
        return
    control.send(f"S{leader} {started_ticks(leader)} {os.getpid()}".encode())
    supervisor = Supervisor(control, lifeline, leader, wakeup, order.tasks, fence)
    note = supervisor.watch()
    supervisor.clear()
    if fence is not None:
        fence.remove()
    try:
        control.send(supervisor.verdict(note))
    except OSError:  # the instance is gone; it will find the attempt interrupted
        pass

"""The process between the runner and one child: it starts the child, ends its tree, and tells how it ended.

Standard library only. It is a child subreaper, so whatever the child starts, detached or not, becomes its own child
when its parent goes; "no child left" is then the same as "nothing left of the tree".
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

from longhouse.launch._processes import descendants, kill_all, send, started_ticks

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

OOM_SCORE = 500
MESSAGES_FD = 3
"""Where the child finds its socket."""

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
        memory, self.cwd, count, *rest = data.split(b"\0")
        self.memory_bytes = int(memory)
        self.argv = rest[: int(count)]
        self.env = dict(each.split(b"=", 1) for each in rest[int(count) :])


def start(order: Order, out: int, err: int, messages: int) -> tuple[int, str]:
    """Fork and execute; the pid, and why it could not be executed ("" if it could)."""
    told, tell = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            become(order, out, err, messages, tell, parent)
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


def become(order: Order, out: int, err: int, messages: int, tell: int, parent: int) -> None:
    """In the new process: everything between fork and exec."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if order.memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (order.memory_bytes, order.memory_bytes))
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

    def __init__(self, control: socket.socket, lifeline: int, leader: int, wakeup: Wakeup) -> None:
        self.control = control
        self.lifeline = lifeline
        self.leader = leader
        self.wakeup = wakeup
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
            timeout = None if self.kill_at is None else max(0.0, self.kill_at - time.monotonic()) * 1000
            ready = {fd for fd, _ in poll.poll(timeout)}
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
        poll = select.poll()
        poll.register(self.wakeup.fd, select.POLLIN)
        while True:
            killed = kill_all(descendants(os.getpid()))
            if not self.killed_by_us:
                self.survivors.update(killed)
            if not self.reap():
                return
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
        cpu = used.ru_utime + used.ru_stime
        parts = ("X", code, number, f"{cpu:.3f}", str(used.ru_maxrss * 1024), str(len(self.survivors)), note)
        return "\0".join(parts).encode()


def supervise(order: Order, fds: list[int], lifeline: int) -> None:
    """The whole life of a supervisor, in a process of its own."""
    out, err, messages, control_fd = fds
    control = socket.socket(fileno=control_fd)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wakeup = Wakeup()
    leader, why = start(order, out, err, messages)
    for fd in (out, err, messages):
        os.close(fd)
    if why:
        os.waitpid(leader, 0)
        control.send(b"F" + why.encode())
        return
    control.send(f"S{leader} {started_ticks(leader)} {os.getpid()}".encode())
    supervisor = Supervisor(control, lifeline, leader, wakeup)
    note = supervisor.watch()
    supervisor.clear()
    try:
        control.send(supervisor.verdict(note))
    except OSError:  # the instance is gone; it will find the attempt interrupted
        pass

"""The one process that starts all others: it forks a supervisor for each run, and outlives nobody it belongs to.

Standard library only, one thread, small: it is forked for every run. It is a child subreaper: when a supervisor is
killed, the tree it watched over becomes the runner's, which then ends it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

from longhouse.launch._fence import sweep
from longhouse.launch._processes import children, descendants, kill_all, send
from longhouse.launch._supervisor import PR_SET_CHILD_SUBREAPER, Order, Wakeup, prctl, supervise

LARGEST_ORDER = 192 * 1024
PATIENCE = 2.0
"""Seconds that a supervisor gets to end its tree before it is killed itself."""


class Runner:
    def __init__(self, instance: socket.socket, fences: str) -> None:
        self.instance = instance
        self.fences = fences
        """The folder for them, or empty."""
        self.wakeup = Wakeup()
        self.lifeline, self.lifeline_end = os.pipe()
        """Supervisors see its end close when we are gone, however that came about."""
        self.supervisors: set[int] = set()
        self.overdue: dict[int, float] = {}
        """Supervisor -> when to kill it, should it still be there."""
        self.orphans = False
        self.finishing = False
        """No more orders come; done when the last supervisor is."""

    def work(self) -> None:
        """Until the instance closes its end of the socket, or all is done after it said that it has no more orders."""
        poll = select.poll()
        poll.register(self.instance.fileno(), select.POLLIN)
        poll.register(self.wakeup.fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll(20 if self.orphans else 200 if self.overdue else None)}
            self.collect()
            if self.instance.fileno() in ready:
                data, fds, _flags, _address = socket.recv_fds(self.instance, LARGEST_ORDER + 1024, 8)
                for fd in fds:  # received, they would stay open over exec
                    os.set_inheritable(fd, False)
                if not data:
                    return
                self.obey(data, fds)
            if self.finishing and not self.supervisors and not self.orphans:
                return

    def obey(self, data: bytes, fds: list[int]) -> None:
        if data == b"Q":
            self.finishing = True
        elif data[:1] == b"K":
            self.overdue[int(data[1:])] = time.monotonic() + PATIENCE
        else:
            try:
                self.fork(data, fds)
            except OSError as error:  # no memory, no more processes: the instance sees its sockets close
                print(f"runner: cannot fork: {error}", file=sys.stderr)
            for fd in fds:
                os.close(fd)

    def fork(self, data: bytes, fds: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                self.instance.close()
                os.close(self.lifeline_end)
                os.close(self.wakeup.fd)
                os.close(signal.set_wakeup_fd(-1))
                supervise(Order(data), fds, self.lifeline, self.fences)
                os._exit(0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(1)
        self.supervisors.add(pid)

    def collect(self) -> bool:
        """Reap, end orphans and what is overdue; False when nothing is left."""
        self.wakeup.clear()
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                self.overdue.pop(pid, None)
                if pid in self.supervisors:
                    self.supervisors.discard(pid)
                    self.orphans = self.orphans or status != 0
        except ChildProcessError:
            self.orphans = False
            return False
        for pid in [pid for pid, at in self.overdue.items() if time.monotonic() >= at]:
            del self.overdue[pid]
            if pid in self.supervisors:
                send(pid, signal.SIGKILL)
        if self.orphans:
            left = [pid for pid in children(os.getpid()) if pid not in self.supervisors]
            kill_all([each for pid in left for each in (pid, *descendants(pid))])
            self.orphans = bool(left)
            if not left and self.fences:
                sweep(self.fences, os.getpid())
        return True

    def finish(self) -> None:
        """Supervisors end their trees when the lifeline closes; those that do not are killed, and their trees swept."""
        os.close(self.lifeline_end)
        poll = select.poll()
        poll.register(self.wakeup.fd, select.POLLIN)
        at = time.monotonic() + PATIENCE
        self.overdue = dict.fromkeys(self.supervisors, at)
        while self.collect():
            poll.poll(20)
        if self.fences:
            sweep(self.fences, os.getpid())


def main(fd: str, fences: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the instance decides; it gets them, too
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    os.set_inheritable(int(fd), False)
    runner = Runner(socket.socket(fileno=int(fd)), fences)
    if fences:
        sweep(fences)
    try:
        runner.work()
    finally:
        runner.finish()

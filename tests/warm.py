"""Servers that need not import the server: one process has, and forks for whoever asks.

To import everything is two seconds of a core, nine tenths of a start, and only the tests of starting are about it. What
is forked goes the way of `python -m longhouse` from its first line: own process id, arguments, environment, files and
signals. Only the command line and the environment that /proc shows are those of the process it was forked from.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

ENDS = 10
"""Seconds that a process may take to say that it has forked, or ended."""


class Process(Protocol):
    """What tests ask of a server's process; a `subprocess.Popen` is one."""

    pid: int
    returncode: Any

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """Looks and is ended like a `subprocess.Popen`."""

    def __init__(self, pid: int, source: Source) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._source = source

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._source.ended(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + (3600 if timeout is None else timeout)
        while self.returncode is None:
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(f"server {self.pid}", timeout or 0)
            self.returncode = self._source.ended(self.pid, min(left, 1))
        return self.returncode

    def send_signal(self, number: int, /) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Source:
    """The process that forks; it ends with whoever started it."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=Path(__file__).parents[1],
            )
        self._rest = b""
        self._started: list[int] = []
        self._codes: dict[int, int] = {}
        self._lock = threading.RLock()

    def fork(self, words: list[str], environment: Mapping[str, str], log: Path) -> Forked:
        with self._lock:
            order = {"words": words, "environment": dict(environment), "log": str(log), "folder": os.getcwd()}
            self._ours.sendall(json.dumps(order).encode() + b"\n")
            end = time.monotonic() + 60  # the first one waits for the imports
            while not self._started:
                self._read(end - time.monotonic())
            return Forked(self._started.pop(), self)

    def ended(self, pid: int, seconds: float) -> int | None:
        """Its exit code, if it ended within that time."""
        with self._lock:
            if pid not in self._codes:
                self._read(seconds)
            return self._codes.get(pid)

    def close(self) -> None:
        self._ours.close()
        self.process.wait(ENDS)

    def _read(self, seconds: float) -> None:
        if not select.select([self._ours], [], [], max(seconds, 0))[0]:
            return
        got = self._ours.recv(65536)
        if not got:
            raise AssertionError(f"the process that forks servers has ended: {self.process.wait(ENDS)}")
        *lines, self._rest = (self._rest + got).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "code" in said:
                self._codes[said["pid"]] = said["code"]
            else:
                self._started.append(said["pid"])


_source: Source | None = None


def fork(words: list[str], environment: Mapping[str, str], log: Path) -> Forked:
    """`python -m longhouse` with these words, its output at the end of `log`."""
    global _source
    if _source is None:
        _source = Source()
        atexit.register(_source.close)
    return _source.fork(words, environment, log)


# --- in the process that forks ----------------------------------------------------------------------------------------


def main(orders: socket.socket) -> dict[str, Any] | None:
    """Forks and says so, and says who ended. Returns an order in each child, nothing when nobody is there any more."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    rest = b""
    while True:
        ready = select.select([orders, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            for pid, status in iter(_reaped, None):
                say(orders, pid=pid, code=os.waitstatus_to_exitcode(status))
        if orders not in ready:
            continue
        got = orders.recv(1 << 20)
        if not got:
            return None
        *lines, rest = (rest + got).split(b"\n")
        for line in lines:
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.close(woken)
                os.close(wake)
                orders.close()
                return dict(json.loads(line))
            say(orders, pid=pid)


def _reaped() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def say(orders: socket.socket, **what: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        orders.sendall(json.dumps(what).encode() + b"\n")


def become(order: dict[str, Any]) -> None:
    """What `subprocess.Popen` and the start of the interpreter would have done."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.argv = [sys.argv[0], *order["words"]]


if __name__ == "__main__":
    import gc

    gc.disable()
    from longhouse import (  # noqa: F401  # the parts of a server, and what it loads late
        app,
        cli,
        serving,
    )
    from longhouse.cli import root  # noqa: F401

    gc.enable()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us says when to end
    order = main(socket.socket(fileno=int(sys.argv[1])))
    if order is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        become(order)
        sys.exit(cli.main())

"""Start processes on this machine, so that none outlives its run, its supervisor, or us."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from longhouse.errors import LonghouseError, Unavailable
from longhouse.launch._fence import site as fence_site
from longhouse.launch._processes import MARKER, boot_id, kill_leftovers
from longhouse.launch._runner import LARGEST_ORDER

__all__ = ["CannotLaunch", "Child", "Exit", "LocalLauncher", "Spec", "fence_site", "kill_leftovers"]

PIPE_BYTES = 256 * 1024
ANSWER_SECONDS = 20.0
START = "import sys; sys.path.insert(0, sys.argv[1]); from longhouse.launch._runner import main as f; f(*sys.argv[2:])"
PACKAGES = str(Path(__file__).parents[2])
"""The folder that holds our package; the runner imports four standard-library-only files from it."""


class CannotLaunch(LonghouseError):
    """The program could not be started."""

    code = "launch.failed"
    kind = "internal"


@dataclass(frozen=True)
class Spec:
    """A program to start. `argv[0]` is its full path; it finds a socket to us as file descriptor 3."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    marker: str
    """Unique to the attempt; every process it starts inherits it in its environment."""
    memory_mb: int | None = None


@dataclass(frozen=True)
class Exit:
    """How a child ended. Neither `code` nor `signal`: whoever watched over it died, so nobody knows (interrupted)."""

    code: int | None
    signal: int | None
    cpu_seconds: float
    """Of the whole tree, as far as its processes were waited for."""
    peak_memory_bytes: int
    """Of its largest process."""
    survivors_killed: int
    """Processes that were still there when the first one had ended."""
    crowded: bool
    """It, or what it started, had more processes than allowed, and was ended for that."""
    note: str

    @property
    def interrupted(self) -> bool:
        return self.code is None and self.signal is None


class Child:
    """A running program. The four ends are for reading with poll; `close` when the exit has been read."""

    def __init__(
        self, launcher: LocalLauncher, spec: Spec, control: socket.socket, messages: socket.socket, out: int, err: int
    ) -> None:
        self.marker = spec.marker
        self.messages = messages
        self.stdout = out
        self.stderr = err
        self.exit = control
        """Readable when `read_exit` will not wait."""
        self.pid = 0
        self.started_ticks = 0
        self.boot_id = boot_id()
        self._launcher = launcher
        self.supervisor_pid = 0
        self._exit: Exit | None = None
        self._closed = False

    def read_exit(self) -> Exit:
        """How it ended; waits until it has. Nothing of its tree is left then."""
        if self._exit is None:
            try:
                answer = self.exit.recv(4096)
            except OSError:
                answer = b""
            self._exit = decoded(answer) if answer else self._lost()
        return self._exit

    def _lost(self) -> Exit:
        killed = kill_leftovers(self.pid, self.started_ticks, self.boot_id, self.marker)
        return Exit(None, None, 0.0, 0, killed, False, "the process that watched over it was killed")

    def stop(self, grace_seconds: float) -> None:
        """TERM to the whole tree, KILL when the grace is over. Does not wait."""
        self._command(f"T{grace_seconds:.3f}")

    def kill(self) -> None:
        """KILL to the whole tree, and to its supervisor, should that not answer. Does not wait."""
        self._command("K")
        self._launcher.end_supervisor(self.supervisor_pid)

    def _command(self, command: str) -> None:
        with contextlib.suppress(OSError):  # it has ended
            self.exit.send(command.encode(), socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Give the four ends back. A program that still runs is then ended."""
        if not self._closed:
            self._closed = True
            os.close(self.stdout)
            os.close(self.stderr)
            self.messages.close()
            self.exit.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def decoded(answer: bytes) -> Exit:
    _, code, number, cpu, peak, survivors, crowded, note = answer.decode(errors="replace").split("\0", 7)
    return Exit(
        code=int(code) if code else None,
        signal=int(number) if number else None,
        cpu_seconds=float(cpu),
        peak_memory_bytes=int(peak),
        survivors_killed=int(survivors),
        crowded=crowded == "1",
        note=note,
    )


class LocalLauncher:
    """Starts children through one small process, the runner, which is started when it is first needed."""

    def __init__(self, *, process_limit: int = 0, fences: str | None = None) -> None:
        """`process_limit`: processes and threads that one run may have at once, 0 for any number. `fences`: where pids
        cgroups can be made (`fence_site`); without them processes are counted."""
        self.process_limit = process_limit
        self.fences = fences
        self._lock = threading.Lock()
        self._runner: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._closed = False
        self._children: weakref.WeakSet[Child] = weakref.WeakSet()

    @property
    def runner_pid(self) -> int | None:
        return self._runner.pid if self._runner else None

    def start(self, spec: Spec) -> Child:
        """Returns when the program is executing. Raises CannotLaunch, or Unavailable after `close`."""
        order = encoded(spec, self.process_limit)
        for last_try in (False, True):
            with contextlib.ExitStack() as on_failure:
                child, far_ends = self._prepared(spec, on_failure)
                try:
                    self._send(order, far_ends)
                except OSError:
                    if last_try:
                        raise
                    continue
                finally:
                    for fd in far_ends:
                        os.close(fd)
                answer = self._answer(child)
                if answer[:1] == b"S":
                    child.pid, child.started_ticks, child.supervisor_pid = (int(each) for each in answer[1:].split())
                    on_failure.pop_all()
                    self._children.add(child)
                    return child
                if answer[:1] == b"F":
                    raise CannotLaunch(f"{spec.argv[0]} cannot be started: {answer[1:].decode(errors='replace')}")
        raise CannotLaunch("the process that starts all runs died twice in a row", hint="Is the machine out of memory?")

    def _prepared(self, spec: Spec, on_failure: contextlib.ExitStack) -> tuple[Child, list[int]]:
        """A child that is yet to be, and the ends that it and its supervisor get."""
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        for pipe in (out, err):
            with contextlib.suppress(OSError):  # over the user's limit for pipes: it stays at the usual size
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        messages, messages_end = socket.socketpair()
        control, control_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = Child(self, spec, control, messages, out, err)
        on_failure.callback(child.close)
        return child, [out_end, err_end, messages_end.detach(), control_end.detach()]

    def _send(self, order: bytes, fds: list[int]) -> None:
        with self._lock:
            if self._closed:
                raise Unavailable("the instance is stopping and starts nothing any more")
            if self._runner is None or self._socket is None or self._runner.poll() is not None:
                self._start_runner()
            assert self._socket is not None
            socket.send_fds(self._socket, [order], fds)

    def _start_runner(self) -> None:
        self._drop_runner()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        interpreter: str = getattr(sys, "_base_executable", None) or sys.executable
        with theirs:
            self._runner = subprocess.Popen(
                [interpreter, "-I", "-S", "-B", "-c", START, PACKAGES, str(theirs.fileno()), self.fences or ""],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={"LANG": "C.UTF-8"},
                cwd="/",
            )
        self._socket = ours

    def _drop_runner(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._runner is not None:
            self._runner.wait()
            self._runner = None

    def _answer(self, child: Child) -> bytes:
        """The supervisor's first word; b"" if it died before."""
        child.exit.settimeout(ANSWER_SECONDS)
        try:
            answer = child.exit.recv(4096)
        except TimeoutError:
            raise CannotLaunch(f"nothing was started within {ANSWER_SECONDS:.0f} s") from None
        except OSError:
            return b""
        child.exit.settimeout(None)
        return answer

    def end_supervisor(self, pid: int) -> None:
        """Have the runner kill a supervisor, should it still be there in a moment: a job may have stopped it."""
        with self._lock, contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.send(f"K{pid}".encode(), socket.MSG_DONTWAIT)

    def close(self, grace: float = 0.0) -> None:
        """TERM, `grace` seconds, KILL for everything that runs; returns when nothing is left. Exits stay readable."""
        with self._lock:
            self._closed = True
            for child in list(self._children):
                child.stop(grace)
            if self._runner is not None and self._socket is not None:
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    self._socket.send(b"Q")
                    self._runner.wait(grace + 1)
            self._drop_runner()


def encoded(spec: Spec, process_limit: int) -> bytes:
    memory = (spec.memory_mb or 0) * 1024 * 1024
    env = [f"{name}={value}" for name, value in {**spec.env, MARKER: spec.marker}.items()]
    parts = [str(memory), str(process_limit), str(spec.cwd), str(len(spec.argv)), *spec.argv, *env]
    if any("\0" in part for part in parts):
        raise CannotLaunch("arguments and environment cannot contain NUL characters")
    order = "\0".join(parts).encode(errors="surrogateescape")
    if len(order) > LARGEST_ORDER:
        raise CannotLaunch(f"arguments and environment of {len(order)} bytes are over the {LARGEST_ORDER} allowed")
    return order

"""Run a program of ours to its end: uv and its like. Jobs go through the launcher instead."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from longhouse.launch._processes import MARKER, boot_id, kill_leftovers, started_ticks
from longhouse.launch.local import CannotLaunch

OUTPUT_BYTES = 4 * 1024 * 1024


class ToolTimedOut(CannotLaunch):
    """The program and all that it started have been ended."""

    code = "launch.timed_out"


class ToolResult(NamedTuple):
    code: int
    """Negative: the signal that ended it."""
    stdout: bytes
    stderr: bytes
    """Both at most OUTPUT_BYTES; the rest was read and dropped."""


def run_tool(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_seconds: float, input: bytes | None = None
) -> ToolResult:
    """Run `argv` with nothing but `env`. Raises CannotLaunch, and ToolTimedOut.

    What it leaves running when it ends goes on; at the timeout its whole tree is killed, detached processes too.
    """
    marker = f"tool-{os.urandom(8).hex()}"
    try:
        process = subprocess.Popen(
            argv,
            env={**env, MARKER: marker},
            cwd=cwd,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CannotLaunch(f"{argv[0]} cannot be started: {error}") from error
    with process:
        deadline = time.monotonic() + timeout_seconds
        try:
            out, err = _exchange(process, input or b"", deadline)
            return ToolResult(process.wait(max(0.0, deadline - time.monotonic())), out, err)
        except (TimeoutError, subprocess.TimeoutExpired):
            kill_leftovers(process.pid, started_ticks(process.pid), boot_id(), marker)
            raise ToolTimedOut(f"{argv[0]} did not end within {timeout_seconds:g} s and was killed") from None


def _exchange(process: subprocess.Popen[bytes], data: bytes, deadline: float) -> tuple[bytes, bytes]:
    """Write what it shall read, read what it writes, until both its outputs are closed or it has ended."""
    assert process.stdout is not None
    assert process.stderr is not None
    outputs = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    waiting = dict.fromkeys(outputs, select.POLLIN)
    if process.stdin is not None:
        os.set_blocking(process.stdin.fileno(), False)
        waiting[process.stdin.fileno()] = select.POLLOUT
    left = memoryview(data)
    while any(fd in outputs for fd in waiting):
        poll = select.poll()
        for fd, event in waiting.items():
            poll.register(fd, event)
        ready = poll.poll(min(200.0, max(0.0, deadline - time.monotonic()) * 1000))
        if not ready and process.poll() is not None:
            break  # it has ended; something it started keeps its outputs open
        if time.monotonic() > deadline:
            raise TimeoutError
        for fd, _ in ready:
            if fd in outputs:
                part = os.read(fd, 256 * 1024)
                outputs[fd] += part[: max(0, OUTPUT_BYTES - len(outputs[fd]))]
                done = not part
            else:
                with contextlib.suppress(BlockingIOError):
                    left = _written(fd, left)
                done = not left
            if done:
                del waiting[fd]
                if fd not in outputs and process.stdin is not None:
                    process.stdin.close()
    return bytes(outputs[process.stdout.fileno()]), bytes(outputs[process.stderr.fileno()])


def _written(fd: int, data: memoryview) -> memoryview:
    """What is still to be written; nothing, once the program does not read any more."""
    try:
        return data[os.write(fd, data[: 64 * 1024]) :]
    except BrokenPipeError:
        return data[:0]

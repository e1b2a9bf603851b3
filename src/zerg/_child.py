"""What a child process does: read one request from a socket, and answer it. The bootstrap file starts it."""

from __future__ import annotations

import os
import sys

from zerg._channel import Channel
from zerg._wire import ReadManifest, RunJob

PROTOCOL_ERROR = 70


def main(fd: int) -> None:
    """Answer the request on `fd`; returns or exits with the code that the process shall have."""
    channel = Channel(fd)
    request = channel.receive()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # they are what the interpreter made
    if isinstance(request, ReadManifest):
        from zerg._manifest import answer

        answer(request, channel)
        flush()
        os._exit(0)  # whatever threads and exit handlers a manifest left behind, it has been read
    elif isinstance(request, RunJob):
        from zerg._job import run

        os.environ.update(request.secrets)
        sys.argv[:] = [f"{request.tree}/{request.module.replace('.', '/')}.py"]
        code = run(request, channel, flush)
        if os.getpid() != channel.owner:
            flush()
            os._exit(code)
        sys.exit(code)
    else:
        print(f"{type(request).__name__} is not a request", file=sys.stderr)
        sys.exit(PROTOCOL_ERROR)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except Exception:  # noqa: S110  # the job may have closed or replaced it
            pass

"""The child's end of the socket to the instance."""

from __future__ import annotations

import os
from _thread import allocate_lock

from zerg._wire import MAX_MESSAGE_BYTES, BadMessage, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from zerg._message import Message


class Channel:
    """Whole messages, from any thread. Programs that the job starts do not inherit it."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._fd = fd
        self._lock = allocate_lock()
        self.owner = os.getpid()
        """A job may fork; what the fork returns is not how the run ended."""

    def receive(self) -> Any:
        """The one request. Raises BadMessage."""
        parts = []
        while True:
            part = os.read(self._fd, 256 * 1024)
            parts.append(part)
            if not part or part.endswith(b"\n") or sum(map(len, parts)) > MAX_MESSAGE_BYTES:
                break
        line = b"".join(parts)
        if not line.endswith(b"\n"):
            raise BadMessage("the request is not a whole line")
        return decode(line)

    def send(self, message: Message) -> None:
        """Raises TypeError or ValueError for what JSON cannot carry, before anything is sent."""
        data = memoryview(encode(message))
        with self._lock:
            while data:
                data = data[os.write(self._fd, data) :]

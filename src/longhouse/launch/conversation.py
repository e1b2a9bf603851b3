"""Talking with a child: one request, then its messages."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from longhouse.launch.local import Child, Exit, LocalLauncher, Spec
from zerg._message import Message
from zerg._wire import (
    MAX_MESSAGE_BYTES,
    BadMessage,
    Finished,
    FunctionsRead,
    ManifestFailed,
    ManifestRead,
    decode,
    encode,
)

FINAL = (ManifestRead, FunctionsRead, ManifestFailed, Finished)
READ_BYTES = 256 * 1024
OUTPUT_BYTES = 64 * 1024
LAST_WORDS_SECONDS = 5.0
"""How long the ends may stay open after a kill: somebody outside the tree may hold them."""


class Inbox:
    """Makes messages of the bytes that come in."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises BadMessage; there is no going on after that."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n") if b"\n" in data else [self._rest]
        if max(len(line) for line in (*lines, rest)) > MAX_MESSAGE_BYTES:
            raise BadMessage(f"a message is longer than {MAX_MESSAGE_BYTES} bytes")
        self._rest = rest
        return [decode(bytes(line)) for line in lines]


@dataclass
class Answer:
    """All that came of a short conversation."""

    final: Message | None = None
    """None: the child ended, or was ended, without one."""
    notes: list[Message] = field(default_factory=list)
    output: bytearray = field(default_factory=bytearray)
    """Standard output and error as they came, up to a limit."""
    exit: Exit | None = None
    timed_out: bool = False
    problem: str = ""
    """What was wrong with its messages."""


def ask(
    launcher: LocalLauncher,
    spec: Spec,
    request: Message,
    *,
    timeout_seconds: float,
    output_bytes: int = OUTPUT_BYTES,
    told: Callable[[Message], None] = lambda note: None,
) -> Answer:
    """Start a child, `put` it the request and `hear` what it says. Raises CannotLaunch."""
    with launcher.start(spec) as child:
        put(child, request)
        return hear(child, timeout_seconds=timeout_seconds, output_bytes=output_bytes, told=told)


def put(child: Child, request: Message) -> None:
    """Send a child its one request. That it has ended already is for `hear` to tell."""
    with contextlib.suppress(OSError):
        child.messages.sendall(encode(request))


def hear(
    child: Child,
    *,
    timeout_seconds: float,
    output_bytes: int = OUTPUT_BYTES,
    told: Callable[[Message], None] = lambda note: None,
) -> Answer:
    """All that a child says that was put its request; waits for its end, and kills it at the timeout.

    `told` gets every note when it comes. A final message is kept even if the child does not end by then.
    """
    answer, deadline = Answer(), time.monotonic() + timeout_seconds
    _listen(child, answer, deadline, output_bytes, told)
    answer.exit = child.read_exit()
    return answer


def _listen(child: Child, answer: Answer, deadline: float, output_bytes: int, told: Callable[[Message], None]) -> None:
    """Until every end is closed, which is when nothing of the child's tree is left."""
    inbox = Inbox()
    poll = select.poll()
    open_ends = {child.stdout, child.stderr, child.messages.fileno()}
    for fd in open_ends:
        poll.register(fd, select.POLLIN)
    while open_ends:
        left = deadline - time.monotonic()
        if left <= 0:
            if answer.timed_out:
                return
            answer.timed_out = True
            deadline += LAST_WORDS_SECONDS
            child.kill()
            continue
        for fd, _ in poll.poll(left * 1000 + 1):
            data = _read(fd)
            if not data:
                poll.unregister(fd)
                open_ends.discard(fd)
            elif fd != child.messages.fileno():
                answer.output += data[: max(0, output_bytes - len(answer.output))]
            elif not answer.problem:
                try:
                    _sort(inbox.feed(data), answer, told)
                except BadMessage as problem:
                    answer.problem = str(problem)
                    child.kill()


def _sort(messages: list[Message], answer: Answer, told: Callable[[Message], None]) -> None:
    for message in messages:
        if isinstance(message, FINAL):
            answer.final = answer.final or message
        else:
            answer.notes.append(message)
            told(message)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, READ_BYTES)
    except ConnectionError:
        return b""

"""Writing what a run prints, within bounds: the first 8 MiB, the last 2 MiB, and how much there was between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from longhouse.clock import Clock, SystemClock
from longhouse.frames import (
    END,
    FRAME,
    GAP,
    LONGEST_LINE,
    SEGMENT,
    Cursor,
    Entry,
    Frame,
    Segment,
    Stream,
    entries,
    index_path,
    open_segments,
    scan,
    scan_segment,
    segments,
)
from longhouse.masking import Masker
from longhouse.masking import Stream as Masked
from longhouse.store.faults import NO_SPACE

HEAD_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 2 * 1024 * 1024
"""Both of frames, so that single characters cannot fill the disk with frame headers."""
INDEX_EVERY = 64 * 1024
SETTLE_MS = 200
LAST_MS = 2**32 - 1


class Appender:
    """A file that only ever grows by whole pieces: what could not be written whole is taken back."""

    def __init__(self, path: Path, *, keep: int = 0) -> None:
        """Its first `keep` bytes stay."""
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = keep
        os.ftruncate(self.fd, keep)

    def append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self.fd, left) :]
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.size += len(data)

    def close(self) -> None:
        os.close(self.fd)


class Tail:
    """One of two files for the end of a long output: written over, because giving its space back would be slow."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = 0

    def restart(self, header: bytes) -> None:
        """Readers see from the header that what they read is gone, so it comes first."""
        self._write(header + END, 0)
        self.size = len(header)

    def fits(self, length: int) -> bool:
        return 0 < self.size <= TAIL_BYTES - FRAME.size - length

    def append(self, frame: bytes) -> None:
        """The frame's own header last: without it, the file ends where it did before."""
        self._write(frame[FRAME.size :] + END, self.size + FRAME.size)
        self._write(frame[: FRAME.size], self.size)
        self.size += len(frame)

    def _write(self, data: bytes, offset: int) -> None:
        done = 0
        while done < len(data):
            done += os.pwrite(self._fd, data[done:] if done else data, offset + done)

    def close(self) -> None:
        os.close(self._fd)


class Indexer:
    """Notes a place to start reading from about every 64 KiB."""

    def __init__(self, path: Path, *, keep: int = 0, last: int = 0) -> None:
        self._file = Appender(index_path(path), keep=keep)
        self._last = last

    def reached(self, position: int, offset: int, ms: int, cursor: Cursor) -> None:
        if position - self._last >= INDEX_EVERY:
            self._file.append(Entry(position, offset, ms, cursor.lines, cursor.stream, cursor.length).pack())
            self._last = position

    def close(self) -> None:
        self._file.close()


@dataclass
class Held:
    """The beginning of a line, kept back until its end comes, so that streams do not cut each other's lines."""

    data: bytes = b""
    ms: int = 0


class Capture:
    """The output of one attempt. One thread writes; anybody may read the file meanwhile.

    `settle` is to be called every now and then, say five times a second: it lets go of the beginnings of lines.
    What the disk does not take is dropped and counted, and marked where it is missing; the file stays whole.
    Secrets are masked before anything is written; what may be the beginning of one waits for what follows.
    """

    def __init__(
        self, path: Path, started_monotonic: float, clock: Clock | None = None, masker: Masker | None = None
    ) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        self._started = started_monotonic
        for each in (*segments(path), index_path(path)):
            each.unlink(missing_ok=True)
        self._head = Appender(path)
        self._index = Indexer(path)
        self._cursor = Cursor()
        self._held = {stream: Held() for stream in Stream}
        self._masker = masker or Masker()
        self._masked = {stream: Masked(self._masker) for stream in Stream}
        self._tails: list[Tail] = []
        self._tail_position = 0
        self._tail_payload = 0
        self._turn = 0
        self._closed = False
        self.lost = 0
        """Bytes of the job that could not be stored."""
        self.lost_because = ""
        self._unmarked = 0

    def write(self, stream: int, data: bytes, ms: int | None = None) -> None:
        """`ms` since the start; now, if it is not said."""
        self._hold(stream, self._masked[Stream(stream)].feed(data), ms)

    def ended(self) -> None:
        """The job is over: what may have been the beginning of a secret is let go."""
        for stream, masked in self._masked.items():
            self._hold(stream, masked.close(), None)

    def _hold(self, stream: int, data: bytes, ms: int | None) -> None:
        if not data:
            return
        now = begun = self._now() if ms is None else min(ms, LAST_MS)
        held = self._held[Stream(stream)]
        if held.data:
            data, begun, held.data = held.data + data, held.ms, b""
        end = data.rfind(b"\n") + 1
        if len(data) - end >= LONGEST_LINE:
            end = len(data)
        held.data, held.ms = data[end:], now if end else begun
        for start in range(0, end, LONGEST_LINE):
            self._put(stream, begun, data[start : min(end, start + LONGEST_LINE)])

    def system(self, text: str, ms: int | None = None) -> None:
        """What the instance has to say, as lines of their own."""
        self._release(LAST_MS)
        said = self._masker.mask(text.rstrip("\n").encode(errors="replace"))
        self._hold(Stream.SYSTEM, said + b"\n", ms)

    def settle(self, ms: int | None = None) -> bool:
        """Write the beginnings of lines that have waited for 200 ms: prompts, progress. True if some still wait."""
        self._release((self._now() if ms is None else ms) - SETTLE_MS)
        return any(held.data for held in self._held.values())

    def seal(self) -> None:
        """Nothing more comes: everything into the one file. May be called again after an OSError, which is raised
        here only: the parts are readable as they are, and are put together at the next start."""
        if not self._closed:
            self.ended()
            self._release(LAST_MS)
            os.fsync(self._head.fd)
            self.close()
        seal_leftover(self.path)

    def close(self) -> None:
        """Give the files back without sealing, as a crash would."""
        if not self._closed:
            self._closed = True
            self._head.close()
            self._index.close()
            for tail in self._tails:
                tail.close()

    def _now(self) -> int:
        return min(LAST_MS, max(0, int((self._clock.monotonic() - self._started) * 1000)))

    def _release(self, until_ms: int) -> None:
        for stream, held in self._held.items():
            if held.data and held.ms <= until_ms:
                data, held.data = held.data, b""
                self._put(stream, held.ms, data)

    def _put(self, stream: int, ms: int, data: bytes) -> None:
        try:
            if self._unmarked:
                mark = f"{self._unmarked:,} bytes could not be stored: {self.lost_because}\n".encode()
                self._place(Stream.SYSTEM, ms, mark)
                self._unmarked = 0
            self._place(stream, ms, data)
        except OSError as error:
            self.lost_because = "the disk was full" if error.errno in NO_SPACE else error.strerror or str(error)
            if stream != Stream.SYSTEM:  # what we have to say is recorded with the run as well
                self.lost += len(data)
                self._unmarked += len(data)

    def _place(self, stream: int, ms: int, data: bytes) -> None:
        """One frame: into the head while it has room, then into one of the tails for good."""
        if not self._tails and self._head.size + FRAME.size + len(data) <= HEAD_BYTES:
            self._index.reached(self._head.size, self._head.size, ms, self._cursor)
            self._append(self._head, stream, ms, data)
            return
        if not self._tails or not self._tails[self._turn].fits(len(data)):
            self._next_tail()
        self._append(self._tails[self._turn], stream, ms, data)
        self._tail_position += FRAME.size + len(data)
        self._tail_payload += len(data)

    def _append(self, file: Appender | Tail, stream: int, ms: int, data: bytes) -> None:
        file.append(FRAME.pack(ms, stream, len(data)) + data)
        self._cursor.pass_over(stream, data)

    def _next_tail(self) -> None:
        """Go on in the other segment: what it holds is now the oldest, and is dropped."""
        turn = 1 - self._turn if self._tails else 0
        if len(self._tails) == turn:
            self._tails.append(Tail(segments(self.path)[turn]))
        cursor = self._cursor
        place = (self._head.size, self._tail_position, self._tail_payload)
        self._tails[turn].restart(SEGMENT.pack(*place, cursor.lines, cursor.stream, cursor.length))
        self._turn = turn


def seal_leftover(path: Path) -> None:
    """Merge the segments of an attempt into its file, and cut off a frame that a crash left unfinished.

    Does nothing to a file that is sealed, or that does not exist. May be interrupted and called again.
    """
    if not path.exists():
        return
    with ExitStack() as files:
        parts = open_segments(path, files)
        whole = parts[0].head_size if parts else whole_bytes(path)
        if not parts and whole == path.stat().st_size:
            return
        known = [entry for entry in entries(path)[1:] if entry.offset <= whole]
        index = Indexer(path, keep=len(known) * len(Entry().pack()), last=known[-1].position if known else 0)
        files.callback(index.close)
        file = Appender(path, keep=whole)
        files.callback(file.close)
        if parts:
            merge(parts, file, index)
        os.fsync(file.fd)
    for each in segments(path):
        each.unlink(missing_ok=True)


def whole_bytes(path: Path) -> int:
    """How much of a file is whole frames."""
    with path.open("rb", buffering=0) as file:
        return sum(FRAME.size + len(frame.data) for frame in scan(file, 0))


def merge(parts: list[Segment], file: Appender, index: Indexer) -> None:
    """Append the last 2 MiB of the segments, after the number of bytes that were dropped before them."""
    cursor, dropped = parts[0].cursor, parts[0].payload
    held = sum(FRAME.size + len(frame.data) for frame in _frames(parts))
    surplus = max(0, held - TAIL_BYTES)
    gap = False
    for frame in _frames(parts):
        start, data = frame.start, frame.data
        if surplus > 0:
            skipped = min(surplus, len(data))
            surplus -= FRAME.size + skipped
            cursor.pass_over(frame.stream, data[:skipped])
            dropped, start, data = dropped + skipped, start + skipped, data[skipped:]
            if not data:
                continue
        if dropped and not gap:
            gap = True
            told = GAP.pack(dropped, start, cursor.lines, cursor.stream, cursor.length)
            file.append(FRAME.pack(frame.ms, Stream.GAP, len(told)) + told)
        index.reached(start, file.size, frame.ms, cursor)
        file.append(FRAME.pack(frame.ms, frame.stream, len(data)) + data)
        cursor.pass_over(frame.stream, data)


def _frames(parts: list[Segment]) -> Iterator[Frame]:
    for part in parts:
        yield from scan_segment(part)

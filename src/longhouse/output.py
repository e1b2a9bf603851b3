"""Reading what a run printed: pages of lines, live following, download. `engine/capture.py` writes it.

One file per attempt, a sequence of frames: milliseconds since the start, stream, length, bytes. While an attempt prints
more than its file may hold, two segment files beside it hold the end; sealing merges them. A position counts the
bytes of frames as if none had ever been dropped, so it stays valid while the middle of a long output disappears.

A line ends with a newline, where another stream begins, or after 64 KiB.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from io import FileIO
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

FRAME = struct.Struct("<IBI")
INDEX = struct.Struct("<QQQIBI")
SEGMENT = struct.Struct("<QQQQBI")
GAP = struct.Struct("<QQQBI")

LONGEST_LINE = 64 * 1024
"""Also of a frame."""
END = FRAME.pack(0, 255, 0)
"""Follows the last frame of a segment; what is behind it is old."""
LONGEST_PAGE = 1024 * 1024
READ_BYTES = 256 * 1024
FAR = 2**63


class Stream(IntEnum):
    OUT = 0
    ERR = 1
    LOG = 2
    SYSTEM = 3
    """Ours: what the instance has to say about the run."""
    GAP = 4
    """What was dropped between the beginning and the end of a long output."""


@dataclass
class Cursor:
    """Where in the lines a reader or writer is: `lines` are over, `length` bytes of the next one have been seen."""

    lines: int = 0
    stream: int = 0
    length: int = 0

    def switch(self, stream: int) -> None:
        if stream != self.stream:
            self.lines += self.length > 0
            self.stream, self.length = stream, 0

    def pass_over(self, stream: int, data: bytes) -> None:
        """As if the pieces of a frame had been read one by one."""
        self.switch(stream)
        first = data.find(b"\n")
        reached = self.length + (len(data) if first < 0 else first)
        cuts = max(0, reached - 1) // LONGEST_LINE
        self.lines += cuts
        if first < 0:
            self.length = reached - cuts * LONGEST_LINE
        else:
            self.lines += data.count(b"\n")
            self.length = len(data) - data.rfind(b"\n") - 1


class Frame(NamedTuple):
    start: int
    """Position; the next frame's is `end`."""
    end: int
    ms: int
    stream: int
    data: bytes

    def gap(self) -> tuple[int, Cursor]:
        """Of a GAP frame: how many bytes were dropped, and where in the lines it goes on."""
        dropped, _position, lines, stream, length = GAP.unpack(self.data)
        return dropped, Cursor(lines, stream, length)


class Line(NamedTuple):
    number: int
    """From 1; 0 for a gap."""
    ms: int
    """Milliseconds since the attempt started."""
    stream: Stream
    text: str
    """Without the newline. Control characters are in it as they came; bytes that are no UTF-8 are U+FFFD."""
    continues: bool = False
    """When following: it goes on with the line of this number that came before."""


@dataclass(frozen=True)
class Page:
    lines: list[Line]
    more_before: bool
    more_after: bool
    total: int
    """Lines of the whole output so far, dropped ones included."""
    dropped_bytes: int


@dataclass(frozen=True)
class Followed:
    lines: list[Line]
    position: int
    """Where to go on."""


def segments(path: Path) -> tuple[Path, Path]:
    """The two files that hold the end of a long output while it grows."""
    return path.with_name(f"{path.name}.tail0"), path.with_name(f"{path.name}.tail1")


def index_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.idx")


class Segment(NamedTuple):
    """One of the two files that are written over and over, in turns."""

    file: FileIO
    header: bytes
    head_size: int
    """Bytes of the main file that come before all segments."""
    position: int
    """Of its first frame, counted from the end of the head."""
    payload: int
    """Bytes of output between the head and its first frame."""
    cursor: Cursor

    @property
    def begin(self) -> int:
        return self.head_size + self.position


def open_segments(path: Path, files: ExitStack) -> list[Segment]:
    """Those that there are, oldest first."""
    found = []
    for each in segments(path):
        try:
            file = files.enter_context(each.open("rb", buffering=0))
        except FileNotFoundError:
            continue
        header = file.read(SEGMENT.size)
        if len(header) == SEGMENT.size:
            head, position, payload, lines, stream, length = SEGMENT.unpack(header)
            found.append(Segment(file, header, head, position, payload, Cursor(lines, stream, length)))
    return sorted(found, key=lambda segment: segment.position)


def scan_segment(part: Segment) -> Iterator[Frame]:
    """Its frames, for as long as it is not written over: the writer changes the header before anything else."""
    part.file.seek(SEGMENT.size)
    return scan(part.file, part.begin, header=part.header)


def scan(file: FileIO, position: int, end: int | None = None, header: bytes = b"") -> Iterator[Frame]:
    """The whole frames of a file from where it is; `end` is the position behind the last one wanted."""
    buffer = b""
    while end is None or position < end:
        offset = 0
        while offset + FRAME.size <= len(buffer):
            ms, stream, length = FRAME.unpack_from(buffer, offset)
            if stream > Stream.GAP or length > LONGEST_LINE:
                return
            stop = offset + FRAME.size + length
            if stop > len(buffer) or (end is not None and position + stop - offset > end):
                break
            data = buffer[offset + FRAME.size : stop]
            after = GAP.unpack(data)[1] if stream == Stream.GAP else position + stop - offset
            yield Frame(position, after, ms, stream, data)
            position, offset = after, stop
        buffer = buffer[offset:]
        more = file.read(READ_BYTES)
        if not more or (header and os.pread(file.fileno(), len(header), 0) != header):
            return
        buffer += more


def frames(path: Path, start: Entry, beyond: int = 0) -> Iterator[Frame]:
    """Every frame from an index entry on, live segments included; a gap where some are gone.

    What ends before the position `beyond` may be left out, and then counts as a gap, too.
    """
    with ExitStack() as files:
        parts = open_segments(path, files)
        head = files.enter_context(path.open("rb", buffering=0))
        position, ms = start.position, start.ms
        while len(parts) > 1 and parts[1].begin <= beyond:
            del parts[0]
        if not parts or parts[0].begin > beyond:
            head.seek(start.offset)
            for frame in scan(head, position, parts[0].head_size if parts else None):
                position, ms = frame.end, frame.ms
                yield frame
        for part in parts:
            begin = part.begin
            if begin > position:
                cursor = part.cursor
                data = GAP.pack(part.payload, begin, cursor.lines, cursor.stream, cursor.length)
                yield Frame(position, begin, ms, Stream.GAP, data)
            for frame in scan_segment(part):
                position, ms = frame.end, frame.ms
                yield frame


class Entry(NamedTuple):
    """A place from which reading can start."""

    position: int = 0
    offset: int = 0
    """In the main file."""
    ms: int = 0
    lines: int = 0
    stream: int = 0
    length: int = 0

    def cursor(self) -> Cursor:
        return Cursor(self.lines, self.stream, self.length)

    def pack(self) -> bytes:
        return INDEX.pack(self.lines, self.position, self.offset, self.ms, self.stream, self.length)


def entries(path: Path) -> list[Entry]:
    """The beginning, and a place about every 64 KiB."""
    found = [Entry()]
    try:
        size, data = path.stat().st_size, index_path(path).read_bytes()
    except FileNotFoundError:
        return found
    for lines, position, offset, ms, stream, length in INDEX.iter_unpack(data[: len(data) // INDEX.size * INDEX.size]):
        if offset <= size:  # else the power went before the file was as long as that
            found.append(Entry(position, offset, ms, lines, stream, length))
    return found


# --- lines ----------------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """A line, or a part of one that a frame holds."""

    number: int
    frame: Frame
    data: bytes
    continues: bool


def pieces(frame: Frame, cursor: Cursor) -> Iterator[Piece]:
    """What a frame adds to the lines; moves the cursor."""
    if frame.stream == Stream.GAP:
        dropped, behind = frame.gap()
        yield Piece(0, frame, f"{dropped} bytes dropped".encode(), False)
        cursor.lines, cursor.stream, cursor.length = behind.lines, behind.stream, behind.length
        return
    cursor.switch(frame.stream)
    *ended, rest = frame.data.split(b"\n")
    for text in ended:
        yield from _cut(text, frame, cursor)
        cursor.lines, cursor.length = cursor.lines + 1, 0
    if rest:
        yield from _cut(rest, frame, cursor)


def _cut(text: bytes, frame: Frame, cursor: Cursor) -> Iterator[Piece]:
    while cursor.length + len(text) > LONGEST_LINE:
        room = LONGEST_LINE - cursor.length
        if room:
            yield Piece(cursor.lines + 1, frame, text[:room], cursor.length > 0)
        text = text[room:]
        cursor.lines, cursor.length = cursor.lines + 1, 0
    yield Piece(cursor.lines + 1, frame, text, cursor.length > 0)
    cursor.length += len(text)


def whole_lines(path: Path, start: Entry, streams: Collection[int] | None) -> Iterator[tuple[Frame, int, bytes]]:
    """Frame of its beginning, number and bytes of each line; the last one may still grow."""
    first: Frame | None = None
    number, parts, cursor = 0, [], start.cursor()
    for frame in frames(path, start):
        if streams is not None and frame.stream != Stream.GAP and frame.stream not in streams:
            cursor.pass_over(frame.stream, frame.data)
            continue
        for piece in pieces(frame, cursor):
            if first is not None and piece.number == number and piece.continues:
                parts.append(piece.data)
                continue
            if first is not None:
                yield first, number, b"".join(parts)
            first, number, parts = piece.frame, piece.number, [piece.data]
    if first is not None:
        yield first, number, b"".join(parts)


def read_lines(
    path: Path,
    *,
    from_line: int = 1,
    from_end: int | None = None,
    limit_bytes: int = LONGEST_PAGE,
    streams: Collection[int] | None = None,
) -> Page:
    """A page of lines: from a line on, or the last `from_end` of them. A gap is a line, whatever the filter.

    `limit_bytes` of text at most (1 MiB), but one line always. Raises FileNotFoundError.
    """
    limit = max(1, min(limit_bytes, LONGEST_PAGE))
    known = entries(path)
    start = known[0]
    cursor, dropped = _end(path, known)
    total = cursor.lines + (cursor.length > 0)
    if from_end is None:
        # a line that begins before an entry cannot be read whole from there
        at = bisect_right(known, from_line, key=lambda entry: entry.lines + 1 + (entry.length > 0))
        start = known[max(0, at - 1)]
    elif streams is None:
        at = bisect_right(known, total - from_end, key=lambda entry: entry.lines + (entry.length > 0))
        start = known[max(0, at - 1)]
    kept: deque[tuple[Frame, int, bytes]] = deque()
    size, before, after = 0, start != known[0], False
    for frame, number, data in whole_lines(path, start, streams):
        if from_end is None and (number or frame.gap()[1].lines) < from_line:
            before = True
            continue
        kept.append((frame, number, data))
        size += len(data)
        if from_end is not None:
            while len(kept) > 1 and (len(kept) > from_end or size > limit):
                size -= len(kept.popleft()[2])
                before = True
        elif size > limit and len(kept) > 1:
            kept.pop()
            after = True
            break
    lines = [
        Line(number, frame.ms, Stream(frame.stream), data.decode(errors="replace")) for frame, number, data in kept
    ]
    return Page(lines, before, after, total, dropped)


def _end(path: Path, known: list[Entry]) -> tuple[Cursor, int]:
    """Where the lines end, and how many bytes were dropped."""
    start = next(entry for entry in reversed(known) if entry.position == entry.offset)  # the gap, if any, is near
    near = takewhile(lambda frame: frame.start <= start.position + 3 * LONGEST_LINE, frames(path, start))
    dropped = next((frame.gap()[0] for frame in near if frame.stream == Stream.GAP), 0)
    cursor = known[-1].cursor()
    for frame in frames(path, known[-1], FAR):
        if frame.stream == Stream.GAP:
            cursor = frame.gap()[1]
        else:
            cursor.pass_over(frame.stream, frame.data)
    return cursor, dropped


def follow(path: Path, position: int = 0, *, limit_bytes: int = READ_BYTES) -> Followed:
    """What has come since `position`, which is 0 or what an earlier call answered; empty while nothing has.

    A line that is not over yet comes in parts; all but the first say that they continue it.
    """
    known = entries(path)
    start = known[max(0, bisect_right(known, position, key=lambda entry: entry.position) - 1)]
    cursor = start.cursor()
    found: list[Line] = []
    size = 0
    for frame in frames(path, start, position):
        if frame.end <= position:
            if frame.stream == Stream.GAP:
                cursor = frame.gap()[1]
            else:
                cursor.pass_over(frame.stream, frame.data)
            continue
        if size and size + len(frame.data) > limit_bytes:
            break
        for piece in pieces(frame, cursor):
            text = piece.data.decode(errors="replace")
            found.append(Line(piece.number, frame.ms, Stream(frame.stream), text, piece.continues))
        size += len(frame.data)
        position = frame.end
    return Followed(found, position)


def raw(path: Path, *, streams: Collection[int] | None = None) -> Iterator[bytes]:
    """The output as it was, for download; a sentence where something was dropped."""
    for frame in frames(path, Entry()):
        if frame.stream == Stream.GAP:
            yield b"\n[%d bytes dropped]\n" % frame.gap()[0]
        elif streams is None or frame.stream in streams:
            yield frame.data

"""How the output of an attempt lies on disk: frames, segments, index. `engine/capture.py` writes it, `output` reads it.

One file per attempt, a sequence of frames: milliseconds since the start, stream, length, bytes. While an attempt prints
more than its file may hold, two segment files beside it hold the end; sealing merges them. A position counts the
bytes of frames as if none had ever been dropped, so it stays valid while the middle of a long output disappears.

A line ends with a newline, where another stream begins, or after 64 KiB.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from io import FileIO
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
READ_BYTES = 256 * 1024


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

    def skip(self, frame: Frame) -> None:
        if frame.stream == Stream.GAP:
            behind = frame.gap()[1]
            self.lines, self.stream, self.length = behind.lines, behind.stream, behind.length
        else:
            self.pass_over(frame.stream, frame.data)


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


def scan_segment(part: Segment, *, joined: bool = False) -> Iterator[Frame]:
    """Its frames, for as long as it is not written over: the writer changes the header before anything else."""
    part.file.seek(SEGMENT.size)
    return scan(part.file, part.begin, header=part.header, joined=joined)


def scan(
    file: FileIO, position: int, end: int | None = None, header: bytes = b"", *, joined: bool = False
) -> Iterator[Frame]:
    """The whole frames of a file from where it is; `end` is the position behind the last one wanted. `joined`: those of
    a stream that follow each other as one, of up to 64 KiB, for who does not ask when each line came."""
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
            if joined and stream != Stream.GAP:
                limit = len(buffer) if end is None else min(len(buffer), offset + end - position)
                more, stop = _alike(buffer[:limit], stop, stream, LONGEST_LINE - length)
                data += more
            after = GAP.unpack(data)[1] if stream == Stream.GAP else position + stop - offset
            yield Frame(position, after, ms, stream, data)
            position, offset = after, stop
        buffer = buffer[offset:]
        more = file.read(READ_BYTES)
        if not more or (header and os.pread(file.fileno(), len(header), 0) != header):
            return
        buffer += more


def _alike(buffer: bytes, offset: int, stream: int, room: int) -> tuple[bytes, int]:
    """What the frames of `stream` from `offset` on hold, `room` bytes of it at most, and where the next one begins."""
    parts = []
    while offset + FRAME.size <= len(buffer):
        _ms, kind, length = FRAME.unpack_from(buffer, offset)
        stop = offset + FRAME.size + length
        if kind != stream or length > room or stop > len(buffer):
            break
        parts.append(buffer[offset + FRAME.size : stop])
        room, offset = room - length, stop
    return b"".join(parts), offset


def frames(path: Path, start: Entry, beyond: int = 0, *, joined: bool = False) -> Iterator[Frame]:
    """Every frame from an index entry on, live segments included; a gap where some are gone. `joined` is scan's.

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
            for frame in scan(head, position, parts[0].head_size if parts else None, joined=joined):
                position, ms = frame.end, frame.ms
                yield frame
        for part in parts:
            begin = part.begin
            if begin > position:
                cursor = part.cursor
                data = GAP.pack(part.payload, begin, cursor.lines, cursor.stream, cursor.length)
                yield Frame(position, begin, ms, Stream.GAP, data)
            for frame in scan_segment(part, joined=joined):
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

"""Reading what a run printed: pages of lines, live following, download."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import NamedTuple

from longhouse.frames import LONGEST_LINE, READ_BYTES, Cursor, Entry, Frame, Stream, entries, frames

LONGEST_PAGE = 1024 * 1024
FAR = 2**63


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


class Piece(NamedTuple):
    """A line, or a part of one that a frame holds."""

    number: int
    frame: Frame
    data: bytes
    continues: bool


def pieces(frame: Frame, cursor: Cursor) -> Iterator[Piece]:
    """What a frame adds to the lines; moves the cursor."""
    if frame.stream == Stream.GAP:
        yield Piece(0, frame, f"{frame.gap()[0]} bytes dropped".encode(), False)
        cursor.skip(frame)
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


def only(frame: Frame, cursor: Cursor) -> tuple[Frame]:
    return (frame,)


def whole_lines(
    path: Path,
    start: Entry,
    streams: Collection[int] | None,
    parts_of: Callable[[Frame, Cursor], Iterable[Frame]] = only,
    *,
    joined: bool = False,
) -> Iterator[tuple[Frame, int, bytes]]:
    """Frame of its beginning, number and bytes of each line; the last one may still grow. `parts_of` a frame are those
    that are read; it moves the cursor over what it leaves out, which are whole lines. `joined` frames are quicker, but
    do not know when each of their lines came."""
    first: Frame | None = None
    number, parts, cursor = 0, [], start.cursor()
    for frame in frames(path, start, joined=joined):
        if streams is not None and frame.stream != Stream.GAP and frame.stream not in streams:
            cursor.pass_over(frame.stream, frame.data)
            continue
        for piece in chain.from_iterable(pieces(part, cursor) for part in parts_of(frame, cursor)):
            if first is not None and piece.number == number and piece.continues:
                parts.append(piece.data)
                continue
            if first is not None:
                yield first, number, b"".join(parts)
            first, number, parts = piece.frame, piece.number, [piece.data]
    if first is not None:
        yield first, number, b"".join(parts)


def _from(line: int) -> Callable[[Frame, Cursor], Iterable[Frame]]:
    """All but frames that surely end before `line` begins: the stream may turn and a long line be cut, once each."""

    def parts(frame: Frame, cursor: Cursor) -> Iterable[Frame]:
        if frame.stream == Stream.GAP or cursor.lines + frame.data.count(b"\n") + 3 >= line:
            return (frame,)
        cursor.pass_over(frame.stream, frame.data)
        return ()

    return parts


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
    parts_of: Callable[[Frame, Cursor], Iterable[Frame]] = only
    if streams is None and (not dropped or start.position != start.offset):  # a gap, if any, lies behind us
        wanted = from_line if from_end is None else total - from_end + 1
        before, parts_of = wanted > 1 and total > 0, _from(wanted)
    for frame, number, data in whole_lines(path, start, streams, parts_of):
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
    reach = start.position + 3 * LONGEST_LINE
    near = takewhile(lambda frame: frame.start <= reach, frames(path, start, joined=True))
    dropped = next((frame.gap()[0] for frame in near if frame.stream == Stream.GAP), 0)
    cursor = known[-1].cursor()
    for frame in frames(path, known[-1], FAR, joined=True):
        cursor.skip(frame)
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
            cursor.skip(frame)
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

"""Finding lines in what a run printed: by their text, or those of some streams before a line. Nothing is kept."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from longhouse.frames import Cursor, Entry, Frame, Stream, entries
from longhouse.output import LONGEST_PAGE, Line, Page, whole_lines

MOST = 10_000
"""Lines that a search names; it counts on beyond them."""
LONGEST_TEXT = 200
ESCAPE = re.compile(rb"\x1b(?:\[[\x20-\x3f]*[\x40-\x7e]|[\]PX^_][^\x1b\x07\n]*(?:\x07|\x1b\\)|[\x20-\x2f]*[\x30-\x7e])")


@dataclass(frozen=True)
class Matches:
    lines: list[int]
    """Numbers of the first MOST lines with the text, in order."""
    total: int
    """How many lines have it."""


def search(path: Path | None, text: str, streams: Collection[int] | None = None) -> Matches:
    """The lines with `text` in what a reader sees of them, capital or small; of some streams, or of all."""
    found: list[int] = []
    wanted, total = text.lower(), 0
    if not wanted or path is None:
        return Matches([], 0)
    try:
        for frame, number, data in whole_lines(path, Entry(), streams, _with(wanted), joined=True):
            if frame.stream != Stream.GAP and wanted in _seen(data):
                total += 1
                if total <= MOST:
                    found.append(number)
    except FileNotFoundError:
        return Matches([], 0)
    return Matches(found, total)


def _seen(data: bytes) -> str:
    """What a reader sees of it, all small; line for line."""
    shown = ESCAPE.sub(b"", data) if b"\x1b" in data else data
    return shown.decode(errors="replace").lower()


def _with(wanted: str) -> Callable[[Frame, Cursor], Iterator[Frame]]:
    """The parts of a frame that can have `wanted`: lines that have it, and those that other frames begin or end."""

    def parts(frame: Frame, cursor: Cursor) -> Iterator[Frame]:
        data, stream, ended = frame.data, frame.stream, frame.data.rfind(b"\n") + 1
        if stream == Stream.GAP or not ended:
            yield frame
            return
        goes_on = cursor.length > 0 and cursor.stream == stream
        begin = data.find(b"\n") + 1 if goes_on else 0
        if begin:
            yield frame._replace(data=data[:begin])
        at = begin
        for start, stop in _lines_with(wanted, data[begin:ended]):
            cursor.pass_over(stream, data[at : begin + start])
            yield frame._replace(data=data[begin + start : begin + stop])
            at = begin + stop
        cursor.pass_over(stream, data[at:ended])
        if ended < len(data):
            yield frame._replace(data=data[ended:])

    return parts


def _lines_with(wanted: str, data: bytes) -> Iterator[tuple[int, int]]:
    """Where lines with `wanted` begin and end in whole lines. Most of an output has none: that is seen at a glance."""
    seen = _seen(data)
    if wanted not in seen:
        return
    stop = 0
    for line, text in zip(data.split(b"\n"), seen.split("\n"), strict=True):
        start, stop = stop, stop + len(line) + 1
        if wanted in text:
            yield start, min(stop, len(data))


def last_before(path: Path, line: int, count: int, streams: Collection[int], limit_bytes: int = LONGEST_PAGE) -> Page:
    """The last `count` lines of these streams before `line`; what was dropped counts as a line.

    Raises FileNotFoundError.
    """
    kept: deque[Line] = deque()
    size, before = 0, False
    for frame, number, data in whole_lines(path, entries(path)[0], streams):
        if (number or frame.gap()[1].lines) >= line:
            break
        kept.append(Line(number, frame.ms, Stream(frame.stream), data.decode(errors="replace")))
        size += len(data)
        while len(kept) > 1 and (len(kept) > count or size > limit_bytes):
            size -= len(kept.popleft().text.encode())
            before = True
    return Page(list(kept), before, False, line - 1, 0)

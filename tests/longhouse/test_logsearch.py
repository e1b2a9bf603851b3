"""Finding lines of a long output: what has no match is passed over, and nothing is missed or counted wrongly."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from longhouse import logsearch, output
from longhouse.engine.capture import Capture
from longhouse.frames import LONGEST_LINE, Cursor, Frame, Stream
from longhouse.logsearch import ESCAPE, search
from tests.reliability.seeds import a_seed

PARTS = [
    "photo",
    "PHO",
    "to",
    "Straße",
    "STRASSE",
    "K",
    "\u212a",
    "\x1b[31m",
    "\x1b[0m",
    "\n",
    "\n",
    "\r",
    " ",
    "\u0130",
]
WANTED = ["photo", "straße", "k", "to p", "i\u0307", "ph", "\r"]


def written(path: Path, chance: random.Random, frames: int) -> None:
    """Frames that begin and end anywhere, in lines, in escapes and in letters, of several streams."""
    capture = Capture(path, 0.0)
    for number in range(frames):
        text = "".join(chance.choices(PARTS, k=chance.randrange(12))) + "x" * chance.choice([0, 0, 0, 7, LONGEST_LINE])
        data = text.encode()
        cut = chance.randrange(len(data) + 1)
        for piece in (data[:cut], data[cut:]):
            if piece:
                capture.write(chance.choice([Stream.OUT, Stream.OUT, Stream.ERR]), piece, number)
    capture.seal()


def line_by_line(path: Path, text: str, streams: set[int] | None) -> list[int]:
    """Every line, cleaned, decoded and looked through on its own."""
    return [
        line.number
        for line in every_line(path, streams)
        if line.number and text.lower() in ESCAPE.sub(b"", line.text.encode()).decode().lower()
    ]


def every_line(path: Path, streams: set[int] | None) -> list[output.Line]:
    found, first = [], 1
    while True:
        page = output.read_lines(path, from_line=first, streams=streams)
        found += page.lines
        if not page.more_after:
            return found
        first = page.lines[-1].number + 1


@pytest.mark.parametrize("streams", [None, {Stream.OUT}, {Stream.ERR}])
def test_it_finds_what_a_walk_over_every_line_finds(tmp_path: Path, streams: set[int] | None) -> None:
    seed = a_seed()
    for number in range(40):
        path = tmp_path / str(number)
        written(path, random.Random(f"{seed}-{number}"), 30)
        for text in WANTED:
            expected = line_by_line(path, text, streams)
            found = search(path, text, streams)
            assert (found.lines, found.total) == (expected, len(expected)), f"{text!r}, seed {seed}, file {number}"


def test_pages_from_a_line_and_from_the_end_are_parts_of_the_whole(tmp_path: Path) -> None:
    seed = a_seed()
    for number in range(10):
        chance, path = random.Random(f"{seed}-{number}"), tmp_path / str(number)
        written(path, chance, 30)
        whole = every_line(path, None)
        for count in (1, 2, 5, len(whole), len(whole) + 3):
            page, at = output.read_lines(path, from_end=count), max(0, len(whole) - count)
            kept = len(page.lines)  # fewer, when they are long
            assert 1 <= kept <= count and page.lines == whole[-kept:], f"the last {count}, seed {seed}, file {number}"
            assert page.more_before == (kept < len(whole)), f"the last {count}, seed {seed}, file {number}"
            page = output.read_lines(path, from_line=at + 1)
            assert page.lines == whole[at : at + len(page.lines)], f"from {at + 1}, seed {seed}, file {number}"
            assert page.more_before == (at > 0), f"from {at + 1}, seed {seed}, file {number}"


def test_lines_without_a_match_are_not_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = Capture(tmp_path / "log", 0.0)
    for number in range(2_000):
        capture.write(Stream.OUT, f"line {number}\n".encode(), number)
    capture.seal()
    read, pieces = [], output.pieces

    def counted(frame: Frame, cursor: Cursor) -> list[output.Piece]:
        found = list(pieces(frame, cursor))
        read.extend(found)
        return found

    monkeypatch.setattr(output, "pieces", counted)
    assert search(tmp_path / "log", "LINE 1234").lines == [1235]
    assert len(read) == 1
    monkeypatch.setattr(logsearch, "_with", lambda wanted: output.only)
    assert search(tmp_path / "log", "LINE 1234").lines == [1235]
    assert len(read) == 2_001


def test_nothing_is_found_in_nothing(tmp_path: Path) -> None:
    assert search(None, "a").total == search(tmp_path / "gone", "a").total == search(tmp_path, "").total == 0

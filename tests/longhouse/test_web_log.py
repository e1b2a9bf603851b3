"""A run's output as HTML: windows, limits, and nothing but text in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhouse import logsearch
from longhouse.engine.capture import Capture
from longhouse.frames import Stream
from longhouse.output import Line
from longhouse.web import log
from longhouse.web.ansi import PLAIN, Ansi, Style
from longhouse.web.text import CONTROL, shown

MIB = 1024 * 1024


def captured(path: Path, *parts: tuple[int, bytes], seal: bool = True) -> Path:
    capture = Capture(path, 0.0)
    for stream, data in parts:
        capture.write(stream, data, 0)
    if seal:
        capture.seal()
    else:
        capture.settle(10_000)
        capture.close()
    return path


def numbers(window: log.Window) -> list[int]:
    return [int(number) for number in re.findall(r'id="L(\d+)"', window.html)]


def test_the_end_is_shown_first_and_earlier_lines_on_demand(tmp_path: Path) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, b"".join(b"line %d\n" % n for n in range(1, 10_001))))
    window = log.tail(path, growing=False)
    assert numbers(window) == list(range(9_501, 10_001))
    assert (window.first, window.next, window.more_before, window.total) == (9_501, 10_001, True, 10_000)
    seen = numbers(window)
    while window.more_before:
        window = log.before(path, window.first)
        seen = numbers(window) + seen
    assert seen == list(range(1, 10_001))


def test_a_link_to_a_line_opens_a_window_with_it(tmp_path: Path) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, b"".join(b"line %d\n" % n for n in range(1, 10_001))))
    window = log.around(path, 4_000, growing=False)
    assert 4_000 in numbers(window)
    assert window.more_before and window.more_after
    assert numbers(log.since(path, window.next, "", growing=False))[0] == window.next


def test_a_running_job_is_followed_without_a_gap_or_a_doubled_line(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    capture = Capture(path, 0.0)
    capture.write(Stream.OUT, b"one\n\x1b[31mtwo", 0)
    capture.settle(1_000)
    window = log.tail(path, growing=True)
    assert window.next == 2, "the last line may still grow"
    capture.write(Stream.OUT, b" and a half\nthree\n", 1_000)
    capture.settle(2_000)
    more = log.since(path, window.next, window.style, growing=True)
    assert numbers(more) == [2, 3]
    assert '<span class="f1">two and a half</span>' in more.html
    assert '<span class="f1">three</span>' in more.html, "the colour goes on"
    capture.seal()
    assert log.since(path, more.next, more.style, growing=False).next == 4


def test_asking_again_at_the_end_stays_there(tmp_path: Path) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, b"one\n\x1b[31mtwo\n"))
    end = log.tail(path, growing=False)
    again = log.since(path, end.next, end.style, growing=False)
    assert (again.html, again.first, again.next, again.style) == ("", 3, 3, end.style)
    assert numbers(log.around(path, 999, growing=False)) == [1, 2]


def test_a_reader_far_behind_is_taken_to_the_end(tmp_path: Path) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, b"x\n" * 20_000), seal=False)
    window = log.since(path, 5, "", growing=True, jump=True)
    assert numbers(log.since(path, 5, "", growing=True))[0] == 5, "unless he reads there"
    assert window.from_end and window.next == window.total
    assert len(numbers(window)) == log.NEWEST, "of what he cannot have read he gets a few screens"
    near = log.since(path, window.total - log.BEHIND, "", growing=True, jump=True)
    assert len(numbers(near)) == log.BEHIND + 1, "what he can still follow comes whole"


NASTY = [
    b"\x00" * 65_000,
    b"a\x01" * 32_000,
    b"&<>\"'" * 13_000,
    b"\x1b[1mb\x1b[m" * 8_000,
    b"\x1b[1;2;3;4;9;31mb\x1b[7m" * 3_400,
    "\u202e".encode() * 21_000,
    b"\xff" * 65_000,
    b"\x1b[41ma\x1b[1;3;4;9mb" * 3_500,
]


@pytest.mark.parametrize("line", NASTY)
def test_never_more_than_a_mebibyte(tmp_path: Path, line: bytes) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, (line + b"\n") * 150))
    first, end = log.around(path, 1, growing=False), log.tail(path, growing=False)
    for window in (first, end, log.before(path, end.first)):
        assert 0 < len(window.html.encode()) <= MIB
    assert numbers(first)[0] == 1
    assert numbers(end)[-1] == end.total
    assert numbers(log.before(path, end.first))[-1] == end.first - 1


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.one_of(st.text(), st.sampled_from(["</code><script>", "\x1b[31m<b>", "\x1b]8;;javascript:1\x07x", "&#27;"])))
def test_whatever_is_printed_stays_text(text: str) -> None:
    parser = Tags()
    parser.feed(log.line_html(Line(7, 0, Stream.OUT, text.replace("\n", " ")), Ansi()))
    assert {tag for tag, _ in parser.found} <= {"div", "a", "code", "span", "i"}
    for _, attributes in parser.found:
        assert set(attributes) <= {"class", "id", "href", "tabindex"}
        assert attributes.get("href", "#L7") == "#L7"
    assert not CONTROL.search(parser.text)


def test_streams_are_told_apart_by_ear_and_eye() -> None:
    html = log.line_html(Line(1, 0, Stream.ERR, "oh"), Ansi())
    assert 'class="l e"' in html and "error output" in html
    assert "Longhouse: " in log.line_html(Line(1, 0, Stream.SYSTEM, "oh"), Ansi())


@given(
    st.builds(
        Style,
        fg=st.none() | st.integers(0, 15),
        bg=st.none() | st.integers(0, 15),
        bold=st.booleans(),
        dim=st.booleans(),
        italic=st.booleans(),
        underline=st.booleans(),
        inverse=st.booleans(),
        strike=st.booleans(),
    )
)
def test_a_style_survives_its_key(style: Style) -> None:
    assert log.style_of(log.style_key(style)) == style


@pytest.mark.parametrize("key", ["", "x", "1.2", "999.1.", '"><script>', "-.-.zz"])
def test_a_made_up_key_is_no_style(key: str) -> None:
    assert log.style_of(key) == PLAIN


def test_invisible_and_turning_characters_are_named() -> None:
    assert shown("a\x1b[31m\u202eb\x00\u200b\x7f") == "a⟨ESC⟩[31m⟨RLO⟩b⟨NUL⟩⟨ZWSP⟩⟨DEL⟩"
    assert shown("tab\tline\nümläut 👩‍🚀") == "tab\tline\nümläut 👩‍🚀"


def test_no_output_file_is_an_empty_window(tmp_path: Path) -> None:
    for window in (log.tail(None, growing=True), log.tail(tmp_path / "none", growing=True)):
        assert (window.html, window.total, window.next) == ("", 0, 1)
    assert log.end_of(tmp_path / "none") == 0


def test_one_stream_alone_keeps_the_numbers_and_goes_back_far(tmp_path: Path) -> None:
    parts = [(Stream.ERR if n % 1_000 == 0 else Stream.OUT, b"line %d\n" % n) for n in range(1, 10_001)]
    path = captured(tmp_path / "1.log", *parts)
    view = log.View(frozenset({Stream.ERR}))
    assert numbers(log.tail(path, growing=False, view=view)) == list(range(1_000, 10_001, 1_000))
    window = log.before(path, 5_000, view=view)
    assert numbers(window) == [1_000, 2_000, 3_000, 4_000] and not window.more_before


def test_lines_carry_the_time_of_day_they_came(tmp_path: Path) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, b"one\n"))
    window = log.tail(path, growing=False, view=log.View(started=1_770_192_000_412, zone="Europe/Berlin"))
    assert 'data-t="09:00:00.412"' in window.html
    assert "data-t" not in log.tail(path, growing=False).html


def test_a_page_comes_with_little_of_a_long_output(tmp_path: Path) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, (b"x" * 99 + b"\n") * 9_000))
    window = log.opening(path, growing=False)
    assert numbers(window)[-1] == 9_000 and window.more_before
    assert len(window.html) < 50_000


def test_a_line_after_very_long_ones_is_in_its_window(tmp_path: Path) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, (b"y" * 60_000 + b"\n") * 60))
    assert 40 in numbers(log.around(path, 40, growing=False))


def test_search_finds_what_a_reader_sees(tmp_path: Path) -> None:
    said = (
        b"plain\n",
        b"\x1b[31mnee\x1b[1mdle\x1b[m\n",
        b"\x1b]8;;http://needle\x07link\x1b]8;;\x07\n",
        "NÄDLE\n".encode(),
    )
    path = captured(tmp_path / "1.log", *((Stream.OUT, each) for each in said), (Stream.ERR, b"needle\n"))
    assert logsearch.search(path, "Needle") == logsearch.Matches([2, 5], 2)
    assert logsearch.search(path, "nädle").lines == [4]
    assert logsearch.search(path, "needle", {Stream.ERR}).lines == [5]
    assert logsearch.search(path, "") == logsearch.search(None, "x") == logsearch.Matches([], 0)
    assert logsearch.search(tmp_path / "gone.log", "x").total == 0


def test_search_names_a_bounded_number_of_lines(tmp_path: Path) -> None:
    path = captured(tmp_path / "1.log", (Stream.OUT, b"x\n" * (logsearch.MOST + 5)))
    found = logsearch.search(path, "x")
    assert (len(found.lines), found.total) == (logsearch.MOST, logsearch.MOST + 5)

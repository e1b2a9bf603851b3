"""Terminal output becomes styled text, however its bytes arrive."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longhouse.web.ansi import LONGEST, PLAIN, Ansi, Span, Style, nearest

ESC = "\x1b"

PIECES = st.one_of(
    st.text(max_size=8),
    st.sampled_from([ESC, "\x1b[", "\x1b]", "\x1b\\", "\x07", "m", ";", "[31m", "\n", "\x9b", "\x18", "(B"]),
    st.lists(st.integers(0, 300), max_size=6).map(lambda codes: f"\x1b[{';'.join(map(str, codes))}m"),
    st.text(max_size=5).map(lambda title: f"\x1b]0;{title}\x07"),
)
BYTES = st.one_of(st.lists(PIECES, max_size=12).map(lambda all: "".join(all).encode("utf-8", "replace")), st.binary())


def merged(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for span in spans:
        if found and found[-1].style == span.style:
            found[-1] = Span(found[-1].text + span.text, span.style)
        elif span.text:
            found.append(span)
    return found


def whole(data: bytes) -> list[Span]:
    ansi = Ansi()
    return merged(ansi.feed(data) + ansi.finish())


@given(BYTES, st.lists(st.integers(0, 400), max_size=10))
def test_any_split_of_the_bytes_gives_the_same(data: bytes, cuts: list[int]) -> None:
    ansi, spans = Ansi(), []
    for start, end in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        spans += ansi.feed(data[start:end])
    assert merged(spans + ansi.finish()) == whole(data)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(LONGEST - 3, LONGEST + 3), st.sampled_from(["\x1b[", "\x1b]0;", "\x1b(", "\x1bP"]), st.integers(1, 9)
)
def test_a_sequence_at_the_limit_ends_the_same_however_it_is_cut(length: int, start: str, step: int) -> None:
    filler = {"\x1b[": "1", "\x1b(": " "}.get(start, "x")
    for end in ("m", "\x07", "\x1b\\", "\n", "B", ""):
        data = (start + filler * (length - len(start)) + end + "after").encode()
        ansi, spans = Ansi(), []
        for at in range(0, len(data), step * 101):
            spans += ansi.feed(data[at : at + step * 101])
        assert merged(spans + ansi.finish()) == whole(data)


@given(st.text(alphabet=st.characters(exclude_characters=ESC, codec="utf-8")))
def test_text_without_escapes_is_unchanged(text: str) -> None:
    assert "".join(span.text for span in whole(text.encode())) == text


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("\x1b[31mred\x1b[0m plain", [Span("red", Style(fg=1)), Span(" plain", PLAIN)]),
        ("\x1b[1;32;44mx", [Span("x", Style(fg=2, bg=4, bold=True))]),
        ("\x1b[mx", [Span("x", PLAIN)]),
        ("\x1b[38;5;9mx", [Span("x", Style(fg=9))]),
        ("\x1b[38;5;196mx", [Span("x", Style(fg=nearest(255, 0, 0)))]),
        ("\x1b[38;2;0;255;0mx", [Span("x", Style(fg=nearest(0, 255, 0)))]),
        ("\x1b[38:5:2mx", [Span("x", Style(fg=2))]),
        ("\x1b[97;100mx", [Span("x", Style(fg=15, bg=8))]),
        ("\x1b[999mx", [Span("x", PLAIN)]),
        ("\x1b[38;5mx", [Span("x", PLAIN)]),
        ("\x1b[2J\x1b[10;5Hx", [Span("x", PLAIN)]),
        ("\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\", [Span("link", PLAIN)]),
        ("\x1b]52;c;aGFjaw==\x07x", [Span("x", PLAIN)]),
        ("\x1bPq#0;2;0\x1b\\x", [Span("x", PLAIN)]),
        ("\x1b(Bx\x1bc", [Span("x", PLAIN)]),
        ("a\x1b]0;never ends\nb", [Span("a\x1b]0;never ends\nb", PLAIN)]),
        ("a\x1b[31\nb", [Span("a\x1b[31\nb", PLAIN)]),
        ("a\x1b", [Span("a\x1b", PLAIN)]),
        ("\x9b31mx", [Span("\x9b31mx", PLAIN)]),
    ],
)
def test_what_sequences_do(text: str, spans: list[Span]) -> None:
    assert whole(text.encode()) == spans


def test_colours_go_on_from_line_to_line() -> None:
    ansi = Ansi()
    assert ansi.line("\x1b[35mone") == [Span("one", Style(fg=5))]
    assert ansi.line("two\x1b[0m") == [Span("two", Style(fg=5))]
    assert ansi.line("three") == [Span("three", PLAIN)]


def test_a_flood_of_openings_costs_linear_time() -> None:
    data = (b"\x1b]" * 60_000) + b"\x1b[" * 60_000
    assert len("".join(span.text for span in whole(data))) >= 60_000
    assert re.match(r"\x1b", whole(data)[0].text)

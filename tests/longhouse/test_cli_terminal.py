"""What a job may do to the terminal of whoever reads its output: colours, and nothing else."""

from __future__ import annotations

import json
import random
import re

import pytest

from longhouse.cli import terminal
from longhouse.cli.terminal import RESET, Screen

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;cm0gLXJm\x07",
    "\x1bP+q544e\x1b\\",
    "\x1b_Gf=100;AAAA\x1b\\",
    "\x1b^private\x1b\\",
    "\x1bXsos\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1b[?1049h",
    "\x1b[6n",
    "\x1b[21t",
    "\x1b[8mhidden",
    "\x1b[5mblink",
    "\x1bc",
    "\x1b(0",
    "\x1b#8",
    "\x1b",
    "\x1b[",
    "\x1b]0;unfinished",
    "\x1b\x1b[31m",
    "\x9b31m",
    "\x9d0;title\x9c",
    "a\x08\x08b",
    "safe\rsmuggled",
    "\x00\x07\x0b\x0c\x7f\x85",
    "\u202egnp.exe",
    "\u2066x\u2069\u200f",
    "\ud800",
]
RAW = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SGR = re.compile(r"\x1b\[[0-9;]*m")


def shown(text: str, *, colour: bool = True, pieces: int = 1) -> str:
    screen = Screen(colour=colour)
    cuts = sorted(random.Random(7).choices(range(len(text) + 1), k=pieces - 1))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return "".join(map(screen.feed, parts)) + screen.end()


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_nothing_but_colours_reaches_the_terminal(text: str, pieces: int) -> None:
    for colour in (True, False):
        seen = shown(f"before {text} after", colour=colour, pieces=pieces)
        rest = SGR.sub("", seen) if colour else seen
        assert "\x1b" not in rest
        assert not RAW.search(rest)
        assert seen.startswith("before ")
    assert "\x1b" not in terminal.plain(text)
    assert not RAW.search(terminal.plain(text))


def test_negative_control_the_hostile_texts_are_hostile() -> None:
    assert all("\x1b" in text or RAW.search(text) for text in HOSTILE)


def test_colours_pass_on_a_terminal_and_are_put_back() -> None:
    assert shown("\x1b[1;31mred\x1b[m") == f"\x1b[1;31mred\x1b[0m{RESET}"
    assert shown("\x1b[38;5;200mx") == f"\x1b[38;5;200mx{RESET}"
    assert shown("\x1b[38;2;1;2;3;8mx") == f"\x1b[38;2;1;2;3mx{RESET}"
    assert shown("\x1b[1;31mred\x1b[m", colour=False) == "red"


def test_a_colour_cut_between_pieces_is_one_colour() -> None:
    screen = Screen(colour=True)
    assert screen.feed("a\x1b[3") == "a"
    assert screen.feed("2mb") == "\x1b[32mb"
    assert screen.end() == RESET


def test_an_unfinished_sequence_does_not_swallow_the_rest() -> None:
    text = "\x1b]0;" + "x" * 10_000
    assert shown(text) == "␛]0;" + "x" * 10_000


def test_line_ends_are_line_ends_and_a_lone_return_is_one() -> None:
    assert shown("a\r\nb\rc", pieces=6) == "a\nb\nc"


def test_a_value_in_a_table_stays_on_its_line() -> None:
    assert terminal.line("a\nb\tc\x1b[2J") == "a␊b␉c␛[2J"


@pytest.mark.parametrize("text", [*HOSTILE, "é 🎉 \u2028"], ids=ascii)
def test_json_holds_any_text_without_a_raw_control_character(text: str) -> None:
    for shape in (terminal.compact, terminal.pretty):
        raw = shape({"text": text})
        assert not RAW.search(raw)
        assert json.loads(raw) == {"text": text}
        raw.encode("utf-8")

"""Terminal output as styled text: a streaming parser that knows colours and drops or shows everything else.

Bytes may be cut anywhere, also inside a character or an escape sequence. Of the sequences only SGR (`ESC [ … m`) has an
effect. Complete others (cursor, titles, links, clipboard) are dropped; broken ones are shown, so that nothing hides.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

LONGEST = 4096
"""Characters of a sequence that is never finished before it is shown as text."""

ESC, BEL = "\x1b", "\x07"
STRINGS = frozenset("]PX^_")
"""OSC, DCS, SOS, PM, APC: they end with BEL or ESC \\."""
PLAIN_RUN = re.compile(f"[^{ESC}]+")
CSI_END = re.compile("[\x40-\x7e]")
CSI_BODY = re.compile("[\x20-\x3f]*")
STRING_END = re.compile(f"[{ESC}{BEL}\n\x18\x1a]")


class Style(NamedTuple):
    """Colours are 0 to 15 of our own palette, None for the default."""

    fg: int | None = None
    bg: int | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False
    strike: bool = False


PLAIN = Style()


class Span(NamedTuple):
    text: str
    style: Style


FLAGS = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underline": True},
    7: {"inverse": True},
    9: {"strike": True},
    21: {"underline": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underline": False},
    27: {"inverse": False},
    29: {"strike": False},
    39: {"fg": None},
    49: {"bg": None},
}

HEX = "000000cd31310dbc79e5e5102472c8bc3fbc11a8cdcccccc666666f14c4c23d18bf5f5433b8eead670d629b8dbffffff"
PALETTE = tuple(tuple(bytes.fromhex(HEX)[at : at + 3]) for at in range(0, 48, 3))
"""What the sixteen colours look like in most terminals; larger palettes are mapped to the nearest of them."""


class Ansi:
    """`feed` bytes or text as they come; styles carry over from line to line. `finish` gives what was held back."""

    def __init__(self, style: Style = PLAIN) -> None:
        self.style = style
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = ""

    def feed(self, data: bytes) -> list[Span]:
        return self._parse(self._held + self._decode(data), final=False)

    def finish(self) -> list[Span]:
        return self._parse(self._held + self._decode(b"", True), final=True)

    def line(self, text: str) -> list[Span]:
        """One whole line without its end: a sequence does not reach over it."""
        return self._parse(text, final=True)

    def _parse(self, text: str, *, final: bool) -> list[Span]:
        found: list[tuple[Style, list[str]]] = []
        at, self._held = 0, ""
        while at < len(text):
            run = PLAIN_RUN.match(text, at)
            if run:
                _add(found, run[0], self.style)
                at = run.end()
                continue
            end, is_sgr = _sequence(text, at)
            if end is None:
                if not final and len(text) - at <= LONGEST:
                    self._held = text[at:]
                    break
                end = at  # broken: the escape character itself is shown, the rest is text
            if end == at:
                _add(found, ESC, self.style)
                end = at + 1
            elif is_sgr:
                self.style = _applied(self.style, text[at + 2 : end - 1])
            at = end
        return [Span("".join(parts), style) for style, parts in found]


def _add(found: list[tuple[Style, list[str]]], text: str, style: Style) -> None:
    if found and found[-1][0] == style:
        found[-1][1].append(text)
    else:
        found.append((style, [text]))


def _sequence(text: str, at: int) -> tuple[int | None, bool]:
    """Where the sequence at `at` ends, and whether it is SGR. None: it may go on; `at` itself: it is broken."""
    if at + 1 == len(text):
        return None, False
    kind = text[at + 1]
    if kind == "[":
        end = CSI_BODY.match(text, at + 2).end()  # type: ignore[union-attr]  # matches the empty text
        if end - at > LONGEST:
            return at, False
        if end == len(text):
            return None, False
        return (end + 1, text[end] == "m") if CSI_END.match(text, end) else (at, False)
    if kind in STRINGS:
        return _string(text, at), False
    if " " <= kind <= "/":  # such as ESC ( B, the choice of a character set
        end = at + 2
        while end < len(text) and " " <= text[end] <= "/" and end - at <= LONGEST:
            end += 1
        if end - at > LONGEST:
            return at, False
        if end == len(text):
            return None, False
        return (end + 1 if "0" <= text[end] <= "~" else at), False
    return (at + 2 if "0" <= kind <= "~" else at), False


def _string(text: str, at: int) -> int | None:
    found = STRING_END.search(text, at + 2, at + LONGEST + 1)
    if found is None:
        return at if len(text) - at > LONGEST else None
    if found[0] == BEL:
        return found.end()
    if found[0] != ESC or found.end() - at > LONGEST:
        return at
    if found.end() == len(text):
        return None
    return found.end() + 1 if text[found.end()] == "\\" else at


@lru_cache(maxsize=1024)
def _applied(style: Style, parameters: str) -> Style:
    """`style` after one SGR sequence. Numbers it does not know change nothing."""
    if len(parameters) > 256 or not set(parameters) <= set("0123456789;:"):
        return style
    codes = [int(part[:6] or 0) for part in parameters.replace(":", ";").split(";")]
    at = 0
    while at < len(codes):
        code = codes[at]
        at += 1
        if code == 0:
            style = PLAIN
        elif code in FLAGS:
            style = style._replace(**FLAGS[code])  # type: ignore[arg-type]
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = style._replace(fg=code - 30 if code < 90 else code - 82)
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = style._replace(bg=code - 40 if code < 100 else code - 92)
        elif code in (38, 48):
            colour, at = _extended(codes, at)
            if colour is not None:
                style = style._replace(fg=colour) if code == 38 else style._replace(bg=colour)
    return style


def _extended(codes: list[int], at: int) -> tuple[int | None, int]:
    """The colour after 38 or 48, and where the next code is."""
    kind = codes[at] if at < len(codes) else None
    if kind == 5 and at + 1 < len(codes):
        return _of_256(codes[at + 1]), at + 2
    if kind == 2 and at + 3 < len(codes):
        return nearest(*codes[at + 1 : at + 4]), at + 4
    return None, len(codes)


def _of_256(number: int) -> int | None:
    if number < 16:
        return number
    if number < 232:
        steps = (0, 95, 135, 175, 215, 255)
        cube = number - 16
        return nearest(steps[cube // 36], steps[cube // 6 % 6], steps[cube % 6])
    if number < 256:
        return nearest(*[8 + 10 * (number - 232)] * 3)
    return None


def nearest(red: int, green: int, blue: int) -> int:
    def distance(number: int) -> int:
        other = PALETTE[number]
        return 2 * (other[0] - red) ** 2 + 4 * (other[1] - green) ** 2 + 3 * (other[2] - blue) ** 2

    return min(range(16), key=distance)

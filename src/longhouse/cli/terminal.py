"""What other people's text may do to a terminal: colours, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

SEQUENCE = re.compile(
    r"\x1b(?:\[(?P<csi>[0-?]*)[ -/]*(?P<final>[@-~])"  # CSI; with the final m it sets colours
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links, the clipboard
    r"|[PX^_][^\x1b]*\x1b\\"  # DCS and its like
    r"|[ -/]*[0-OQ-WYZ\\`-~])"
)
UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)")
LONGEST = 4096
"""Characters of an unfinished sequence that are held back; then it is shown as text."""
COLOUR = re.compile(r"[1-4]|7|9|2[1-47-9]|3[0-79]|4[0-79]|9[0-7]|10[0-7]|0?0?")
RESET = "\x1b[0m"
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of text, and so can show one thing and mean another."""
CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{BIDI}]")
IN_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029\ud800-\udfff{BIDI}]")


def plain(text: str) -> str:
    """`text` with every control character but newline and tab shown as a symbol."""
    return CONTROL.sub(_symbol, text.replace("\r\n", "\n").replace("\r", "\n"))


def line(value: Any) -> str:
    """A value for one line or one cell of a table."""
    return plain(str(value)).replace("\n", "␊").replace("\t", "␉")


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"


def compact(document: Any) -> str:
    """JSON in one line of UTF-8, without a raw control character."""
    return IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(document, ensure_ascii=False))


def pretty(document: Any) -> str:
    return IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(document, ensure_ascii=False, indent=2))


class Screen:
    """A stream of output, made safe piece by piece; a sequence may be cut anywhere between two pieces."""

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour
        self._kept = ""
        self._coloured = False

    def feed(self, text: str) -> str:
        text, self._kept = self._kept + text, ""
        if text.endswith("\r"):  # perhaps half of a line's end
            text, self._kept = text[:-1], "\r"
        shown, position = [], 0
        while (start := text.find("\x1b", position)) >= 0:
            shown.append(plain(text[position:start]))
            if match := SEQUENCE.match(text, start):
                shown.append(self._sgr(match))
                position = match.end()
            elif UNFINISHED.fullmatch(text, start) and len(text) - start < LONGEST:
                self._kept = text[start:] + self._kept
                return "".join(shown)
            else:
                shown.append("␛")
                position = start + 1
        shown.append(plain(text[position:]))
        return "".join(shown)

    def end(self) -> str:
        """What was held back, and the colours put back."""
        kept, self._kept = self._kept, ""
        return plain(kept) + (RESET if self._coloured else "")

    def _sgr(self, match: re.Match[str]) -> str:
        if match["final"] != "m" or not self.colour:
            return ""
        codes = _colours(match["csi"].replace(":", ";").split(";"))
        if codes is None:
            return ""
        self._coloured = True
        return f"\x1b[{';'.join(codes)}m"


def _colours(codes: list[str]) -> list[str] | None:
    """The codes that only colour or weigh text; None if none is left. Hidden and blinking text are not among them."""
    kept: list[str] = []
    while codes:
        code = codes.pop(0)
        if code in ("38", "48") and codes and codes[0] in ("5", "2"):
            length = 2 if codes[0] == "5" else 4
            rest, codes = codes[:length], codes[length:]
            if len(rest) == length and all(re.fullmatch(r"\d{1,3}", part) for part in rest):
                kept += [code, *rest]
        elif COLOUR.fullmatch(code):
            kept.append(code or "0")
    return kept or None

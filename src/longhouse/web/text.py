"""Foreign text made safe to look at: what is invisible, or turns the reading order around, is shown as a symbol."""

from __future__ import annotations

import re

BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks, embeddings, overrides and isolates: they can make a line read as something it is not."""
INVISIBLE = (
    "\u00ad\u115f\u1160\u180e\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f"
)

CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI}{INVISIBLE}\ud800-\udfff]")
"""Everything but tab and newline that a reader would not see, or would be misled by. Not the joiners of emoji."""

C0 = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI"),
    *("DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
)
NAMES = dict(enumerate(C0)) | {
    0x7F: "DEL",
    0x9B: "CSI",
    0x9D: "OSC",
    0x200B: "ZWSP",
    0x200E: "LRM",
    0x200F: "RLM",
    0x202A: "LRE",
    0x202B: "RLE",
    0x202C: "PDF",
    0x202D: "LRO",
    0x202E: "RLO",
    0x2066: "LRI",
    0x2067: "RLI",
    0x2068: "FSI",
    0x2069: "PDI",
    0xFEFF: "BOM",
}


def symbol(character: str) -> str:
    """What is shown instead of one character of CONTROL: its name in angle brackets, which every font has."""
    code = ord(character)
    return f"⟨{NAMES.get(code) or f'U+{code:04X}'}⟩"


def shown(text: str) -> str:
    return CONTROL.sub(lambda found: symbol(found[0]), text) if CONTROL.search(text) else text

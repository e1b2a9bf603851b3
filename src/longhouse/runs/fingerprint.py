"""What failures have in common: runs with equal fingerprints failed the same way. Pure.

An exception is known by its type, the user's own frames (files and functions; line numbers move with every edit) and
its message without what differs from run to run. Any other end is known by its reason, exit code and signal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

LONGEST = 2_000
"""Characters of a message that count."""
FRAMES = 50
"""Frames that count, innermost first: a recursion may have a thousand."""

FRAME = re.compile(r'^ *\|? *File "(?P<file>[^"\n]+)", line \d+(?:, in (?P<function>.+))?$', re.MULTILINE)
VARIES = re.compile(
    r"""
      (?<!\w) (?: '[^'\n]*' | "[^"\n]*" | `[^`\n]*` ) | “[^”\n]*” | «[^»\n]*»
    | \b [0-9a-f]{8} - (?:[0-9a-f]{4}-){3} [0-9a-f]{12} \b
    | \b 0x[0-9a-f]+ \b | \b (?=[a-f]*[0-9]) [0-9a-f]{7,} \b
    | [+-]? \d+ (?:[.,_:]\d+)* (?:e[+-]?\d+)?
    """,
    re.VERBOSE | re.IGNORECASE,
)


def without_values(message: str) -> str:
    """`message` with its numbers, hexadecimal words, UUIDs and quoted values taken out, on one line."""
    return " ".join(VARIES.sub("…", message[:LONGEST]).split())


def frames(traceback: str) -> list[str]:
    """`jobs/digest.py: run` for each frame of the user's own code, outermost first: those with a relative path."""
    found = [
        f"{each['file']}: {each['function'] or ''}"
        for each in FRAME.finditer(traceback)
        if not each["file"].startswith(("/", "<"))
    ]
    return found[-FRAMES:]


def fingerprint(
    *, reason: str | None, message: str, error: Mapping[str, Any] | None, exit_code: int | None, signal: int | None
) -> str:
    """16 hexadecimal digits. `error` is {type, traceback, file, line} as it is stored with an attempt."""
    parts: list[object]
    if error and error.get("type"):
        places = frames(str(error.get("traceback") or "")) or [str(error.get("file") or "")]
        parts = ["exception", error["type"], *places, without_values(message)]
    elif reason is None or reason == "exception":
        parts = ["message", without_values(message)]
    else:
        parts = [reason, exit_code, signal]
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:16]

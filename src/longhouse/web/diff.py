"""A commit's diff as files with numbered lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher

HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)")
MOST_LINES = 5_000
NOTES = {
    "new file": "New file",
    "deleted file": "Deleted",
    "Binary files": "Not text",
    "GIT binary": "Not text",
    "new mode": "Other mode",
}


@dataclass(frozen=True)
class Line:
    kind: str
    """add, del, same, hunk or note."""
    old: int | None
    new: int | None
    text: str


@dataclass
class File:
    path: str
    lines: list[Line] = field(default_factory=list)
    added: int = 0
    removed: int = 0


def files(diff: str) -> tuple[list[File], bool]:
    """The files of a unified diff, and whether it was cut after MOST_LINES lines."""
    found: list[File] = []
    old = new = 0
    in_hunk = False
    for count, text in enumerate(diff.split("\n")):
        if count >= MOST_LINES:
            return found, True
        if text.startswith("diff --git "):
            found.append(File(_path(text)))
            in_hunk = False
        elif not found:
            continue
        elif hunk := HUNK.match(text):
            old, new, in_hunk = int(hunk[1]), int(hunk[2]), True
            if found[-1].added + found[-1].removed or old > 1:
                found[-1].lines.append(Line("hunk", None, None, f"… {hunk[3]}"))
        elif not in_hunk:
            if text.startswith(("--- ", "+++ ")) and text[4:] != "/dev/null":
                found[-1].path = _unquoted(text[4:])[2:]
            elif said := next((said for start, said in NOTES.items() if text.startswith(start)), ""):
                found[-1].lines.append(Line("note", None, None, said))
        elif text.startswith("+"):
            found[-1].lines.append(Line("add", None, new, text[1:]))
            found[-1].added += 1
            new += 1
        elif text.startswith("-"):
            found[-1].lines.append(Line("del", old, None, text[1:]))
            found[-1].removed += 1
            old += 1
        elif text.startswith(" "):
            found[-1].lines.append(Line("same", old, new, text[1:]))
            old, new = old + 1, new + 1
        elif text.startswith("\\"):
            found[-1].lines.append(Line("note", None, None, "no newline at the end of the file"))
    return found, False


def compared(old: str, new: str, around: int = 3) -> list[Line]:
    """What changed from one text to another, with some lines around each change."""
    before, after = old.replace("\r\n", "\n").split("\n"), new.replace("\r\n", "\n").split("\n")
    found: list[Line] = []
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(around):
        if found or group[0][1]:
            found.append(Line("hunk", None, None, "…"))
        for kind, low, high, low_new, high_new in group:
            if kind == "equal":
                both = enumerate(before[low:high])
                found += [Line("same", low + at + 1, low_new + at + 1, text) for at, text in both]
                continue
            found += [Line("del", low + at + 1, None, text) for at, text in enumerate(before[low:high])]
            found += [Line("add", None, low_new + at + 1, text) for at, text in enumerate(after[low_new:high_new])]
    return found[:MOST_LINES]


def _path(header: str) -> str:
    """From `diff --git a/x b/x`; exact only without renames, which is how our diffs are made."""
    rest = header.removeprefix("diff --git ")
    half = rest[(len(rest) + 1) // 2 :]
    return _unquoted(half)[2:]


def _unquoted(path: str) -> str:
    path = path.rstrip("\t")
    if not path.startswith('"'):
        return path
    return re.sub(rb"\\([0-7]{3}|.)", _unescaped, path[1:-1].encode()).decode("utf-8", "replace")


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if len(code) == 3:
        return bytes([int(code, 8) & 0xFF])
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"v": b"\v", b"f": b"\f"}.get(code, code)


EMPTY = Line("gap", None, None, "")


def sides(file: File) -> tuple[list[Line], list[Line]]:
    """The old and the new lines, as many on each side, so that what belongs together stands beside each other."""
    old: list[Line] = []
    new: list[Line] = []
    for line in file.lines:
        if line.kind == "del":
            old.append(line)
        elif line.kind == "add":
            new.append(line)
        else:
            _level(old, new)
            old.append(line)
            new.append(line)
    _level(old, new)
    return old, new


def _level(old: list[Line], new: list[Line]) -> None:
    more = len(old) - len(new)
    new += [EMPTY] * more
    old += [EMPTY] * -more

"""Which files of the jobs repo may be written through the instance: job code and what belongs to it, by plain names.

People with an editor may have whatever they like in the folder; a path that comes over the network is one of these.
"""

from __future__ import annotations

import re

from longhouse.errors import Invalid

AT_THE_TOP = ("manifest.py", "requirements.txt", "jobs.toml", "README.md", "AGENTS.md")
BELOW = "jobs"
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
LONGEST = 240
DEEPEST = 8
REFUSED = re.compile(r"(?i)(.*\.(py[cod]|sw[opx]|tmp|so)|.*\.|(con|prn|aux|nul|com\d|lpt\d)(\..*)?)\Z")
"""Compiled code, what editors and git leave beside a file, and names that other systems reserve."""
LARGEST = 1024 * 1024
"""Bytes of one file; over the network a body ends there, too."""


class PathRefused(Invalid):
    """The path is none that is written over the network: manifest.py, requirements.txt, text files below jobs/."""

    code = "repo.path_refused"


def require_path(path: str) -> str:
    """Raises PathRefused."""
    why = _refusal(path)
    if why:
        shown = "".join(char if char.isprintable() else "?" for char in path[:100])
        raise PathRefused(
            f"{shown!r} cannot be a file here: {why}",
            hint=f"{', '.join(AT_THE_TOP)} or a text file below {BELOW}/, in letters, digits and _ - .",
        )
    return path


def allowed(path: str) -> bool:
    return not _refusal(path)


def require_text(path: str, data: bytes) -> str:
    """The file's text. Raises Invalid."""
    if len(data) > LARGEST:
        raise Invalid(f"{path} is over {LARGEST:,} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(f"{path} is not UTF-8 text: line {line} has a byte that is none") from error
    if "\0" in text:
        raise Invalid(f"{path} is not text: it holds a NUL character")
    return text


def _refusal(path: str) -> str:
    parts = path.split("/")
    if path in AT_THE_TOP:
        return ""
    if len(path) > LONGEST or len(parts) > DEEPEST:
        return f"it has more than {LONGEST} characters or {DEEPEST} levels"
    odd = next((part for part in parts if not PART.match(part)), None)
    if odd is not None:
        return "a part of it is empty, begins with a dot, or has characters that a file name here has not"
    if parts[0] != BELOW or len(parts) < 2:
        return f"it is neither below {BELOW}/ nor one of the files that the top folder has"
    if any(REFUSED.match(part) or part == "__pycache__" for part in parts):
        return "names like that are for files that nobody commits"
    return ""

"""What a commit says: its subject, and the lines at its end. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Trailers = Sequence[tuple[str, str]]
"""(name, value) of lines at the end of a message."""
NAMED = 4
"""Files named in the subject of a commit; more are counted."""


def summary(changes: Sequence[tuple[str, str]]) -> str:
    """`add jobs/a.py, manifest.py`, from git's (A|M|D, path) pairs."""
    verbs = {"A": "add ", "D": "remove "}
    named = [verbs.get(code[0], "") + printable(path) for code, path in changes[:NAMED]]
    more = len(changes) - len(named)
    return ", ".join(named) + (f" and {more} more file{'s' if more > 1 else ''}" if more else "")


def with_trailers(message: str, trailers: Trailers) -> bytes:
    lines = "".join(f"{name}: {value}\n" for name, value in trailers)
    return (f"{message}\n\n{lines}" if lines else message).encode()


def clean(text: bytes) -> bytes:
    """As git keeps messages: no blanks at the ends of lines, one line end at the end."""
    lines = [line.rstrip() for line in text.strip().split(b"\n")]
    return b"\n".join(line for at, line in enumerate(lines) if line or (at and lines[at - 1])) + b"\n"


def author(text: str) -> tuple[str, ...]:
    """git's options for `Name <address>`."""
    name, _, address = text.rpartition(" <")
    return ("-c", f"author.name={name}", "-c", f"author.email={address.rstrip('>')}")


def printable(path: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in path)[:120]

"""Secrets do not get into history: what is to be committed is looked through, and a file that holds one is left out.

Looked at are the bytes on disk, before git makes an object of them: what never became one cannot be pushed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from longhouse.errors import Conflict

Finds = Callable[[bytes], Iterable[tuple[int, str]]]
"""Where in some bytes a secret begins, and what it is: `Masker.finds`."""

LARGEST = 16 * 1024 * 1024
"""Bytes of a file that are looked through; code is smaller."""
ALLOWED = b"longhouse: not a secret"
"""On a line with an example token, this lets it pass. A stored value never passes."""


HINT = "Take it out of the file; a job gets it with `secrets` in its JobConfig and ctx.require_secret()."


class SecretInFile(Conflict):
    """Something would put a secret into the repository's history, from which nothing gets it out again."""

    code = "repo.secret_in_file"


@dataclass(frozen=True)
class Leak:
    """A file that holds something, and where the first of it is."""

    path: str
    line: int
    what: str
    """`the secret SMTP_PASSWORD`, `a GitHub personal token`; never the value."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line} holds {self.what}"


def in_bytes(path: str, data: bytes, finds: Finds) -> Leak | None:
    """The first one."""
    for start, what in finds(data):
        begin = data.rfind(b"\n", 0, start) + 1
        end = data.find(b"\n", start)
        line = data[begin : end if end >= 0 else len(data)]
        if ALLOWED not in line or what.startswith("the secret "):
            return Leak(path, data.count(b"\n", 0, start) + 1, what)
    return None


def in_files(tree: Path, paths: Iterable[str], finds: Finds) -> Iterator[Leak]:
    """Of each file that holds something, the first one. What is no plain file, or is gone, holds nothing."""
    for path in paths:
        try:
            handle = os.open(tree / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # gone, a link, or not to be read: git will say
        try:
            with open(handle, "rb") as file:
                data = file.read(LARGEST)
        except OSError:
            continue
        found = in_bytes(path, data, finds)
        if found is not None:
            yield found


def require_none(found: Iterable[Leak]) -> None:
    """Raises SecretInFile, with the places."""
    leaks = tuple(found)
    if leaks:
        raise SecretInFile(
            "; ".join(str(each) for each in leaks),
            hint=HINT,
            leaks=[{"path": each.path, "line": each.line, "what": each.what} for each in leaks],
        )

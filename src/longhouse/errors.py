"""Everything that can go wrong and that a person can act on. Surfaces translate `kind`; nobody else does."""

from __future__ import annotations

from typing import Any, ClassVar


class LonghouseError(Exception):
    """Something went wrong that a person can act on: a stable `code`, a sentence, a hint what to do.

    `kind` decides the HTTP status and the exit code; `facts` are extra members of the problem document.
    """

    code: ClassVar[str] = "internal"
    kind: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts


class Invalid(LonghouseError):
    """The request itself is wrong; `errors=[{pointer, message}]` names each field."""

    code = "invalid"
    kind = "invalid"


class NotFound(LonghouseError):
    code = "not_found"
    kind = "not_found"


class Conflict(LonghouseError):
    """The request is fine, the state of the thing is not."""

    code = "conflict"
    kind = "conflict"


class Unauthenticated(LonghouseError):
    code = "unauthenticated"
    kind = "unauthenticated"


class Forbidden(LonghouseError):
    code = "forbidden"
    kind = "forbidden"


class Gone(LonghouseError):
    code = "gone"
    kind = "gone"


class TooMany(LonghouseError):
    """A limit was hit; `retry_after_seconds` says when to come back."""

    code = "too_many_requests"
    kind = "too_many"


class Unavailable(LonghouseError):
    """Not now: locked database, stopping server."""

    code = "unavailable"
    kind = "unavailable"


class StorageFull(LonghouseError):
    code = "storage.full"
    kind = "storage_full"


class StorageFailed(LonghouseError):
    """The disk or the database is broken. The server stops: nothing more may be acknowledged."""

    code = "storage.failed"
    kind = "storage_failed"


class UsageError(LonghouseError):
    """A command line or setting that makes no sense; exit code 2."""

    code = "usage"
    kind = "usage"


class CannotStart(LonghouseError):
    """The instance must not start as things are; exit code 7."""

    code = "start.refused"
    kind = "cannot_start"


class ManifestBroken(LonghouseError):
    """The manifest could not be read. `file` is relative to the tree; both may be unknown (None)."""

    code = "manifest.broken"
    kind = "manifest"

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, traceback: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint, file=file, line=line)
        self.file = file
        self.line = line
        self.traceback = traceback

    @property
    def place(self) -> str:
        """`manifest.py:7`, or as much of it as is known."""
        if self.file is None:
            return "manifest.py"
        return self.file if self.line is None else f"{self.file}:{self.line}"

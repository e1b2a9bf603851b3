"""How the jobs repo stands to its remote, as it was found last. Kept without the remote's name: that is sealed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from longhouse.store import settings
from longhouse.store.database import Connection

KEY = "sync"

MERGE, OURS, THEIRS, ACCEPT = "merge", "ours", "theirs", "accept"
CHOICES = {
    MERGE: "Merge both: a commit that holds what was done on either side.",
    OURS: "Keep the files as they are here: they go to a new branch on the remote, and theirs stay where they are.",
    THEIRS: "Take the files of the remote as a new commit; ours stay in the history.",
}
"""What can be done about two histories that have gone apart. None discards a commit."""


@dataclass(frozen=True)
class Trouble:
    """Why the last try failed."""

    code: str
    sentence: str
    hint: str
    at: int
    retry_at: int | None = None
    """The remote asked not to be asked again before."""


@dataclass(frozen=True)
class Held:
    """What came from the remote and waits."""

    reason: str
    """`first`, `removal` and `broken` wait for a yes; `unsafe` is never taken."""
    sentence: str
    hint: str

    @property
    def takeable(self) -> bool:
        return self.reason != "unsafe"


@dataclass(frozen=True)
class State:
    state: str = "never"
    """never, synced, failing, diverged or held; `none` without a remote."""
    last_sync_at: int | None = None
    """When both sides were seen last, whatever came of it."""
    last_error: Trouble | None = None
    ahead: int = 0
    """Commits that the remote does not have."""
    behind: int = 0
    """Commits of the remote that we do not have."""
    ours: str | None = None
    """Our commit when that was counted."""
    incoming: str | None = None
    """The remote's commit."""
    held: Held | None = None
    unrelated: bool = False
    """The two histories have no commit in common."""
    trusted: bool = False
    """What comes from this remote was taken once."""

    @property
    def choices(self) -> tuple[str, ...]:
        if self.state == "diverged":
            return tuple(CHOICES)
        return (ACCEPT,) if self.state == "held" and self.held is not None and self.held.takeable else ()


def read(db: Connection) -> State:
    kept: dict[str, Any] | None = settings.get(db, KEY)
    if not kept:
        return State()
    error, held = kept.pop("last_error"), kept.pop("held")
    return replace(
        State(**kept),
        last_error=None if error is None else Trouble(**error),
        held=None if held is None else Held(**held),
    )


def write(db: Connection, state: State) -> None:
    settings.put(db, KEY, asdict(state))


def begin(db: Connection) -> None:
    """Another remote, or none: what was known is of no use."""
    settings.put(db, KEY, None)
    settings.put(db, "sync_asked", True)

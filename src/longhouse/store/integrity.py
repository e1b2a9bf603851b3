"""Whether the database file is what it was: looked at before it is opened, when it is, and once a week."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from longhouse.errors import CannotStart
from longhouse.paths import Paths
from longhouse.store import settings
from longhouse.store.database import Connection, Database, one
from longhouse.store.faults import DAMAGED_HINT

KEY = "integrity"
BOOT_SECONDS = 1.0
"""How long a start waits for its check, which reads every page. A bigger database is checked in the background."""


@dataclass(frozen=True)
class Checked:
    """The newest check of the whole file, indexes against tables."""

    at: int
    """Milliseconds."""
    found: list[str] = field(default_factory=list)


def last(db: Connection) -> Checked | None:
    stored = settings.get(db, KEY)
    return Checked(**stored) if stored else None


def note(db: Connection, checked: Checked) -> None:
    settings.put(db, KEY, asdict(checked))


def refuse_damaged(database: Database, *, seconds: float = BOOT_SECONDS) -> None:
    """At the start, and noted in `database.checked` if there was time to see it all. Raises CannotStart."""
    until = time.monotonic() + seconds
    found = database.check(whole=False, stop=lambda: time.monotonic() > until)
    if found:
        raise CannotStart(f"{database.path.name} is damaged: {found[0]}", hint=DAMAGED_HINT)
    database.checked = found is not None


def refuse_lost(paths: Paths) -> None:
    """Before it is opened. Raises CannotStart if the file, or the log beside it, was there once and is gone: SQLite
    would make a new one, and nobody would be told."""
    wal, shared = Path(f"{paths.database}-wal"), Path(f"{paths.database}-shm")
    used = paths.keyring.exists() and paths.git_dir.exists()
    if used and (not paths.database.exists() or paths.database.stat().st_size == 0):
        state = "empty" if paths.database.exists() else "missing"
        raise CannotStart(
            f"{paths.database.name} is {state}, though this data directory has been in use",
            hint=f"Restore it from a backup. To begin anew without its history, move {paths.keyring} away.",
        )
    if shared.exists() and not wal.exists():
        raise _log_lost(wal, f"{wal.name} is missing beside {shared.name}")


def refuse_stale(database: Database, paths: Paths, *, ended_well: bool) -> None:
    """After a server that did not end well, without a log: it held the newest transactions. Raises CannotStart if
    there is output of runs that the database does not know."""
    if ended_well:
        return
    with database.read() as db:
        row = one(db, "SELECT seq FROM sqlite_sequence WHERE name = 'runs'")
    known = int(row["seq"]) if row else 0
    newest = max((int(each.name) for each in paths.output.iterdir() if each.name.isdecimal()), default=0)
    if newest > known:
        wal = Path(f"{paths.database}-wal")
        raise _log_lost(wal, f"there is output of run {newest}, and the database ends with run {known}")


def _log_lost(wal: Path, sign: str) -> CannotStart:
    return CannotStart(
        f"the newest transactions of the database are gone: {sign}",
        hint=f"Put {wal.name} back beside the database, or restore both from one backup. To go on with what is left,"
        f" remove {wal.name.removesuffix('wal')}shm and move the output folders of later runs away.",
    )

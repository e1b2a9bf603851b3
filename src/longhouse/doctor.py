"""Is everything all right? Each check says what it looked at, and what to do if it is not."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from longhouse import jobs
from longhouse.house import House
from longhouse.repo import panel
from longhouse.store import runs

LOW_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class Check:
    name: str
    status: str
    """ok, warning or error."""
    message: str
    hint: str = ""


def report(house: House) -> list[Check]:
    """All checks of a running instance, in a stable order."""
    return [_manifest(house), _repo(house), _database(house), _disk(house), _queue(house), *_user(), *_notices(house)]


def _manifest(house: House) -> Check:
    state = jobs.manifest(house)
    if state.ok:
        return Check("manifest", "ok", f"commit {(state.loaded_commit or '')[:10]} is loaded")
    place = f"{state.file}:{state.line}" if state.line else str(state.file)
    return Check(
        "manifest",
        "error",
        f"the newest commit does not load: {place}: {state.error}",
        f"Commit {(state.loaded_commit or '')[:10]} still runs. Mend it, or: longhouse-jobs repo restore --loaded",
    )


def _repo(house: House) -> Check:
    state = panel.status(house)
    if state.blocked:
        return Check(
            "repo", "warning", f"nothing is committed: {state.blocked}", "Changes are committed when it is over."
        )
    return Check(
        "repo", "ok" if state.ready else "error", f"branch {state.branch} at {(state.head or 'no commit')[:10]}"
    )


def _database(house: House) -> Check:
    with house.db.read() as db:
        counts = runs.counts(db)
    size = house.paths.database.stat().st_size / 1024 / 1024
    return Check("database", "ok", f"{size:.1f} MiB, {sum(counts.values())} unfinished runs")


def _disk(house: House) -> Check:
    free = shutil.disk_usage(house.paths.data).free
    shown = f"{free / 1024**3:.1f} GiB free in {house.paths.data}"
    if free < LOW_BYTES:
        return Check("disk", "warning", shown, "Below 0.5 GiB: free some space before runs fail.")
    return Check("disk", "ok", shown)


def _queue(house: House) -> Check:
    with house.db.read() as db:
        foreign = runs.foreign_attempts(db, house.owner)
    if foreign:
        return Check(
            "queue", "error", f"{len(foreign)} attempts belong to a server that is gone", "Restart the server."
        )
    return Check("queue", "ok", "every running attempt has its process here")


def _user() -> list[Check]:
    """Root is a notice of its own."""
    if os.geteuid() == 0:
        return []
    message = "jobs run as the same user as the server and can reach its files"
    return [Check("user", "warning", message, "Trust what you commit.")]


def _notices(house: House) -> list[Check]:
    return [Check("notice", "warning", notice) for notice in house.notices]

"""Is everything all right? Each check says what it looked at, and what to do if it is not."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from longhouse import held, jobs
from longhouse.clock import iso
from longhouse.errors import LonghouseError
from longhouse.house import House
from longhouse.repo import bootstrap, leaks, panel, sync
from longhouse.repo.git import Git
from longhouse.repo.git_program import require_recent
from longhouse.store import attempts as attempt_rows
from longhouse.store import integrity, runs
from longhouse.store.faults import DAMAGED_HINT

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
    return [
        _manifest(house),
        _git(house),
        _repo(house),
        *_sync(house),
        _database(house),
        _disk(house),
        _queue(house),
        _processes(house),
        *_user(),
        *_clock(house),
        *_notices(house),
    ]


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


def _git(house: House) -> Check:
    """It may have been replaced since the server started; as long as it is the same file, it is not asked again."""
    try:
        git = bootstrap.opened(house.paths)
        found = _version(git, _stamp(git.program))
    except LonghouseError as error:
        return Check("git", "error", error.message, error.hint)
    return Check("git", "ok", f"version {found} at {git.program}")


@lru_cache(maxsize=1)
def _version(git: Git, stamp: tuple[int, ...]) -> str:
    """Raises LonghouseError, and then forgets that it was asked."""
    return require_recent(git.version(), git.program)


def _stamp(program: Path) -> tuple[int, ...]:
    try:
        found = program.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _repo(house: House) -> Check:
    state = panel.status(house)
    if state.blocked:
        return Check(
            "repo", "warning", f"nothing is committed: {state.blocked}", "Changes are committed when it is over."
        )
    if state.left_out:
        found = "; ".join(str(leak) for leak in state.left_out)
        return Check("repo", "error", f"left out of every commit: {found}", leaks.HINT)
    return Check(
        "repo", "ok" if state.ready else "error", f"branch {state.branch} at {(state.head or 'no commit')[:10]}"
    )


def _sync(house: House) -> list[Check]:
    """Nothing while there is no remote."""
    state = sync.state(house)
    if state.state == "none":
        return []
    if state.last_error is not None:
        return [Check("sync", "error", state.last_error.sentence, state.last_error.hint)]
    if state.held is not None:
        return [Check("sync", "warning", state.held.sentence, state.held.hint)]
    if state.state == "diverged":
        apart = f"{state.ahead} commits are here alone, {state.behind} on the remote alone"
        return [Check("sync", "warning", f"the histories have gone apart: {apart}", sync.CHOOSE)]
    seen = "no sync yet" if state.last_sync_at is None else f"last sync at {iso(state.last_sync_at)}"
    return [Check("sync", "ok", f"{seen}, {state.ahead} commits to push, {state.behind} to pull")]


def _database(house: House) -> Check:
    size = house.paths.database.stat().st_size / 1024 / 1024
    with house.db.read() as db:
        counts = runs.counts(db)
        checked = integrity.last(db)
    if checked is not None and checked.found:
        return Check("database", "error", f"it is damaged: {checked.found[0]}", DAMAGED_HINT)
    seen = "not yet read as a whole" if checked is None else f"sound at {iso(checked.at)}, when all of it was read"
    return Check("database", "ok", f"{size:.1f} MiB, {sum(counts.values())} unfinished runs; {seen}")


def _disk(house: House) -> Check:
    free = shutil.disk_usage(house.paths.data).free
    shown = f"{free / 1024**3:.1f} GiB free in {house.paths.data}"
    since = house.reserve.since(house.clock.now())
    if since is not None:
        return Check(
            "disk",
            "error",
            f"the disk is full since {iso(since)}: no run is started or accepted; {shown}",
            "Free some space; work resumes within half a minute, without a restart.",
        )
    if free < LOW_BYTES:
        return Check("disk", "warning", shown, "Below 0.5 GiB: free some space before runs fail.")
    return Check("disk", "ok", shown)


def _queue(house: House) -> Check:
    with house.db.read() as db:
        foreign = attempt_rows.foreign(db, house.owner)
    if foreign:
        return Check(
            "queue", "error", f"{len(foreign)} attempts belong to a server that is gone", "Restart the server."
        )
    return Check("queue", "ok", "every running attempt has its process here")


def _processes(house: House) -> Check:
    """What holds a fork bomb: the kernel, or only our counting ten times a second."""
    most = f"a run that has more than {house.launcher.process_limit} processes and threads is ended"
    if house.launcher.fences is not None:
        return Check("processes", "ok", f"{most}; a pids cgroup refuses it more than that at once")
    if os.geteuid() != 0:
        return Check("processes", "ok", f"{most}; the limit of this user's processes holds it until it is noticed")
    return Check(
        "processes",
        "warning",
        f"{most}, but nothing holds it until it is noticed: limits do not bind root, and no pids cgroup is ours",
        "Run the server as an ordinary user, or give it a pids cgroup (systemd: Delegate=pids, DelegateSubgroup=main).",
    )


def _user() -> list[Check]:
    """Root is a notice of its own."""
    if os.geteuid() == 0:
        return []
    message = "jobs run as the same user as the server and can reach its files"
    return [Check("user", "warning", message, "Trust what you commit.")]


def _clock(house: House) -> list[Check]:
    waiting = [Check("clock", "warning", sentence, held.HINT) for sentence in held.sentences(house)]
    return waiting or [Check("clock", "ok", "no step of it waits for a decision")]


def _notices(house: House) -> list[Check]:
    return [Check("notice", "warning", notice) for notice in house.notices]

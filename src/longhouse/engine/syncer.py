"""Keeps the remote of the jobs repo and us alike: pushes after commits, pulls now and then, and tries again."""

from __future__ import annotations

from longhouse.errors import LonghouseError
from longhouse.house import SYSTEM, House
from longhouse.logs import Log
from longhouse.repo import bootstrap, commits, remote, sync, transport
from longhouse.store import settings

log = Log("longhouse.sync")

SPACING_SECONDS = 2.0
"""Between two tries: commits that follow each other closely are pushed together."""
FIRST_WAIT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 1800.0


def wait(failures: int) -> float:
    """Seconds before the next try after so many failed ones: 30, 60, 120, … at most half an hour. Pure."""
    return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 10))


class Syncer:
    def __init__(self, house: House) -> None:
        self._house = house
        self._failures = 0
        self._tried_at: float | None = None
        self._swept = False

    def step(self) -> float | None:
        """One try, if there is a reason for one; seconds until there may be another."""
        if not self._swept:
            self._swept = True
            transport.sweep(bootstrap.opened(self._house.paths), seconds=0)
        where = remote.get(self._house)
        if where is None or self._house.feed.closing.is_set():
            return None
        now = self._house.clock.monotonic()
        pause = self._pause(where, now)
        if pause is None or pause > 0:
            return pause
        try:
            sync.sync(self._house, SYSTEM)
            self._failures = 0
        except LonghouseError as error:
            self._failures += 1
            log.warning("sync failed", code=error.code, error=error.message, failures=self._failures)
        self._tried_at = self._house.clock.monotonic()
        return self._pause(where, self._tried_at)

    def _pause(self, where: remote.Remote, now: float) -> float | None:
        """Seconds until the next try is due, 0 or less: now; None: not before somebody rings."""
        with self._house.db.read() as db:
            asked = bool(settings.get(db, "sync_asked", False))
        known = sync.state(self._house)
        since = float("inf") if self._tried_at is None else now - self._tried_at
        dues = []
        if asked or (where.auto_push and self._news(known.ours)):
            dues.append(SPACING_SECONDS - since)
        if where.pull_minutes is not None:
            dues.append(where.pull_minutes * 60 - since)
        if known.state == "failing" and (where.auto_push or where.pull_minutes is not None):
            dues.append(wait(max(1, self._failures)) - since)
        if not dues:
            return None
        due = min(dues)
        if self._failures and not asked:
            due = max(due, wait(self._failures) - since)
        if known.last_error is not None and known.last_error.retry_at is not None:
            due = max(due, (known.last_error.retry_at - self._house.clock.now()) / 1000)
        return due if due > 0 else 0.0

    def _news(self, pushed: str | None) -> bool:
        """There is a commit that the remote has not been told of."""
        git = bootstrap.opened(self._house.paths)
        return git.ref(f"refs/heads/{commits.branch(git)}") != pushed

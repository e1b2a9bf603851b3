"""Noticing that the jobs repo changed and has come to rest.

Two watchers feed one rule: the tree (all of it but what nobody commits), and the repository's own folder, where a
commit of a person shows in the index and in HEAD. What the rule says depends on times and answers alone.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from watchfiles import Change, watch

from longhouse.errors import LonghouseError
from longhouse.feed import Bell
from longhouse.paths import Paths
from longhouse.repo import commits
from longhouse.repo.git import Git

QUIET_SECONDS = 1.0
STAGED_SECONDS = 60.0
"""Somebody staged something: time to finish his own commit."""
RESCAN_SECONDS = 30.0
STEP_MS = 100
"""How often the watchers look whether they shall stop; also how long events of one write may lie apart."""
GIT_STEP_MS = 400
"""What a person does with git waits a little longer: each look costs, on an instance that has nothing to do."""

IGNORED_FOLDERS = frozenset((".git", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"))
IGNORED_ENDINGS = (".swp", ".swx", ".swo", "~", ".pyc", ".tmp", ".crswap", "___jb_tmp___", "___jb_old___")
IGNORED_NAMES = frozenset(("4913", ".DS_Store"))
"""4913 is the file that vim tries whether it may write with."""
TOLD_BY = frozenset(("HEAD", "index", "ORIG_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "config"))
"""Files of the repository whose change means that a person did something with git."""


class Act(StrEnum):
    WAIT = "wait"
    ASK = "ask"
    """Find out whether something is staged, and `answer`."""
    SETTLED = "settled"
    """Something changed, and then nothing for a while."""
    RESCAN = "rescan"
    """Events get lost, so now and then somebody has to look."""


@dataclass
class Rest:
    """When a change has come to rest. Times are seconds of a clock that never goes back."""

    scanned_at: float
    changed_at: float | None = None
    """The last event that was not followed by SETTLED."""
    staged: bool | None = None
    """None: to be asked."""

    def changed(self, now: float, *, by_git: bool = False) -> None:
        self.changed_at = now
        if by_git:
            self.staged = None

    def rung(self, now: float) -> None:
        """Somebody asks for a look: at once, unless a change is still settling."""
        if self.changed_at is None:
            self.changed_at = now - QUIET_SECONDS

    def answer(self, staged: bool, now: float) -> None:
        self.staged = staged
        if staged and self.changed_at is None:
            self.changed_at = now

    def due(self) -> float:
        """When `act` may have something else to say than WAIT."""
        rescan = self.scanned_at + RESCAN_SECONDS
        if self.changed_at is None:
            return rescan
        quiet = self.changed_at + QUIET_SECONDS
        return max(quiet, min(rescan, self.changed_at + STAGED_SECONDS)) if self.staged else quiet

    def act(self, now: float) -> Act:
        """What to do now. SETTLED and RESCAN are said once."""
        waiting, rescan = self.changed_at is not None, now >= self.scanned_at + RESCAN_SECONDS
        if self.changed_at is not None and now < self.changed_at + QUIET_SECONDS:
            return Act.WAIT
        if not waiting and not rescan:
            return Act.WAIT
        if self.staged is None:
            return Act.ASK
        if rescan:
            self.scanned_at = now
        if self.staged and self.changed_at is not None and now < self.changed_at + STAGED_SECONDS:
            return Act.WAIT
        self.staged = self.changed_at = None
        self.scanned_at = now
        return Act.SETTLED if waiting else Act.RESCAN


class Watch:
    """`settled` yields, in a thread of its own, when to look at the tree; `stop` ends that at once.

    The first SETTLED comes a moment after the start: for what changed before anybody watched. `ring`, rung by somebody
    else, asks for a look without a change. `staged` tells whether a person has staged something; it is asked once after
    a change, and again when his git did something.
    """

    def __init__(self, paths: Paths, *, ring: Bell, staged: Callable[[], bool]) -> None:
        self.tree = paths.tree
        self.git_dir = paths.git_dir
        self._ring = ring
        self._staged = staged
        self._lock = threading.Lock()
        self._rest = Rest(time.monotonic(), changed_at=time.monotonic())
        self._stopped = False
        self._events = self._git_events = 0
        self._end = threading.Event()
        self._seen: tuple[int, int] | None = None

    def settled(self) -> Iterator[Act]:
        """SETTLED or RESCAN, each time the tree is to be looked at."""
        self._start_watchers()
        try:
            while not self._stopped:
                with self._lock:
                    act = self._rest.act(time.monotonic())
                if act is Act.ASK:
                    self._ask()
                    continue
                if act is Act.WAIT:
                    self._wait()
                if (act is not Act.WAIT or self._seen is None) and self._follow_folder():
                    act = Act.SETTLED
                if act is not Act.WAIT and not self._stopped:
                    yield act
        finally:
            self.stop()

    def stop(self) -> None:
        self._stopped = True
        self._end.set()
        self._ring.ring()

    def _wait(self) -> None:
        """Until the next thing to do, or a ring; a tree that is gone is looked for every moment."""
        with self._lock:
            seconds, before = max(0.0, self._rest.due() - time.monotonic()), self._events
        rang = self._ring.wait(min(seconds, QUIET_SECONDS) if self._seen is None else seconds)
        with self._lock:
            if rang and self._events == before:
                self._rest.rung(time.monotonic())

    def _ask(self) -> None:
        """An answer that a newer event of git overtook does not count."""
        before = self._git_events
        staged = self._staged()
        with self._lock:
            if self._git_events == before:
                self._rest.answer(staged, time.monotonic())

    def _changed(self, *, by_git: bool) -> None:
        with self._lock:
            self._events += 1
            self._git_events += by_git
            self._rest.changed(time.monotonic(), by_git=by_git)
        self._ring.ring()

    def _follow_folder(self) -> bool:
        """Watch the folder that is at the tree's place now. True if it is another one than before."""
        if self._folder() == self._seen:
            return False
        self._end.set()
        self._start_watchers()
        return True

    def _folder(self) -> tuple[int, int] | None:
        with suppress(OSError):
            info = self.tree.stat()
            return info.st_dev, info.st_ino
        return None

    def _start_watchers(self) -> None:
        self._seen, self._end = self._folder(), threading.Event()
        for folder, by_git in ((self.tree, False), (self.git_dir, True)):
            threading.Thread(target=self._watch, args=(folder, by_git, self._end), daemon=True).start()

    def _watch(self, folder: Path, by_git: bool, end: threading.Event) -> None:
        step = GIT_STEP_MS if by_git else STEP_MS
        with suppress(OSError):  # the folder is gone; the loop looks for it
            for _ in watch(
                folder,
                watch_filter=of_git if by_git else matters,
                recursive=not by_git,
                stop_event=end,
                step=step,
                debounce=4 * step,
                rust_timeout=0,
                ignore_permission_denied=True,
            ):
                self._changed(by_git=by_git)


def staged(git: Git) -> bool:
    """Whether a person has staged something; to be asked while nothing of ours is staged. What cannot be told holds
    nothing up: the commit will say what is wrong."""
    try:
        return commits.state(git).staged
    except LonghouseError:
        return False


def matters(_: Change, path: str) -> bool:
    """Whether an event in the tree may mean something to commit. watchfiles follows `.git`, so it is dropped here."""
    parts = path.split(os.sep)
    name = parts[-1]
    return (
        IGNORED_FOLDERS.isdisjoint(parts)
        and name not in IGNORED_NAMES
        and not name.endswith(IGNORED_ENDINGS)
        and not name.startswith((".#", "#"))
    )


def of_git(_: Change, path: str) -> bool:
    """Whether an event in the repository's folder means that git did something for a person."""
    return path.rpartition(os.sep)[2] in TOLD_BY

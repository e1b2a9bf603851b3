"""A house without a server: its database, keys, clock and launcher are real, and nothing runs by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from longhouse.clock import Clock
from longhouse.feed import Feed
from longhouse.house import House
from longhouse.launch.local import LocalLauncher
from longhouse.launch.python import Interpreter
from longhouse.launch.sdk import sdk
from longhouse.paths import Paths
from longhouse.store.database import Database
from longhouse.vault import open_keys


class Bare:
    """Every job runs on the bare interpreter."""

    base = Interpreter.base()

    def of(self, tree: Path, file: str | None) -> tuple[str, Interpreter]:
        return "", self.base

    def forget(self, tree: Path, file: str | None) -> None:
        pass

    def prune(self, keep: Collection[str]) -> int:
        return 0


def bare_house(data: Path, clock: Clock, *, vfs: str | None = None, **other: Any) -> House:
    """The house of a data directory, there or not. `other` says what is not as usual."""
    paths, feed = Paths(data), Feed()
    paths.data.mkdir(mode=0o700, exist_ok=True)
    database = Database(paths.database, committed=feed.committed, vfs=vfs)
    database.migrate(paths.data / "backups")
    usual: dict[str, Any] = {
        "zone": "Europe/Berlin",
        "owner": "test",
        "version": "0.1.0",
        "environments": Bare(),
        "grace_seconds": 1.0,
        "sdk": other.get("sdk") or sdk(paths.cache),
    }
    return House(
        paths=paths,
        db=database,
        clock=clock,
        feed=feed,
        keys=open_keys(paths.keyring, may_create=True),
        up_since=clock.now(),
        launcher=LocalLauncher(process_limit=4096),
        **{**usual, **other},
    )


@contextmanager
def opened(data: Path, clock: Clock, **other: Any) -> Iterator[House]:
    """The same, closed in the end."""
    house = bare_house(data, clock, **other)
    try:
        yield house
    finally:
        house.launcher.close()
        house.feed.close()
        house.db.close()

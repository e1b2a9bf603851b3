"""What the tests of the instance share: a house on a temporary folder, and a clock set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longhouse.feed import Feed
from longhouse.house import House
from longhouse.paths import Paths
from longhouse.store.database import Database
from longhouse.vault import open_keys

START = 1_770_192_000_000
"""2026-02-04T08:00:00Z"""


class HandClock:
    """Time stands still until a test moves it."""

    def __init__(self, now: int = START) -> None:
        self.ms = now
        self.seconds = 1_000.0

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)
        self.seconds += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def house(tmp_path: Path, clock: HandClock) -> Iterator[House]:
    """An instance without a server: its database, keys and clock are real, nothing runs."""
    paths, feed = Paths(tmp_path / "data"), Feed()
    paths.data.mkdir(mode=0o700)
    database = Database(paths.database, committed=feed.committed)
    database.migrate(paths.data / "backups")
    keys = open_keys(paths.keyring, may_create=True)
    yield House(
        paths=paths,
        db=database,
        clock=clock,
        feed=feed,
        keys=keys,
        zone="Europe/Berlin",
        owner="test",
        up_since=clock.now(),
        version="0.1.0",
    )
    feed.close()
    database.close()

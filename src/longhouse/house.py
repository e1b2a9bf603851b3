"""The instance as the verbs see it: one value with everything that is open."""

from __future__ import annotations

from dataclasses import dataclass, field

from longhouse.clock import Clock
from longhouse.feed import Feed
from longhouse.paths import Paths
from longhouse.store.database import Database
from longhouse.vault import Keys


@dataclass(frozen=True)
class By:
    """Who asks, and through which surface: web, api, cli or system."""

    name: str
    surface: str


SYSTEM = By("longhouse", "system")


@dataclass(frozen=True)
class House:
    paths: Paths
    db: Database
    clock: Clock
    feed: Feed
    keys: Keys
    zone: str
    """The instance's time zone: that of jobs that name none."""
    owner: str
    """This server process, as leases name it; new at every start."""
    up_since: int
    """When this process took over, milliseconds."""
    version: str
    notices: list[str] = field(default_factory=list)
    """What the owner should know about how the instance runs, shown by doctor and on the pages."""

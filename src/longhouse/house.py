"""The instance as the verbs see it: one value with everything that is open."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from longhouse.clock import Clock, Pace
from longhouse.feed import Feed
from longhouse.launch.local import LocalLauncher
from longhouse.launch.python import Interpreter
from longhouse.masking import Masker
from longhouse.outlook import Outlook
from longhouse.outward import Outward
from longhouse.paths import Paths
from longhouse.runs.keep import Keep
from longhouse.setup import Setup
from longhouse.store.database import Database
from longhouse.store.reserve import Reserve
from longhouse.vault import Keys


@dataclass(frozen=True)
class By:
    """Who asks, and through which surface: web, api, cli or system."""

    name: str
    surface: str


SYSTEM = By("longhouse", "system")


class Environments(Protocol):
    """The Python environments of jobs; `longhouse.envs` is the one implementation."""

    base: Interpreter
    """For jobs without packages."""

    def of(self, tree: Path, file: str | None) -> tuple[str, Interpreter]:
        """Key and interpreter for a job file of `tree` (None: the manifest itself), built if it is not there.

        Raises LonghouseError with the installer's own reason.
        """
        ...

    def forget(self, tree: Path, file: str | None) -> None:
        """Somebody has deleted a lock: these requirements are resolved anew, to what is newest now."""
        ...

    def prune(self, keep: Collection[str]) -> int:
        """Remove environments with other keys that nobody has used lately; how many."""
        ...


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
    launcher: LocalLauncher
    sdk: Path
    """The copy of `zerg` that children import."""
    environments: Environments
    grace_seconds: float
    """Between TERM and KILL when we end a run."""
    outlook: Outlook = field(default_factory=Outlook, repr=False)
    reserve: Reserve = field(default_factory=Reserve)
    """Knows whether the disk is full."""
    keep: Keep = field(default_factory=Keep)
    """How much history is kept."""
    outward: Outward = field(default_factory=Outward)
    """How other servers are reached."""
    repo_lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever changes the jobs repo."""
    sync_lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by the one sync with the remote that is under way; nobody else waits for it."""
    network: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Proxy and certificates for git's own connections, as environment variables; may hold a proxy's password."""
    github_lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while a token of GitHub is being renewed: the old one can be shown once."""
    maskers: dict[int, Masker] = field(default_factory=dict)
    """The newest, by the version of the stored values that it hides."""
    masker_lock: threading.Lock = field(default_factory=threading.Lock)
    deleting: set[int] = field(default_factory=set)
    """Deletions of runs that whoever asked for them is carrying out himself just now."""
    setup: Setup = field(default_factory=Setup)
    """What it was told to be like, and the way to change that."""
    notices: list[str] = field(default_factory=list)
    """What the owner should know about how the instance runs, shown by doctor and on the pages."""
    pace: Pace = field(init=False)
    """Notices that somebody sets the clock."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pace", Pace(self.clock))

    def follow(self, keep: Keep, outward: Outward) -> None:
        """Settings that change while the house is open. Whoever uses these two reads them anew each time."""
        object.__setattr__(self, "keep", keep)
        object.__setattr__(self, "outward", outward)

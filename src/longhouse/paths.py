"""Where things are in the data directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The data directory's layout; nothing here touches the disk."""

    data: Path

    @property
    def tree(self) -> Path:
        """The jobs repo's work tree."""
        return self.data / "jobs"

    @property
    def git_dir(self) -> Path:
        """The repository, outside what job code and coding agents may write."""
        return self.data / "jobs.git"

    @property
    def database(self) -> Path:
        return self.data / "longhouse.db"

    @property
    def keyring(self) -> Path:
        return self.data / "keys" / "master.json"

    @property
    def output(self) -> Path:
        return self.data / "output"

    @property
    def artifacts(self) -> Path:
        return self.data / "artifacts"

    @property
    def envs(self) -> Path:
        return self.data / "envs"

    @property
    def cache(self) -> Path:
        return self.data / "cache"

    @property
    def checkouts(self) -> Path:
        return self.cache / "checkouts"

    @property
    def work(self) -> Path:
        """Working directories of attempts that run now."""
        return self.data / "work"

    @property
    def config(self) -> Path:
        return self.data / "config.toml"

    @property
    def lock(self) -> Path:
        """Held (flock) by the one server process of this data directory."""
        return self.data / "longhouse.lock"

    @property
    def instance(self) -> Path:
        """Address and token of the running instance, for commands on the same machine; 0600."""
        return self.data / "instance.json"

    @property
    def reserve(self) -> Path:
        """Space set aside for a full disk."""
        return self.data / "reserve"

    @property
    def command(self) -> Path:
        """A small shell script that runs our command against this data directory, rewritten at every start."""
        return self.data / "bin" / "longhouse-jobs"

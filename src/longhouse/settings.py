"""What the instance was told to be like: every setting with its source, and the few that change while it runs."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longhouse import audit
from longhouse.errors import Conflict, Invalid
from longhouse.house import By, House
from longhouse.setup import Value
from longhouse.store import jobs

LIVE = ("slots", "keep_days", "keep_runs_least", "keep_runs_most", "github_client_id", "github_app_slug")
"""These count at once. All others are read at the start: some of them decide who reaches the instance, or what its
jobs may cost the machine."""

MEANING: dict[str, str] = {
    "data_dir": "Where everything of this instance lies",
    "host": "The address it listens on",
    "port": "The port it listens on",
    "slots": "Runs that may be alive at once",
    "timezone": "The zone of jobs that name none, and of these pages",
    "allowed_hosts": "Names it is reached by, besides localhost and its address",
    "trusted_proxies": "Proxies that are believed about who is calling",
    "stop_grace_seconds": "Seconds a run gets to end by itself",
    "keep_days": "Days that runs are kept",
    "keep_runs_least": "Runs of each job kept however old",
    "keep_runs_most": "Runs of each job kept at most",
    "process_limit": "Processes and threads that one run may have",
    "index_url": "Where packages come from",
    "extra_index_urls": "Where packages come from besides",
    "find_links": "Folders and pages with packages",
    "proxy": "The proxy for connections to the outside",
    "ca_file": "Certificates that are trusted besides the system's",
    "allow_source_builds": "Packages may be built from source",
    "log_format": "How the server's own log looks",
    "github_url": "Where GitHub is",
    "github_api_url": "Where GitHub's API is",
    "github_client_id": "The client id of your GitHub app",
    "github_app_slug": "The name of your GitHub app in addresses",
    "github_client_secret": "The secret of your GitHub app",
}


@dataclass(frozen=True)
class Setting:
    name: str
    value: Any
    source: str
    meaning: str
    live: bool
    """It can be changed while the instance runs."""
    fixed_by: str
    """The flag or variable that has to be taken away first; empty if nothing is in the way."""


@dataclass(frozen=True)
class About:
    version: str
    python: str
    up_since: int
    zone: str
    jobs: int
    database_bytes: int
    disk_free_bytes: int
    data_dir: str


def list_settings(house: House) -> list[Setting]:
    """All of them, in the order of `config show`."""
    return [_setting(name, value) for name, value in house.setup.values.items()]


def _setting(name: str, value: Value) -> Setting:
    fixed_by = value.source if value.fixed else ""
    return Setting(name, value.shown, value.source, MEANING.get(name, ""), name in LIVE, fixed_by)


def change(house: House, wanted: Mapping[str, Any], by: By) -> list[Setting]:
    """Store some in config.toml and go by them at once; None is the default. Raises Invalid and Conflict."""
    unknown = [name for name in wanted if name not in LIVE]
    if unknown:
        message = f"{unknown[0]} cannot be changed while the instance runs"
        hint = f"These can: {', '.join(LIVE)}. The others are read at the start, from config.toml."
        raise Invalid(message, hint=hint, errors=[{"pointer": f"/{unknown[0]}", "message": message}])
    before = house.setup.values
    fixed = [name for name in wanted if before[name].fixed]
    if fixed:
        source = before[fixed[0]].source
        raise Conflict(
            f"{fixed[0]} is set by {source}, which goes before what is stored",
            hint=f"Start without {source}, then it can be changed here.",
        )
    with house.db.write() as db:
        after = house.setup.change(wanted)
        changed = [name for name in wanted if after[name] != before[name]]
        house.setup.values = after
        if changed:
            old = {name: before[name].shown for name in changed}
            new = {name: after[name].shown for name in changed}
            audit.record(house, db, by, "settings.change", "settings", before=old, after=new)
    house.feed.dispatch.ring()
    return list_settings(house)


def about(house: House) -> About:
    with house.db.read() as db:
        count, _ = jobs.counts(db)
    return About(
        version=house.version,
        python=platform.python_version(),
        up_since=house.up_since,
        zone=house.zone,
        jobs=count,
        database_bytes=house.paths.database.stat().st_size,
        disk_free_bytes=shutil.disk_usage(house.paths.data).free,
        data_dir=str(house.paths.data),
    )

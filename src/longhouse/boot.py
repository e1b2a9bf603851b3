"""From a data directory to a house: everything that has to be right before anything is served.

Whatever is not right ends the start with one sentence and a hint.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from longhouse import loading, queue
from longhouse.clock import Clock
from longhouse.envs import Environments
from longhouse.errors import CannotStart
from longhouse.feed import Feed
from longhouse.house import SYSTEM, House
from longhouse.launch.local import LocalLauncher, fence_site
from longhouse.launch.sdk import sdk
from longhouse.outward import Outward
from longhouse.paths import Paths
from longhouse.repo import bootstrap, panel, transport
from longhouse.runs.keep import Keep
from longhouse.store import integrity, jobs, settings, volume
from longhouse.store.database import Database
from longhouse.store.faults import NO_SPACE
from longhouse.store.reserve import Reserve
from longhouse.vault import open_keys, write_private
from longhouse.version import VERSION

ROOT = "The server and all jobs run as root: a job can read and change everything on this machine."


def make_data_dir(paths: Paths) -> None:
    """Raises CannotStart."""
    try:
        paths.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (paths.output, paths.artifacts, paths.cache, paths.work, paths.envs):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"The data directory {paths.data} cannot be used: {error.strerror}",
            hint="Choose another one with --data-dir, or give this user the right to write there.",
        ) from error


@contextmanager
def full_disk_said(paths: Paths) -> Iterator[None]:
    """A start that fails for want of space says so. Raises CannotStart."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise CannotStart(f"the disk is full: {paths.data} cannot be written", hint="Free some space first.") from error


@contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """The data directory is ours alone until the block ends, or this process. Raises CannotStart."""
    with paths.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise CannotStart(
                f"another server (process {owner}) runs on {paths.data}",
                hint="Stop it first, or choose another data directory with --data-dir.",
            ) from error
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def open_house(
    paths: Paths,
    clock: Clock,
    zone: str,
    *,
    grace_seconds: float,
    process_limit: int = 0,
    keep: Keep | None = None,
    outward: Outward | None = None,
    installer: Mapping[str, str],
    source_builds: bool,
) -> House:
    """Database and keyring, brought up to date. The caller closes `db` and `launcher`.

    `process_limit` is that of one run, 0 for none; `installer` is the environment of uv, `source_builds` whether it may
    build packages from source.
    """
    feed, launcher = Feed(), LocalLauncher(process_limit=process_limit, fences=fence_site() if process_limit else None)
    volume.refuse_network(paths.data)
    integrity.refuse_lost(paths)
    ended_well = not paths.instance.exists() or Path(f"{paths.database}-wal").exists()
    reserve = Reserve(paths.reserve)
    if reserve.since(clock.now()) is not None:
        reserve.give(clock.now())  # a start writes a little, and must be able to say what it finds
    # The keyring before the database: a first start that is killed between them can be made again.
    keys = open_keys(paths.keyring, may_create=not paths.database.exists())
    db = Database(paths.database, committed=feed.committed)
    db.filled = lambda: reserve.give(clock.now())
    integrity.refuse_damaged(db)
    db.migrate(paths.data / "backups")
    integrity.refuse_stale(db, paths, ended_well=ended_well)
    reserve.look(clock.now())
    return House(
        paths=paths,
        db=db,
        clock=clock,
        feed=feed,
        keys=keys,
        zone=zone,
        owner=secrets.token_hex(8),
        up_since=clock.now(),
        reserve=reserve,
        version=VERSION,
        launcher=launcher,
        sdk=sdk(paths.cache),
        environments=Environments(launcher, paths.envs, paths.cache, installer, allow_source_builds=source_builds),
        grace_seconds=grace_seconds,
        keep=keep or Keep(),
        outward=outward or Outward(),
        network=transport.network(installer),
        notices=[ROOT] if os.geteuid() == 0 else [],
    )


def load_repo(house: House) -> None:
    """The jobs repo is there and what is committed in it is loaded. Raises CannotStart.

    On the very first boot the sample job is queued once, so that there is something green to see.
    """
    booted = bootstrap.ensure(house.paths, known_commits=panel.knows_commits(house))
    broken = loading.boot(house)
    if broken is not None:
        cause = broken.message.rstrip(".")
        raise CannotStart(
            f"The manifest cannot be loaded: {broken.place}: {cause}.",
            hint="Mend it and start again, or go back to the last commit that loaded: "
            "longhouse-jobs repo restore --loaded",
            file=broken.file,
            line=broken.line,
        )
    if booted.sample is not None:
        _run_sample(house, booted.sample)


def _run_sample(house: House, job_id: str) -> None:
    with house.db.write() as db:
        job = jobs.get(db, job_id)
        if job is not None and not settings.get(db, "sample_run"):
            settings.put(db, "sample_run", True)
            queue.enqueue(house, db, job, trigger="first_boot", by=SYSTEM, params=job.spec.params)


def announce(paths: Paths, url: str, token: str) -> Callable[[], None]:
    """Leave address, token and a ready command for commands on this machine; what it returns takes that back."""
    write_private(paths.instance, json.dumps({"url": url, "token": token, "pid": os.getpid()}) + "\n")
    paths.command.parent.mkdir(mode=0o700, exist_ok=True)
    script = f"""#!/bin/sh
# Written anew at every start: runs longhouse-jobs against this data directory, wherever it is moved.
here=$(dirname "$(readlink -f "$0")")
exec {quote(sys.executable)} -m longhouse --data-dir "$(dirname "$here")" "$@"
"""
    write_private(paths.command, script)
    paths.command.chmod(0o700)
    return lambda: paths.instance.unlink(missing_ok=True)

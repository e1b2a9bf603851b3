"""A jobs repo looked at from outside of an instance: read as one would, and nothing is left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from longhouse import secrets
from longhouse.envs import Environments
from longhouse.launch.local import LocalLauncher
from longhouse.launch.python import Interpreter
from longhouse.launch.sdk import sdk
from longhouse.masking import Masker
from longhouse.paths import Paths
from longhouse.repo import manifest
from longhouse.store.look import look
from longhouse.triggers import BadCron, trigger_of
from longhouse.vault import open_keys
from zerg._wire import JobDescription


def jobs_of(
    tree: Path, zone: str, *, installer: Mapping[str, str], source_builds: bool = False
) -> tuple[JobDescription, ...]:
    """What `tree`/manifest.py registers. Raises ManifestBroken, and EnvironmentFailed if its packages cannot be had."""

    def check(job: JobDescription) -> str | None:
        try:
            trigger_of(job, zone)
        except BadCron as error:
            return str(error)
        return None

    with tempfile.TemporaryDirectory(prefix="longhouse-") as folder:
        paths, launcher = Paths(Path(folder)), LocalLauncher()
        try:
            for made in (paths.envs, paths.cache, paths.work):
                made.mkdir()
            built = Environments(launcher, paths.envs, paths.cache, installer, allow_source_builds=source_builds)

            def interpreter(file: str | None) -> Interpreter:
                return built.of(tree, file)[1]

            reader = manifest.Reader(launcher, sdk(paths.cache), paths.work)
            with manifest.started(reader, interpreter(None)) as child:
                manifest.ask(child, tree)
                return manifest.load(reader, child, tree, script_interpreter=interpreter, check=check)
        finally:
            launcher.close()


def masker(paths: Paths) -> Masker:
    """What finds the stored values of an instance; it may be running. Raises Unavailable, and CannotStart where the
    keyring cannot be read: by another user, or because it is kept elsewhere."""
    if not paths.keyring.exists() and not paths.database.exists():
        return Masker()
    keys = open_keys(paths.keyring, may_create=False)
    with look(paths.database) as db:
        return secrets.masker_of(db, keys)


def lacking(database: Path, jobs: Iterable[JobDescription]) -> dict[str, list[str]]:
    """By the jobs' ids, the secrets they need and have not, as far as the database of an instance knows; it may be
    running. Raises Unavailable."""
    with look(database) as db:
        found = {job.id: secrets.missing(db, job) for job in jobs}
    return {job_id: names for job_id, names in found.items() if names}

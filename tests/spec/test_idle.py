"""A thousand jobs that are not due: nothing is written, and little is held."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from longhouse import loading
from longhouse.house import House
from longhouse.repo import bootstrap
from tests.instance import STARTER, Instance, processes_with

JOBS = 1000
MEGABYTES = 90
QUIET_SECONDS = 2.0


def many_jobs(count: int) -> str:
    """A manifest of as many jobs, each due once a day, half a day from now."""
    hour = (time.gmtime().tm_hour + 12) % 24
    settings = f"cron=f'{{n % 60}} {hour} * * *', timezone='UTC', func=run"
    register = f"    job_registry.register(JobConfig(id=f'job-{{n}}', {settings}))\n"
    return f"{STARTER}from jobs.quiet import run\nfor n in range({count}):\n{register}"


def written(instance: Instance) -> dict[str, object]:
    """What its processes have written, as the kernel counts it, and how every file of its data directory stands."""
    return {"bytes": {pid: written_bytes(pid) for pid in processes_with(str(instance.data))}, **files_of(instance.data)}


def files_of(data: Path) -> dict[str, object]:
    """Folders too: one that had a file for a moment has changed."""
    files: dict[str, object] = {}
    for folder, _, names in os.walk(data):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            info = os.lstat(path)
            files[path] = (info.st_mtime_ns, info.st_size, info.st_ino)
    return files


def written_bytes(pid: int) -> int:
    """Of the process and of those it has waited for."""
    return int(Path(f"/proc/{pid}/io").read_text().partition("\nwrite_bytes:")[2].split()[0])


def megabytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def at_rest(instance: Instance) -> dict[str, object]:
    """Until nothing has been written for a moment."""
    before, since = written(instance), time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        time.sleep(0.2)
        if (now := written(instance)) != before:
            before, since = now, time.monotonic()
    return before


def differences(before: dict[str, object], after: dict[str, object]) -> dict[str, tuple[object, object]]:
    names = before.keys() | after.keys()
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def is_idle(instance: Instance, seconds: float) -> None:
    assert instance.process is not None
    before = at_rest(instance)
    time.sleep(seconds)
    assert not differences(before, written(instance))
    assert megabytes(instance.process.pid) <= MEGABYTES


def test_an_idle_instance_with_a_thousand_jobs_writes_nothing(instance: Instance):
    instance.cold = True
    instance.start()
    instance.manifest(many_jobs(JOBS), quiet="def run():\n    pass\n")
    is_idle(instance, 10)
    before = written(instance)
    instance.ended(instance.run("job-0")["id"])
    seen = differences(before, written(instance))
    assert "bytes" in seen and str(instance.data / "longhouse.db-wal") in seen, "the control: a run is written"


def test_a_look_at_an_unchanged_tree_writes_nothing(house: House):
    """As it happens twice a minute."""
    for folder in (house.paths.work, house.paths.cache):
        folder.mkdir(exist_ok=True)
    bootstrap.ensure(house.paths, known_commits=False)
    loading.settle(house)
    before = files_of(house.paths.data)
    loading.settle(house)
    assert not differences(before, files_of(house.paths.data))
    (house.paths.tree / "notes.txt").write_text("something new\n")
    before = files_of(house.paths.data)
    loading.settle(house)
    assert str(house.paths.git_dir) in differences(before, files_of(house.paths.data)), "the control: it is committed"


@pytest.mark.soak
def test_nor_does_it_in_a_minute(instance: Instance):
    """Long enough for what is looked at twice a minute; as it has grown, and as it is after a start."""
    instance.cold = True
    instance.start()
    instance.manifest(many_jobs(JOBS), quiet="def run():\n    pass\n")
    is_idle(instance, 65)
    instance.stop()
    instance.start()
    is_idle(instance, 65)

"""P17: one server per data directory, however it is started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from longhouse import app
from tests.instance import Instance, until

TRIES = 3
CONTAINER = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Another host name and process ids of its own, as a second container on the same volume has."""
UNLOCKED = """
import contextlib, sys
from longhouse import boot, cli
boot.locked = lambda paths: contextlib.nullcontext()
sys.exit(cli.main())
"""


def serve(data: Path, *before: str) -> subprocess.CompletedProcess[str]:
    words = [*before, sys.executable, "-m", "longhouse", "--data-dir", str(data), "serve", "--port", "0"]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def containers() -> bool:
    return (
        shutil.which("unshare") is not None and not subprocess.run([*CONTAINER, "true"], capture_output=True).returncode
    )


def test_a_second_server_is_refused_and_the_first_runs_on(
    instance: Instance, tmp_path: Path, proves: Callable[..., None]
) -> None:
    instance.cold = True
    instance.start()
    assert instance.process is not None
    starts = [()] * TRIES + ([CONTAINER] if containers() else [])
    for before in starts:
        second = serve(instance.data, *before)
        assert second.returncode == 7, second.stderr
        assert f"another server (process {instance.process.pid}) runs on {instance.data}" in second.stderr
        assert "hint: Stop it first" in second.stderr
    assert instance.own() == instance.process.pid and instance.get("/readyz")["ready"]

    log = (tmp_path / "second.log").open("wb")
    words = [sys.executable, "-c", UNLOCKED, "--data-dir", str(instance.data), "serve", "--port", "0"]
    second_process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        until(lambda: instance.own() == second_process.pid, seconds=60, what="without the lock a second one serves")
        assert instance.process.poll() is None
    finally:
        second_process.kill()
        second_process.wait(20)
        log.close()

    instance.kill()
    began = time.monotonic()
    instance.start()
    taken = time.monotonic() - began
    assert serve(instance.data).returncode == 7
    instance.stop()
    lock = instance.data / "longhouse.lock"
    lock.write_text("1")  # left by a server of another machine whose process id lives here
    instance.start()
    proves(
        "P17",
        figure=f"{len(starts)} second servers refused, {len(starts) - TRIES} of them in a container of its own;"
        f" after kill -9 the next serves in {taken:.1f} s",
        control="without the lock two serve one directory",
    )


@pytest.mark.parametrize("words", [["longhouse.app:app"], ["longhouse.app:create_app", "--factory"]])
def test_no_application_can_be_had_without_the_lock(words: list[str], tmp_path: Path) -> None:
    """uvicorn --workers and --reload take a name to import: there is none that opens a data directory."""
    assert not any(isinstance(value, FastAPI) for value in vars(app).values())
    command = [sys.executable, "-m", "uvicorn", *words, "--port", "0"]
    env = {**os.environ, "LONGHOUSE_JOBS_DATA_DIR": str(tmp_path / "data")}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, check=False)
    assert ended.returncode != 0, ended.stderr
    assert not (tmp_path / "data").exists()

"""A run executes the commit that it records, whole, while its files are edited all the time."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

import pytest

from tests.instance import STARTER, Instance

MANIFEST = (
    STARTER + "from jobs.work import run\njob_registry.register(JobConfig(id='work', func=run, overlap='allow'))\n"
)
OTHER = "N = {n}\n"
WORK = """import hashlib
import pathlib

from jobs.other import N


def run():
    here = pathlib.Path(__file__)
    files = (here, here.with_name("other.py"))
    return {{"n": N, "m": {n}, "sha": hashlib.sha1(b"".join(file.read_bytes() for file in files)).hexdigest()}}
"""
URL = "/api/jobs/repo/changes"


def _files(instance: Instance, n: int) -> dict[str, object]:
    texts = {"jobs/work.py": WORK.format(n=n), "jobs/other.py": OTHER.format(n=n)}
    blobs = {path: instance.get(f"/api/jobs/repo/files/{path}")["blob"] for path in texts}
    return {"files": [{"path": path, "content": text, "blob": blobs[path]} for path, text in texts.items()]}


def _prove(instance: Instance, runs: int, proves: Callable[..., None]) -> None:
    instance.start()
    instance.manifest(MANIFEST, work=WORK.format(n=0), other=OTHER.format(n=0))
    end, edited = threading.Event(), 0

    def edit() -> None:
        nonlocal edited
        while not end.is_set():
            status, found = instance.request("POST", URL, _files(instance, edited + 1))
            assert status == 200, found
            edited += 1

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        found = [instance.ended(instance.run("work")["id"], seconds=120) for _ in range(runs)]
    finally:
        end.set()
        editor.join()
    commits = set()
    for run in found:
        assert run["state"] == "succeeded" and run["result"]["n"] == run["result"]["m"], run
        shown = [
            subprocess.run(
                ["git", "show", f"{run['commit']}:{path}"], cwd=instance.tree, capture_output=True, check=True
            ).stdout
            for path in ("jobs/work.py", "jobs/other.py")
        ]
        assert shown == [WORK.format(n=run["result"]["n"]).encode(), OTHER.format(n=run["result"]["n"]).encode()]
        commits.add(run["commit"])
    assert len(commits) > 1 and edited > 1
    now = instance.tree / "jobs" / "other.py"
    differing = sum(now.read_text() != OTHER.format(n=run["result"]["n"]) for run in found)
    assert differing
    proves(
        "P34",
        figure=f"{len(found)} of {runs} runs executed the bytes of the commit they record, {len(commits)} commits, "
        f"{edited} edits of two files meanwhile",
        control=f"compared with the files in the folder instead: {differing} of {runs} runs differ",
    )


@pytest.mark.timeout(300)
def test_a_run_executes_the_commit_it_records(instance: Instance, proves: Callable[..., None]):
    _prove(instance, 10, proves)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_runs_execute_the_commit_they_record(instance: Instance, proves: Callable[..., None]):
    _prove(instance, 100, proves)

"""The server dies or stops while jobs run: nothing lost, nothing doubled, nothing left behind."""

from __future__ import annotations

import json
import sqlite3
import time
from http.client import HTTPConnection

from tests.instance import STARTER, Instance, processes_with, until

SLEEPY = """
import subprocess, sys, time

def run(ctx):
    with open(ctx.params["file"], "a") as file:
        file.write(f"{ctx.job_id} {ctx.run_id} {ctx.attempt}\\n")
    subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(600)"])
    time.sleep(0.5 if ctx.attempt > 1 else 600)
"""
TYPED = SLEEPY.replace("def run(ctx):", "def run(ctx, file: str):")


def ten_jobs(file: str) -> str:
    each = (
        f"job_registry.register(JobConfig(id=f'sleepy-{{n}}', func=run, max_attempts=2, params={{'file': {file!r}}}))"
    )
    return STARTER + f"from jobs.sleepy import run\nfor n in range(10):\n    {each}\n"


def owner_of(instance: Instance) -> str:
    connection = sqlite3.connect(f"file:{instance.data}/longhouse.db?mode=ro", uri=True)
    try:
        return str(connection.execute("SELECT owner FROM attempts ORDER BY claimed_at DESC").fetchone()[0])
    finally:
        connection.close()


def rescued(instance: Instance) -> list[float]:
    """When the interrupted attempts were ended, seconds since the epoch."""
    connection = sqlite3.connect(f"file:{instance.data}/longhouse.db?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT finished_at FROM attempts WHERE reason = 'interrupted'").fetchall()
    finally:
        connection.close()
    return [row[0] / 1000 for row in rows]


def ten_running(instance: Instance) -> tuple[list[int], list[str]]:
    """Ids of ten runs that are in the middle of it, and what they have noted."""
    notes = instance.data.with_name("notes")
    instance.manifest(ten_jobs(str(notes)), sleepy=TYPED)
    ids = [instance.run(f"sleepy-{n}")["id"] for n in range(10)]
    until(lambda: notes.exists() and len(notes.read_text().splitlines()) == 10, what="ten jobs run")
    return ids, notes.read_text().splitlines()


def test_kill_9_with_ten_running_jobs(tmp_path):
    instance = Instance(tmp_path / "data", args=("--slots", "10"))
    try:
        instance.start()
        ids, _ = ten_running(instance)
        owner = owner_of(instance)
        assert len(processes_with(f"={owner}/")) >= 20, "ten jobs and ten processes that they detached"
        instance.kill()
        began = time.time()
        instance.start()
        assert processes_with(f"={owner}/") == [], "nothing of the old attempts lives"
        runs = [instance.ended(run_id) for run_id in ids]
        assert [run["state"] for run in runs] == ["succeeded"] * 10
        for run in runs:
            assert [(row["attempt"], row["state"], row["reason"]) for row in run["attempts"]] == [
                (1, "failed", "interrupted"),
                (2, "succeeded", None),
            ]
        notes = (tmp_path / "notes").read_text().splitlines()
        assert len(notes) == len(set(notes)) == 20, "each attempt began once"
        assert max(rescued(instance)) - began <= 10
    finally:
        instance.kill()


def test_a_stop_ends_running_jobs_honestly_and_the_next_start_tries_them_again(tmp_path):
    instance = Instance(tmp_path / "data", args=("--slots", "10"))
    try:
        instance.start()
        ids, _ = ten_running(instance)
        owner = owner_of(instance)
        assert instance.stop() <= 4
        assert processes_with(f"={owner}/") == []
        assert processes_with(str(instance.data)) == [], "no runner, no supervisor, no job"
        instance.start()
        runs = [instance.ended(run_id) for run_id in ids]
        assert {run["state"] for run in runs} == {"succeeded"}
        assert {(row["attempt"], row["reason"]) for run in runs for row in run["attempts"]} == {
            (1, "interrupted"),
            (2, None),
        }
    finally:
        instance.kill()


def test_sigterm_with_an_open_log_stream_ends_within_four_seconds(instance: Instance):
    instance.start()
    talk = "import time\ndef run():\n    for n in range(600):\n        print(n)\n        time.sleep(0.1)\n"
    registered = "from jobs.talk import run\njob_registry.register(JobConfig(id='talk', func=run))\n"
    instance.manifest(STARTER + registered, talk=talk)
    run_id = instance.run("talk")["id"]
    streams = []
    for path in (f"/api/runs/{run_id}/logs/stream", "/api/events"):
        connection, headers = instance.connection()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        answer.readline()
        streams.append((connection, answer))
    assert instance.stop() <= 4
    for connection, answer in streams:
        answer.read()
        connection.close()
    connection = sqlite3.connect(f"file:{instance.data}/longhouse.db?mode=ro", uri=True)
    row = connection.execute("SELECT state FROM runs WHERE id = ?", (run_id,)).fetchone()
    connection.close()
    assert row == ("retrying",), "it goes on after the next start"


def test_the_address_file_goes_with_the_server(instance: Instance):
    instance.start()
    found = json.loads((instance.data / "instance.json").read_text())
    assert (instance.data / "instance.json").stat().st_mode & 0o777 == 0o600
    instance.stop()
    assert not (instance.data / "instance.json").exists()
    assert instance.cli("jobs", "list").returncode == 6
    connection = HTTPConnection(found["url"].removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", "/livez")
    except ConnectionRefusedError:
        pass
    else:
        raise AssertionError("somebody still listens")
    finally:
        connection.close()

"""Another program holds the database's write lock: nothing is lost, and what cannot be written is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import apsw
import pytest

from longhouse.errors import Unavailable
from longhouse.store.database import Database
from tests.instance import STARTER, Instance, until

MANIFEST = """
from jobs.quick import run as quick
from jobs.work import run as work

job_registry.register(JobConfig(id="quick", func=quick, overlap="allow"))
job_registry.register(JobConfig(id="work", func=work, max_attempts=1))
job_registry.register(JobConfig(id="often", func=quick, every=2, catch_up="all", max_catch_up=50, overlap="allow"))
"""
WORK = """
import os, time

def run(ctx):
    ctx.progress(1)
    while not os.path.exists({go!r}):
        time.sleep(0.05)
    ctx.state["done"] = True
    return 7
"""


@contextmanager
def held(database: Path) -> Iterator[None]:
    """As another program would hold it, in the middle of a transaction."""
    other = apsw.Connection(str(database))
    other.set_busy_timeout(30_000)
    other.execute("BEGIN IMMEDIATE").fetchall()
    try:
        yield
    finally:
        other.execute("ROLLBACK").fetchall()
        other.close()


@pytest.mark.parametrize("seconds", [8, pytest.param(60, marks=pytest.mark.soak)])
def test_while_another_program_holds_the_lock_nothing_is_lost(
    instance: Instance, tmp_path: Path, seconds: int, proves
) -> None:
    go = tmp_path / "go"
    instance.start()
    instance.manifest(STARTER + MANIFEST, quick="def run():\n    pass\n", work=WORK.format(go=str(go)))
    working = instance.run("work")["id"]
    until(lambda: instance.get(f"/api/runs/{working}")["progress"], what="the job is at work")
    answers: list[tuple[int, dict[str, object], float]] = []

    def ask() -> None:
        began = time.monotonic()
        status, answer = instance.request("POST", "/api/jobs/quick/run", {})
        answers.append((status, answer, time.monotonic() - began))

    with held(instance.data / "longhouse.db"):
        began = time.monotonic()
        go.touch()
        asking = [threading.Thread(target=ask) for _ in range(4)]
        for each in asking:
            each.start()
        reads = 0
        while time.monotonic() - began < seconds:
            at = time.monotonic()
            for path in ("/api/jobs", f"/api/runs/{working}", "/api/doctor", "/livez"):
                assert instance.request("GET", path)[0] == 200
                reads += 1
            assert time.monotonic() - at < 5
            time.sleep(0.2)
        assert instance.state(working) == "running"  # its end cannot be recorded yet
    for each in asking:
        each.join()
    refused = [(answer, took) for status, answer, took in answers if status == 503]
    accepted = [answer for status, answer, _ in answers if status == 202]
    # who waits behind another writer of ours may be let in when the lock is free, and is then not refused
    assert len(refused) + len(accepted) == 4, answers
    assert all("database" in str(answer["detail"]) and answer["hint"] for answer, _ in refused)

    ended = instance.ended(working)
    assert (ended["state"], ended["result"], ended["attempt"]) == ("succeeded", 7, 1)
    assert instance.get("/api/jobs/work/state")["state"] == {"done": True}
    for answer in accepted:
        assert instance.ended(int(str(answer["id"])))["state"] == "succeeded"
    entries = until(lambda: _whole(instance), what="every due time has its entry", seconds=30)
    assert all(entry["end"] == "ran" for entry in entries), entries
    assert "Traceback" not in instance.log, instance.log
    assert instance.log.count("locked") <= 2, instance.log
    instance.stop()
    proves(
        "P29",
        f"write lock held for {seconds} s by another program: 0 runs lost, {len(refused)} of 4 requests answered 503"
        f" within {max((took for _, took in refused), default=0):.0f} s, {reads} reads answered meanwhile,"
        f" {len(entries)} due times entered without a gap",
        control=impatient(instance.data.with_name("control.db")),
    )


def _whole(instance: Instance) -> list[dict[str, object]]:
    """The entries of the job that is due every two seconds, once they reach to now without a gap."""
    found = instance.get("/api/jobs/often/firings?limit=200")["items"]
    due = sorted(_seconds(entry["first"]) for entry in found)
    gaps = [(low, high) for low, high in pairwise(due) if high - low != 2]
    return found if due and not gaps and time.time() - due[-1] < 5 else []


def _seconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp())


def impatient(path: Path) -> str:
    """Who does not wait is refused by a lock that lasts a moment."""
    refused = {busy_ms: _refused(path, busy_ms) for busy_ms in (0, 5_000)}
    assert refused == {0: True, 5_000: False}
    return "without a busy timeout a lock of 0.3 s refuses the write"


def _refused(path: Path, busy_ms: int) -> bool:
    database, started = Database(path, busy_ms=busy_ms), threading.Event()

    def hold() -> None:
        with held(path):
            started.set()
            time.sleep(0.3)

    holder = threading.Thread(target=hold)
    holder.start()
    started.wait()
    try:
        with database.write():
            return False
    except Unavailable:
        return True
    finally:
        holder.join()
        database.close()


def test_a_reader_needs_no_lock_and_503_says_when_to_come_back(house, client, add_job) -> None:
    add_job("daily-digest")
    house.db._busy_ms = 100
    house.db._writer.set_busy_timeout(100)
    with held(house.paths.database):
        answer = client.post("/api/jobs/daily-digest/run", json={})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
        assert answer.json()["detail"] == "the database is locked by another process"
        assert client.get("/api/jobs/daily-digest").status_code == 200
        assert client.get("/readyz?verbose").json()["reasons"][0] == "the database is locked by another process"
    assert client.post("/api/jobs/daily-digest/run", json={}).status_code == 202

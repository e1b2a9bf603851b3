"""A full disk: nothing is corrupted, new runs are refused with a sentence, and work resumes without a restart."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from longhouse.errors import StorageFull
from longhouse.store.database import Database
from longhouse.store.reserve import MIB
from tests.instance import STARTER, Instance, until
from tests.reliability.seeds import a_seed

ROOT = Path(__file__).parents[2]
CALLS = "pwrite64,write,openat,ftruncate,fallocate"
LIVES = 10
"""Of the process, each with so many calls that fail from a place of its own on."""
FAULTS = 20

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


# --- at any call --------------------------------------------------------------------------------------------------


def filling(folder: Path, when: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The store at work under strace, whose calls `when` find no space. It prints what it acknowledges."""
    command = [
        *("strace", "-f", "-qq", "-o", str(folder.with_suffix(".strace"))),
        *("-e", f"trace={CALLS}", "-e", f"inject={CALLS}:error=ENOSPC:when={when}"),
        *(sys.executable, "-m", "tests.reliability.full_process", str(folder), *words),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def calls_in_all(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int]:
    """The first call that belongs to the work, and the last one."""
    folder = tmp_path_factory.mktemp("dry") / "data"
    trace = folder.with_suffix(".strace")
    command = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={CALLS}"]
    done = subprocess.run(
        [*command, sys.executable, "-m", "tests.reliability.full_process", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.count("accepted") == 40
    lines = [line for line in trace.read_text().splitlines() if re.search(rf"({CALLS.replace(',', '|')})\(", line)]
    begin = next(number for number, line in enumerate(lines) if "begin work" in line)
    return begin + 2, len(lines)


def checked(folder: Path, said: str) -> list[str]:
    """What is wrong afterwards with what was acknowledged."""
    database = apsw.Connection(str(folder / "longhouse.db"))
    faults = [text for (text,) in database.execute("PRAGMA integrity_check") if text != "ok"]
    states = dict(database.execute("SELECT id, state FROM runs"))
    acknowledged = set[str]()
    for word, number, *rest in (line.split() for line in said.splitlines() if line.count(" ") >= 1):
        if word == "accepted" and (int(number) not in states or number in acknowledged):
            faults.append(f"run {number} was acknowledged and is lost")  # also if a later one got its number
        if word == "accepted":
            acknowledged.add(number)
        if word == "finished" and states.get(int(number)) != rest[0]:
            faults.append(f"run {number} was said to be {rest[0]} and is {states.get(int(number))}")
    database.close()
    return faults


@needs_strace
def test_whichever_write_finds_no_space_nothing_is_corrupted(
    tmp_path: Path, calls_in_all: tuple[int, int], proves
) -> None:
    chosen, refused, met = a_seed(), 0, 0
    chance, (first, last) = random.Random(chosen), calls_in_all
    number = 0
    while met < LIVES * FAULTS:  # a life that ends before its last fault meets fewer
        number += 1
        folder = tmp_path / f"data{number}"
        at, step = chance.randint(first, last - FAULTS), chance.choice((1, 1, 2, 3))
        when = f"{at}..{at + (FAULTS - 1) * step}+{step}"
        done = filling(folder, when)
        injected = folder.with_suffix(".strace").read_text().count("(INJECTED)")
        told = f"seed {chosen}, when={when}: {done.stdout[-300:]} {done.stderr[-2000:]}"
        assert done.returncode == 0, told
        assert checked(folder, done.stdout) == [], told
        assert done.stdout.count("accepted") == 40, told
        assert "Traceback" not in done.stderr, told
        refused += done.stdout.count("refused")
        met += injected
    assert refused > 0
    control = unsound(tmp_path / "control", first)
    proves(
        "P27",
        f"{met} writes, opens and truncations of the store failed for want of space: 0 databases corrupt, "
        f"0 of {number * 40} acknowledged runs lost, {refused} refused and accepted later",
        control=control,
    )


def unsound(folder: Path, first: int) -> str:
    """The same for a program that acknowledges before it has written."""
    done = filling(folder, f"{first}..{first + 60}+2", "early")
    lost = [fault for fault in checked(folder, done.stdout) if "lost" in fault]
    assert lost, done.stdout + done.stderr
    return f"acknowledged before the commit: {len(lost)} of 40 lost"


# --- the whole server, on a disk of its own -------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """64 MiB of their own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a disk of its own is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


MANIFEST = """
from jobs.quick import run as quick
from jobs.talk import run as talk

job_registry.register(JobConfig(id="talk", func=talk, max_attempts=1))
job_registry.register(JobConfig(id="quick", func=quick, overlap="allow"))
job_registry.register(JobConfig(id="often", func=quick, every=2, catch_up="skip",
                                misfire_grace_seconds=1, overlap="allow"))
"""
TALK = """
import os, sys, time
def run(ctx):
    for _ in range(8):
        print("before")
    sys.stdout.flush()
    ctx.progress(1)
    while not os.path.exists({go!r}):
        time.sleep(0.05)
    for number in range(6000):
        os.write(1, b"x" * 999 + bytes([10]))
    ctx.state["said"] = 6000
    return {{"said": 6000}}
"""


def fill(place: Path) -> Path:
    """A file that takes all that is left."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MIB, 4096):
            try:
                while file.write(b"f" * size) == size:
                    pass
            except OSError:
                pass
    return filler


def test_a_full_disk_refuses_new_runs_ends_old_ones_and_resumes(small_disk: Path, tmp_path: Path, proves) -> None:
    instance, go = Instance(small_disk / "data"), tmp_path / "go"
    try:
        instance.start()
        instance.manifest(STARTER + MANIFEST, talk=TALK.format(go=str(go)), quick="def run():\n    pass\n")
        talking = instance.run("talk")["id"]
        until(lambda: instance.get(f"/api/runs/{talking}")["progress"], what="it has begun to talk")
        reserve = small_disk / "data" / "reserve"
        assert reserve.stat().st_blocks * 512 >= 16 * MIB
        filler = fill(small_disk)

        status, problem = instance.request("POST", "/api/jobs/quick/run", {})
        assert (status, problem["code"]) == (507, "storage.full")
        assert "the disk is full" in problem["detail"] and "without a restart" in problem["hint"]
        refusals = Counter(
            instance.request(method, path, body)[0]
            for method, path, body in (
                ("POST", "/api/jobs/quick/test", {}),
                ("POST", f"/api/runs/{talking}/rerun", {}),
                ("GET", "/api/jobs", None),
                ("GET", f"/api/runs/{talking}", None),
                ("GET", f"/api/runs/{talking}/logs", None),
            )
        )
        assert not [code for code in refusals if code >= 500 and code != 507], refusals
        full = ["the disk is full: no new run is accepted"]
        until(lambda: instance.request("GET", "/readyz?verbose")[1]["reasons"] == full, what="readiness looks again")
        checks = {check["name"]: check for check in instance.get("/api/doctor")["checks"]}
        assert checks["disk"]["status"] == "error" and "full" in checks["disk"]["message"]
        go.touch()
        ended = instance.ended(talking)
        assert ended["state"] == "succeeded" and ended["result"] == {"said": 6000}
        kept = instance.cli("runs", "logs", str(talking)).stdout.count("x" * 999)
        unsaid = not re.search(r"[\d,]+ bytes of its output could not be stored: the disk was full\.", ended["message"])
        assert unsaid == (kept == 6000), (kept, ended["message"])  # the reserve that was given up may hold all of it
        until(lambda: not reserve.stat().st_size or instance.log.count("the disk is full"), what="it is logged")
        time.sleep(4)  # due times pass meanwhile; nothing can be waited for

        began = time.monotonic()
        filler.unlink()
        until(lambda: instance.request("POST", "/api/jobs/quick/run", {})[0] == 202, seconds=60)
        resumed = time.monotonic() - began
        assert resumed <= 30
        entries = until(lambda: [e for e in firings(instance) if e["end"] == "missed_full"], what="missed_full")
        assert sum(entry["count"] for entry in entries) >= 1
        until(lambda: reserve.stat().st_size >= 16 * MIB, what="the reserve is back")
        assert instance.get("/api/jobs/talk/state")["state"] == {"said": 6000}
        said = [line for line in instance.log.splitlines() if "disk is full" in line]
        assert len(said) <= 2 and "Traceback" not in instance.log, instance.log
        instance.stop()
        assert checked(small_disk / "data", "") == []
    finally:
        instance.kill()
    proves(
        "P27",
        f"64 MiB disk filled under a live server: 507 at once, the running job's verdict kept, {len(said)} log lines of"
        f" it, due times entered as missed_full, runs accepted again {resumed:.1f} s after space was there",
        control=unreserved(small_disk),
    )


def firings(instance: Instance) -> list[dict[str, Any]]:
    return instance.get("/api/jobs/often/firings")["items"]


def unreserved(place: Path) -> str:
    """Without a reserve, the end of a run cannot be written while the disk is full."""
    shutil.rmtree(place / "data")
    database = Database(place / "bare.db")
    with database.write() as db:
        db.execute("CREATE TABLE ends (text TEXT)").fetchall()
    fill(place)
    written = 0
    with pytest.raises(StorageFull):
        while True:
            with database.write() as db:
                db.execute("INSERT INTO ends VALUES (zeroblob(3000))").fetchall()
            written += 1
    database.close()
    return f"without the reserve: the {written + 1}. end could not be written"

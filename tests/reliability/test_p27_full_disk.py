"""A full disk: nothing is corrupted, new runs are refused with a sentence, and work resumes without a restart."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

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
    for word, number, *rest in (line.split() for line in said.splitlines() if line.count(" ") >= 1):
        if word == "accepted" and int(number) not in states:
            faults.append(f"run {number} was acknowledged and is lost")
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
    for number in range(LIVES):
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
    assert met >= LIVES * FAULTS * 0.8
    assert refused > 0
    control = unsound(tmp_path / "control", first)
    proves(
        "P27",
        f"{met} writes, opens and truncations of the store failed for want of space: 0 databases corrupt, "
        f"0 of {LIVES * 40} acknowledged runs lost, {refused} refused and accepted later",
        control=control,
    )


def unsound(folder: Path, first: int) -> str:
    """The same for a program that acknowledges before it has written."""
    done = filling(folder, f"{first}..{first + 60}+2", "early")
    lost = [fault for fault in checked(folder, done.stdout) if "lost" in fault]
    assert lost, done.stdout + done.stderr
    return f"acknowledged before the commit: {len(lost)} of 40 lost"

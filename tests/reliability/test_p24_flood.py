"""P24: ten jobs flood their output at once. The server's memory, what is stored and what a page sends stay small."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.instance import STARTER, Instance
from tests.reliability.test_p26_stop import page

AT_ONCE = 10
CI_MB, SOAK_MB = 100, 1000
"""A gigabyte in all; a gigabyte each."""
MIB = 1024 * 1024
CAP = 11 * MIB
"""8 MiB of the beginning and 2 of the end, with what says when each line came."""

FLOOD = r"""
import os
BLOCK = 1_000_000

def put(fd, data):
    while data: data = data[os.write(fd, data):]
def one_line(megabytes: int):
    for _ in range(megabytes): put(1, b"x" * BLOCK)
    put(1, b"\n")
def many_lines(megabytes: int):
    block = (b"y" * 99 + b"\n") * (BLOCK // 100)
    for _ in range(megabytes): put(1, block)
def short_lines(megabytes: int):
    block = b"z\n" * (BLOCK // 2)
    for _ in range(megabytes): put(1, block)
def interleaved(megabytes: int):
    block = (b"o" * 999 + b"\n") * 5
    for _ in range(megabytes * BLOCK // 10_000):
        put(1, block)
        put(2, block)
def no_newline(megabytes: int):
    for _ in range(megabytes): put(2, "ä".encode() * (BLOCK // 2))
"""
KINDS = ("one_line", "many_lines", "short_lines", "interleaved", "no_newline")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(tmp_path / "data", args=("--slots", str(AT_ONCE)))
    instance.start()
    lines = [STARTER, "from jobs import flood\n"]
    for name in KINDS:
        settings = f"id={name.replace('_', '-')!r}, func=flood.{name}, overlap='allow', params={{'megabytes': 1}}"
        lines.append(f"job_registry.register(JobConfig({settings}))\n")
    instance.manifest("".join(lines), flood=FLOOD)
    yield instance
    instance.kill()


def memory(house: Instance, field: str) -> int:
    """Bytes."""
    text = Path(f"/proc/{house.own()}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{field}:"))


def flooded(house: Instance, megabytes: int, seconds: float) -> list[dict[str, Any]]:
    names = [KINDS[number % len(KINDS)].replace("_", "-") for number in range(AT_ONCE)]
    started = [house.run(name, megabytes=megabytes)["id"] for name in names]
    return [house.ended(each, seconds=seconds) for each in started]


KEEPS = """
import subprocess, sys
def most(): return next(int(line.split()[1]) for line in open("/proc/self/status") if "VmHWM" in line) * 1024
before = most()
subprocess.run([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
print(most() - before)
"""


def kept_whole() -> int:
    """Bytes of memory that 100 MB of output cost whoever does not let go of them."""
    code = FLOOD + f"\nmany_lines({CI_MB})"
    ended = subprocess.run([sys.executable, "-c", KEEPS, code], capture_output=True, check=True)
    grown = int(ended.stdout)
    assert grown > 32 * MIB
    return grown


def flood(house: Instance, proves: Callable[..., None], megabytes: int, seconds: float) -> None:
    warm = flooded(house, 1, 60)  # as an instance that has been at work: threads and code are there
    assert {run["state"] for run in warm} == {"succeeded"}
    Path(f"/proc/{house.own()}/clear_refs").write_text("5")  # the peak counts from here
    before, began = memory(house, "VmRSS"), time.monotonic()
    runs = flooded(house, megabytes, seconds)
    took = time.monotonic() - began
    grown = memory(house, "VmHWM") - before
    assert {run["state"] for run in runs} == {"succeeded"}
    assert grown <= 32 * MIB, f"{grown / MIB:.1f} MiB"
    stored = [sum(each.stat().st_size for each in (house.data / "output" / str(run["id"])).iterdir()) for run in runs]
    assert max(stored) <= CAP
    sent = [len(page(house, f"/runs/{run['id']}").encode()) for run in runs]
    assert max(sent) <= MIB, "a page of the log"
    for run in runs:
        said = house.get(f"/api/runs/{run['id']}/logs?stream=system&limit=10")["items"]  # a gap passes every filter
        assert [item["stream"] for item in said] == ["gap"], "what was dropped is said, once"
        assert "dropped" in said[0]["text"]
    total = AT_ONCE * megabytes
    proves(
        "P24",
        figure=f"{total / 1000:g} GB in {AT_ONCE} runs at once ({len(KINDS)} kinds, {took:.0f} s): "
        f"memory +{grown / MIB:.1f} MiB (goal 32), stored {max(stored) / MIB:.1f} MiB of a run at most, "
        f"log page {max(sent) / 1024:.0f} KiB (goal 1,024)",
        control=f"one of them read by something that keeps what it reads: +{kept_whole() / MIB:.0f} MiB",
    )


def test_a_gigabyte_from_ten_runs_at_once(house: Instance, proves: Callable[..., None]) -> None:
    flood(house, proves, CI_MB, 120)


@pytest.mark.soak
def test_ten_gigabytes_from_ten_runs_at_once(house: Instance, proves: Callable[..., None]) -> None:
    flood(house, proves, SOAK_MB, 900)

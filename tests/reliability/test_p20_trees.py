"""P20: stop means stopped. Random trees of processes, ended by a cancel, a time limit, or the end of the first one."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from longhouse.launch import _processes
from longhouse.launch._processes import alive, carrying, started_ticks
from longhouse.launch.local import LocalLauncher, Spec, fence_site, kill_leftovers
from tests.instance import STARTER, Instance, until

PYTHON: str = getattr(sys, "_base_executable", sys.executable)
AT_ONCE = 4

TREE = """
import os, random, signal, sys, threading, time

seed, folder, way = int(sys.argv[1]), sys.argv[2], sys.argv[3]
chance = random.Random(seed)
KINDS = ("child", "group", "session", "daemon", "threads", "exec", "bare", "hops", "breeds")


def tell():
    with open("/proc/self/stat") as file:
        fields = file.read()
    name = f"{folder}/{os.getpid()}-{fields.rpartition(')')[2].split()[19]}"
    open(name, "w").close()


def rest():
    while True:
        time.sleep(60)


def node(left, kind):
    if kind in ("session", "daemon"):
        os.setsid()
    if kind == "daemon" and os.fork():
        os._exit(0)
    if kind == "group":
        os.setpgid(0, 0)
    if chance.random() < 0.5:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if chance.random() < 0.2:
        os.closerange(1, 3)  # does not hold the pipes; the others do
    tell()
    if kind == "threads":
        for _ in range(3):
            threading.Thread(target=rest, daemon=True).start()
    if kind == "exec":
        os.execv("/bin/sleep", ["sleep", "60"])
    if kind == "bare":  # without the environment that tells whose it is
        os.execve("/bin/sleep", ["sleep", "60"], {})
    if kind == "hops":  # never the same pid for longer than it takes to look; the control may not catch it at all
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            if chance.random() < 0.5:
                os.setsid()
            time.sleep(0.002)
        os._exit(0)
    if kind == "breeds":  # forks on while it is being stopped
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            if os.fork() == 0:
                time.sleep(0.02)
                os._exit(0)
            time.sleep(0.004)
    for _ in range(chance.randint(2, 4) if left else 0):
        kind, below = chance.choice(KINDS), chance.random()
        if os.fork() == 0:
            chance.seed(below)
            node(left - 1, kind)
            rest()


node(3, "first")
open(f"{folder}/ready", "w").close()
if way == "leader":
    os._exit(7)
rest()
"""


def seeded() -> int:
    """The seed of a random test: LONGHOUSE_SEED, or any; pytest shows it when the test fails."""
    seed = int(os.environ.get("LONGHOUSE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"replay with LONGHOUSE_SEED={seed}")
    return seed


def lasting(folder: Path) -> list[str]:
    """Which of the processes that told their pid and start time live on."""
    known = [name.split("-") for name in os.listdir(folder) if "-" in name]
    return [pid for pid, ticks in known if started_ticks(int(pid)) == int(ticks) and alive(int(pid))]


def argv(seed: int, folder: Path, way: str) -> tuple[str, ...]:
    folder.mkdir()
    return (PYTHON, "-I", "-S", "-c", TREE, str(seed), str(folder), way)


def stopped(launcher: LocalLauncher, folder: Path, seed: int) -> tuple[float, int]:
    """Seconds from the stop to the verdict over the grace, and how many processes told of themselves."""
    chance = random.Random(seed)
    way, grace = chance.choice(("cancel", "timeout", "leader")), chance.choice((0.0, 0.05, 0.3))
    marker = f"tree-{folder.parent.name}-{seed}"
    with launcher.start(Spec(argv=argv(seed, folder, way), env={}, cwd=folder, marker=marker)) as child:
        if way == "timeout":  # wherever it is by then
            select.select([child.exit], [], [], chance.random() * 0.3)
        else:
            until((folder / "ready").exists, what=f"tree {seed} has grown")
        began = time.monotonic()
        if way == "leader":
            grace = 0.0
        else:
            child.stop(grace)
        assert select.select([child.exit], [], [], grace + 20)[0], f"no verdict on tree {seed}"
        took = time.monotonic() - began - grace
        end = child.read_exit()
        assert not end.interrupted, (seed, end)
        assert way != "leader" or end.code == 7, (seed, end)
    assert (lasting(folder), carrying(marker)) == ([], []), f"survivors of tree {seed}, ended by {way}"
    return took, sum("-" in name for name in os.listdir(folder))


def survivors_of_killpg(tmp_path: Path, seeds: range) -> int:
    """The usual way of stopping: one signal to the process group of the first process."""
    left = 0
    for seed in seeds:
        folder, marker = tmp_path / f"control-{seed}", f"control-{tmp_path.name}-{seed}"
        env = {_processes.MARKER: marker}
        with subprocess.Popen(argv(seed, folder, "cancel"), env=env, start_new_session=True) as process:
            until((folder / "ready").exists)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        left += len(lasting(folder))
        kill_leftovers(None, None, None, marker)
        for name in os.listdir(folder):
            pid, _, ticks = name.partition("-")
            if ticks and started_ticks(int(pid)) == int(ticks):
                os.kill(int(pid), signal.SIGKILL)
        until(lambda folder=folder: not lasting(folder))
    return left


def stop_trees(tmp_path: Path, proves: Callable[..., None], count: int) -> None:
    first = seeded()
    seeds = range(first, first + count)
    # Behind fences, where they can be made, and without, as on most machines.
    launchers = [LocalLauncher(process_limit=1024, fences=fence_site()), LocalLauncher(process_limit=1024)]
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda seed: stopped(launchers[seed % 2], tmp_path / str(seed), seed), seeds))
    finally:
        for each in launchers:
            each.close()
    slowest, processes = max(took for took, _ in found), sum(many for _, many in found)
    assert slowest <= 6, "seconds over the grace"  # a loaded machine; the figure is in the table
    assert processes > 2 * count
    control = survivors_of_killpg(tmp_path, seeds[:10])
    assert control > 0
    proves(
        "P20",
        figure=f"0 survivors of {count} random trees with {processes:,} processes; slowest verdict {slowest:.2f} s "
        "after the grace (goal 2)",
        control=f"killpg alone: {control} survivors of 10 trees",
    )


def test_random_trees_leave_no_survivor(tmp_path: Path, proves: Callable[..., None]) -> None:
    stop_trees(tmp_path, proves, 50)


@pytest.mark.soak
def test_two_thousand_random_trees_leave_no_survivor(tmp_path: Path, proves: Callable[..., None]) -> None:
    stop_trees(tmp_path, proves, 2000)


HOLDS = """
import subprocess, sys
def run():
    code = "import os, signal, sys, time; os.setsid(); signal.signal(15, signal.SIG_IGN)"
    code += "; print(os.getpid(), flush=True); time.sleep(600)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    print("holder", int(holder.stdout.readline()), flush=True)
    subprocess.Popen([sys.executable, "-c", code + "  # with our own stdout"])
"""


def test_a_session_that_holds_the_output_holds_up_nothing(instance: Instance, proves: Callable[..., None]) -> None:
    """jointsome0-lgtm/ephemeris#205: such a run stayed TERMINATING for ever, and its slot was lost."""
    instance = Instance(instance.data, args=("--slots", "1"))
    try:
        instance.start()
        instance.manifest(
            STARTER
            + "from jobs.holds import run\njob_registry.register(JobConfig(id='holds', func=run, overlap='allow'))\n",
            holds=HOLDS,
        )
        ids = [instance.run("holds")["id"] for _ in range(3)]
        runs = [instance.ended(each) for each in ids]  # one slot: each had to give it back
        assert [run["state"] for run in runs] == ["succeeded"] * 3
        slowest = max(_lasted(run) for run in runs)
        assert slowest <= 6
        for each in ids:
            texts = [item["text"] for item in instance.get(f"/api/runs/{each}/logs?stream=out")["items"]]
            [pid] = [int(text.split()[1]) for text in texts if text.startswith("holder")]
            assert not alive(pid)
    finally:
        instance.kill()
    proves("P20", figure=f"a session that holds the output: run over after {slowest:.2f} s (goal 2), slot free, dead")


def _lasted(run: dict[str, str]) -> float:
    ends = [time.strptime(run[name][:19], "%Y-%m-%dT%H:%M:%S") for name in ("started_at", "finished_at")]
    return time.mktime(ends[1]) - time.mktime(ends[0])

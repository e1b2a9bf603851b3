"""P21 to P23: a job that hangs, forks without end or takes too much memory ends alone, and is told so."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from longhouse.launch._processes import carrying, descendants
from longhouse.launch.local import Exit, LocalLauncher, Spec, fence_site
from tests.instance import STARTER, Instance, until

PYTHON: str = getattr(sys, "_base_executable", sys.executable)

JOBS = r"""
import os, re, signal, subprocess, sys, time

def sleeps():
    time.sleep(600)
def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(1)
def in_c():  # never back in the interpreter: no signal handler runs, no thread either
    signal.signal(signal.SIGTERM, lambda *_: None)
    re.match(r"(a+)+$", "a" * 64 + "b")
def stops_itself():
    os.kill(os.getpid(), signal.SIGSTOP)
def waits_for_another():
    subprocess.run([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
def forever():
    time.sleep(600)

def bomb():
    for _ in range(14):  # 16,384 processes
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)
    time.sleep(600)
def session_bomb():
    while True:
        try:
            if os.fork() == 0: os.setsid()
        except OSError:
            time.sleep(0.01)
def answers():
    return {"answer": 42}

MEGABYTE = 1024 * 1024
def at_once(megabytes: int): return len(bytearray(megabytes * MEGABYTE))
def bit_by_bit(megabytes: int): return len([bytearray(MEGABYTE) for _ in range(megabytes)])
def doubling(megabytes: int):
    text = "x" * MEGABYTE
    while len(text) < megabytes * MEGABYTE: text += text
    return len(text)
"""
HUNG = ("sleeps", "deaf", "in_c", "stops_itself", "waits_for_another")
GREEDY = ("at_once", "bit_by_bit", "doubling")
TIMEOUT, LIMIT_MB = 1, 80


def manifest() -> str:
    lines = [STARTER, "from jobs import limits\n"]

    def job(name: str, more: str = "", suffix: str = "") -> None:
        settings = f"id={name.replace('_', '-') + suffix!r}, func=limits.{name}, max_attempts=1, overlap='allow'{more}"
        lines.append(f"job_registry.register(JobConfig({settings}))\n")

    for name in HUNG:
        job(name, f", timeout_seconds={TIMEOUT}")
    for name in ("forever", "bomb", "session_bomb", "answers"):
        job(name)
    for name in GREEDY:
        job(name, f", memory_mb={LIMIT_MB}, params={{'megabytes': {2 * LIMIT_MB}}}")
        job(name, f", params={{'megabytes': {2 * LIMIT_MB}}}", "-unlimited")
    return "".join(lines)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance(tmp_path_factory.mktemp("limits") / "data", args=("--slots", "8"))
    instance.start()
    instance.manifest(manifest(), limits=JOBS)
    yield instance
    instance.kill()


def ids(name: str) -> str:
    return name.replace("_", "-")


def lasted(run: dict[str, Any]) -> float:
    row = run["attempts"][-1]
    began, ended = (datetime.fromisoformat(row[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


# --- P21 ------------------------------------------------------------------------------------------------------------


def test_a_hung_job_ends_at_its_time_limit(house: Instance, proves: Callable[..., None]) -> None:
    control = house.run("forever")["id"]
    started = {name: house.run(ids(name))["id"] for name in HUNG}
    runs = {name: house.ended(each) for name, each in started.items()}
    for name, run in runs.items():
        assert (run["state"], run["reason"]) == ("failed", "timed_out"), (name, run["message"])
        assert TIMEOUT <= lasted(run) <= TIMEOUT + 6, name  # a loaded machine; the figure is in the table
    assert house.state(control) == "running"
    house.post(f"/api/runs/{control}/cancel")
    assert house.ended(control)["state"] == "cancelled"
    slowest = max(lasted(run) for run in runs.values()) - TIMEOUT
    proves(
        "P21",
        figure=f"{len(runs)} kinds of hanging (asleep, deaf to TERM, a loop in C, stopped, waiting for a deaf child): "
        f"all timed_out, {slowest:.1f} s after the limit at most (goal 2)",
        control="without a limit of its own the same job was still running",
    )


# --- P22 ------------------------------------------------------------------------------------------------------------


class Pulse(threading.Thread):
    """Asks the API again and again, and notes how long each answer took."""

    def __init__(self, house: Instance) -> None:
        super().__init__(daemon=True)
        self._house = house
        self._stopped = threading.Event()
        self.seconds: list[float] = []

    def run(self) -> None:
        connection, headers = self._house.connection()
        while not self._stopped.wait(0.01):
            began = time.monotonic()
            connection.request("GET", "/api/jobs?limit=1", headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            self.seconds.append(time.monotonic() - began)
        connection.close()

    def p99(self) -> float:
        self._stopped.set()
        self.join(30)
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


def test_a_fork_bomb_is_contained(house: Instance, proves: Callable[..., None]) -> None:
    figures = []
    for name in ("bomb", "session_bomb"):
        pulse = Pulse(house)
        pulse.start()
        bomb = house.run(ids(name))["id"]
        others = [house.run("answers")["id"] for _ in range(3)]
        run = house.ended(bomb, seconds=60)
        assert (run["state"], run["reason"]) == ("failed", "resource_exceeded"), run["message"]
        assert "processes and threads at once" in run["message"]
        assert [house.ended(each)["state"] for each in others] == ["succeeded"] * 3
        owner = f"/{bomb}/1"
        assert not [pid for pid in descendants(house.own()) if _carries(pid, owner)]
        p99 = pulse.p99()
        assert p99 < 5  # a loaded machine; the figure is in the table
        figures.append((lasted(run), p99))
    slowest, p99 = max(each for each, _ in figures), max(each for _, each in figures)
    check = next(each for each in house.get("/api/doctor")["checks"] if each["name"] == "processes")
    fenced = "pids cgroup refuses" in check["message"]
    assert check["status"] == ("ok" if fenced or os.geteuid() != 0 else "warning")
    proves(
        "P22",
        figure=f"bombs of 16,384 forks and without end, {'behind a pids cgroup' if fenced else 'counted'}: "
        f"resource_exceeded after {slowest:.1f} s, API p99 meanwhile {p99 * 1000:.0f} ms (goal 500), other runs fine",
    )


def _carries(pid: int, mark: str) -> bool:
    try:
        return any(
            each.startswith(b"LONGHOUSE_JOBS_ATTEMPT=") and each.endswith(mark.encode())
            for each in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        )
    except OSError:
        return False


MANY = """
import os, sys, time
for number in range(int(sys.argv[1])):
    try:
        if os.fork() == 0:
            if number % 2: os.setsid()
            time.sleep(60)
    except OSError:
        time.sleep(60)
os.write(1, b"all")
time.sleep(60)
"""
LIMIT, FORKS = 100, 400


def forking(launcher: LocalLauncher, folder: Path) -> tuple[bytes, int, Exit]:
    """What it said when it had all, how many processes it had then, and how it ended."""
    try:
        argv = (PYTHON, "-ISc", MANY, str(FORKS))
        with launcher.start(Spec(argv=argv, env={}, cwd=folder, marker=folder.name)) as child:
            select.select([child.exit, child.stdout], [], [], 30)
            alive = len(carrying(folder.name))
            if not select.select([child.exit], [], [], 0 if launcher.process_limit == 0 else 30)[0]:
                child.kill()
            end = child.read_exit()
            return os.read(child.stdout, 10), alive, end
    finally:
        assert carrying(folder.name) == []


def test_processes_are_limited_with_a_fence_and_without(tmp_path: Path, proves: Callable[..., None]) -> None:
    for fences in {fence_site(), None}:
        launcher = LocalLauncher(process_limit=LIMIT, fences=fences)
        _, _, end = forking(launcher, tmp_path)
        runner = launcher.runner_pid
        launcher.close()
        assert (end.crowded, end.signal) == (True, 9)
        assert end.note == f"it had more than {LIMIT} processes and threads at once"
        assert fences is None or not [name for name in os.listdir(fences) if f"-{runner}-" in name]
    unlimited = LocalLauncher()
    said, alive, end = forking(unlimited, tmp_path)
    unlimited.close()
    assert (said, end.crowded) == (b"all", False)
    assert alive > FORKS
    proves(
        "P22",
        figure=f"{FORKS} forks against a limit of {LIMIT}: ended behind a fence, and by counting without one",
        control=f"without a limit {alive} processes lived",
    )


def test_a_fork_that_is_refused_is_the_reason_even_if_the_job_fails_of_it_first(tmp_path: Path) -> None:
    fences = fence_site()
    launcher = LocalLauncher(process_limit=4, fences=fences)
    code = "import os, time\nfor _ in range(9):\n    if os.fork() == 0: time.sleep(60)"
    argv = (PYTHON, "-ISc", code)
    with launcher.start(Spec(argv=argv, env={}, cwd=tmp_path, marker=tmp_path.name)) as child:
        end = child.read_exit()
    launcher.close()
    if fences is not None:  # counting may come too late for so short a life
        assert end.crowded and (end.code == 1 or end.signal)  # whichever was first: its own end, or ours


def test_an_ordinary_user_has_a_limit_of_the_kernel_besides(tmp_path: Path) -> None:
    launcher = LocalLauncher(process_limit=LIMIT)
    argv = (PYTHON, "-ISc", "import resource; print(resource.getrlimit(resource.RLIMIT_NPROC)[0])")
    with launcher.start(Spec(argv=argv, env={}, cwd=tmp_path, marker=tmp_path.name)) as child:
        assert child.read_exit().code == 0
        found = int(os.read(child.stdout, 100))
    launcher.close()
    assert LIMIT < found < LIMIT + 100_000


# --- P23 ------------------------------------------------------------------------------------------------------------


def test_a_job_out_of_memory_dies_alone(house: Instance, proves: Callable[..., None]) -> None:
    out_of_memory(house, proves, 10)


@pytest.mark.soak
def test_fifty_jobs_out_of_memory_die_alone(house: Instance, proves: Callable[..., None]) -> None:
    out_of_memory(house, proves, 50)


def out_of_memory(house: Instance, proves: Callable[..., None], count: int) -> None:
    server = house.own()
    started = [house.run(ids(GREEDY[number % len(GREEDY)]))["id"] for number in range(count)]
    bystander = house.run("answers")["id"]
    runs = [house.ended(each, seconds=60) for each in started]
    assert [(run["state"], run["reason"]) for run in runs] == [("failed", "oom")] * count, [r["message"] for r in runs]
    assert house.ended(bystander)["state"] == "succeeded"
    assert house.own() == server
    until(lambda: house.get("/readyz")["ready"])
    controls = [house.ended(house.run(ids(name) + "-unlimited")["id"]) for name in GREEDY]
    assert [run["state"] for run in controls] == ["succeeded"] * len(GREEDY)
    proves(
        "P23",
        figure=f"twice the limit of {LIMIT_MB} MiB allocated in {len(GREEDY)} ways: the server survived "
        f"{count} of {count}, each run failed with the reason oom",
        control=f"without memory_mb {len(controls)} of {len(GREEDY)} got it all",
    )

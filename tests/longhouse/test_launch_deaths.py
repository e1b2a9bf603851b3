"""Whoever in the chain is killed - supervisor, runner, the instance itself - no process of a job outlives it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import longhouse
from longhouse.launch import _processes
from longhouse.launch._processes import alive, carrying, children, descendants
from longhouse.launch.local import Child, Exit, LocalLauncher, Spec

PYTHON: str = getattr(sys, "_base_executable", sys.executable)
SOURCE = str(Path(longhouse.__file__).parents[1])

FAMILY = """
import os, signal, time
signal.signal(15, signal.SIG_IGN)
for kind in range(3):
    if os.fork() == 0:
        if kind:
            os.setsid()
        if kind == 2 and os.fork():
            os._exit(0)
        os.write(1, b"x")
        time.sleep(60)
os.write(1, b"x")
time.sleep(60)
"""
"""Four processes: the first, a child, a session, a detached one."""

OWNER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from longhouse.launch.local import LocalLauncher, Spec
launcher = LocalLauncher()
children = []
for number in range(3):
    spec = Spec(argv=(sys.argv[2], "-ISc", sys.argv[3]), env={}, cwd=Path.cwd(), marker=f"{sys.argv[4]}-{number}")
    children.append(launcher.start(spec))
    got = b""
    while len(got) < 4:
        got += os.read(children[-1].stdout, 4)
supervisors = [child.supervisor_pid for child in children]
print(launcher.runner_pid, *supervisors, *[child.pid for child in children], flush=True)
time.sleep(60)
"""


@pytest.fixture
def launcher() -> Iterator[LocalLauncher]:
    made = LocalLauncher()
    yield made
    made.close()


@pytest.fixture
def start(launcher: LocalLauncher, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    with contextlib.ExitStack() as closed:

        def begin(code: str = FAMILY, marker: str = tmp_path.name) -> Child:
            spec = Spec(argv=(PYTHON, "-ISc", code), env={}, cwd=tmp_path, marker=marker)
            child = closed.enter_context(launcher.start(spec))
            got = b""
            while code == FAMILY and len(got) < 4:
                got += os.read(child.stdout, 4)
            return child

        yield begin


def until(true: Callable[[], Any], seconds: float = 2) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def exited(child: Child, seconds: float = 3) -> Exit:
    assert select.select([child.exit], [], [], seconds)[0], "no exit in time"
    return child.read_exit()


def test_a_killed_supervisor_is_an_interrupted_run_and_its_tree_is_ended(
    start: Callable[..., Child], launcher: LocalLauncher, tmp_path: Path
) -> None:
    child, other = start(), start(marker="another run")
    os.kill(child.supervisor_pid, signal.SIGKILL)
    end = exited(child)
    assert end.interrupted
    assert (end.code, end.signal, end.note) == (None, None, "the process that watched over it was killed")
    until(lambda: not carrying(tmp_path.name))
    assert len(carrying("another run")) == 4
    other.kill()
    assert exited(other).signal == signal.SIGKILL


def test_what_is_left_of_a_killed_supervisor_is_swept_by_the_runner(
    start: Callable[..., Child], launcher: LocalLauncher, tmp_path: Path
) -> None:
    """Not only by the instance when it reads the exit: nobody reads it here."""
    child = start()
    os.kill(child.supervisor_pid, signal.SIGKILL)
    until(lambda: not carrying(tmp_path.name))
    assert launcher.runner_pid is not None
    until(lambda: not children(launcher.runner_pid or 0))


def test_a_job_that_kills_its_supervisor_is_interrupted(start: Callable[..., Child]) -> None:
    child = start("import os, time; os.kill(os.getppid(), 9); time.sleep(60)")
    assert exited(child).interrupted
    until(lambda: not alive(child.pid))


def test_a_job_that_stops_its_supervisor_can_still_be_killed(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start("import os, time; os.kill(os.getppid(), 19); print(flush=True); time.sleep(60)")
    assert os.read(child.stdout, 1) == b"\n"
    child.stop(0)
    assert not select.select([child.exit], [], [], 0.3)[0], "a stopped supervisor cannot answer"
    child.kill()
    assert exited(child, 5).interrupted
    until(lambda: not carrying(tmp_path.name))


def test_a_killed_runner_takes_everything_along_and_the_next_start_has_a_new_one(
    start: Callable[..., Child], launcher: LocalLauncher, tmp_path: Path
) -> None:
    child, other = start(), start()
    runner = launcher.runner_pid
    assert runner is not None
    os.kill(runner, signal.SIGKILL)
    for each in (child, other):
        end = exited(each)
        assert end.interrupted
        assert end.note == "the process that starts all runs died"
    assert carrying(tmp_path.name) == []
    again = start("raise SystemExit(5)")
    assert exited(again).code == 5
    assert launcher.runner_pid not in (None, runner)


def test_runner_and_supervisor_killed_at_once_leave_nothing_when_the_exit_is_read(
    start: Callable[..., Child], launcher: LocalLauncher, tmp_path: Path
) -> None:
    child = start()
    assert launcher.runner_pid is not None
    os.kill(child.supervisor_pid, signal.SIGSTOP)
    os.kill(launcher.runner_pid, signal.SIGKILL)
    os.kill(child.supervisor_pid, signal.SIGKILL)
    assert exited(child).interrupted
    assert carrying(tmp_path.name) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_everybody_leaves_the_decision_to_the_instance(
    start: Callable[..., Child], launcher: LocalLauncher, number: int
) -> None:
    """As when a service manager ends all processes of a unit, or somebody presses Ctrl-C."""
    child = start()
    assert launcher.runner_pid is not None
    for pid in (launcher.runner_pid, child.supervisor_pid):
        os.kill(pid, number)
    assert not select.select([child.exit], [], [], 0.2)[0]
    assert alive(launcher.runner_pid)
    child.kill()
    assert exited(child).signal == signal.SIGKILL


def owned(folder: Path, marker: str) -> tuple[subprocess.Popen[bytes], list[int]]:
    argv = [sys.executable, "-c", OWNER, SOURCE, PYTHON, FAMILY, marker]
    owner = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=folder)
    assert owner.stdout is not None
    return owner, [int(pid) for pid in owner.stdout.readline().split()]


def of_marker(marker: str) -> list[int]:
    return [pid for number in range(3) for pid in carrying(f"{marker}-{number}")]


def test_a_killed_instance_leaves_no_process(tmp_path: Path) -> None:
    owner, pids = owned(tmp_path, tmp_path.name)
    with owner:
        assert len(pids) == 7
        assert len(of_marker(tmp_path.name)) == 12
        assert set(pids[1:]) <= set(descendants(pids[0]))
        owner.kill()
        owner.wait()
        until(lambda: not of_marker(tmp_path.name) and not any(alive(pid) for pid in pids))


def test_a_killed_instance_whose_runner_died_before_leaves_no_process(tmp_path: Path) -> None:
    owner, pids = owned(tmp_path, tmp_path.name)
    with owner:
        os.kill(pids[0], signal.SIGKILL)
        owner.kill()
        owner.wait()
        until(lambda: not of_marker(tmp_path.name) and not any(alive(pid) for pid in pids))


@pytest.mark.soak
def test_instances_killed_at_any_moment_leave_no_process(tmp_path: Path) -> None:
    for turn in range(30):
        marker = f"{tmp_path.name}-{turn}"
        argv = [sys.executable, "-c", OWNER, SOURCE, PYTHON, FAMILY, marker]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, cwd=tmp_path) as owner:
            with contextlib.suppress(subprocess.TimeoutExpired):
                owner.wait(0.15 + turn * 0.02)
            owner.kill()
        until(lambda marker=marker: not of_marker(marker), 3)


def test_without_the_chain_a_killed_owner_leaves_its_children(tmp_path: Path) -> None:
    """What all this is for: a child of a killed process lives on."""
    code = f"import subprocess, time; subprocess.Popen([{PYTHON!r}, '-ISc', 'import time; time.sleep(60)']).wait()"
    with subprocess.Popen([PYTHON, "-c", code], env={_processes.MARKER: tmp_path.name}) as owner:
        until(lambda: len(carrying(tmp_path.name)) == 2, 10)
        owner.kill()
        owner.wait()
        assert len(carrying(tmp_path.name)) == 1
        assert _processes.kill_leftovers(None, None, None, tmp_path.name) == 1

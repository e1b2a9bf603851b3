"""Starting programs, stopping them with everything they started, and telling how they ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from longhouse.errors import LonghouseError, Unavailable
from longhouse.launch import _processes
from longhouse.launch._processes import alive, boot_id, carrying, descendants, started_ticks
from longhouse.launch.local import CannotLaunch, Child, Exit, LocalLauncher, Spec, kill_leftovers

PYTHON: str = getattr(sys, "_base_executable", sys.executable)


@pytest.fixture(scope="module")
def launcher() -> Iterator[LocalLauncher]:
    made = LocalLauncher()
    yield made
    made.close()


@pytest.fixture
def start(launcher: LocalLauncher, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Start a Python program; closed when the test is over."""
    with contextlib.ExitStack() as children:

        def begin(code: str, *arguments: str, marker: str = "", **more: Any) -> Child:
            argv = (PYTHON, "-I", "-S", "-c", code, *arguments)
            spec = Spec(argv=argv, env={"LANG": "C.UTF-8"}, cwd=tmp_path, marker=marker or tmp_path.name, **more)
            return children.enter_context(launcher.start(spec))

        yield begin


def until(true: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)
    return found


def exited(child: Child, seconds: float = 10) -> Exit:
    assert select.select([child.exit], [], [], seconds)[0], "no exit in time"
    return child.read_exit()


def line(child: Child) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        part = os.read(child.stdout, 1)
        assert part, "the program ended"
        data += part
    return data.strip()


def lasting(folder: Path) -> list[str]:
    """Which of the processes that told their pid and start time live on."""
    told = [name for name in os.listdir(folder) if "-" in name and not name.endswith(".part")]
    known = [(int(pid), int(ticks)) for pid, ticks in (name.split("-") for name in told)]
    return [f"{pid}" for pid, ticks in known if started_ticks(pid) == ticks and alive(pid)]


# --- starting and ending --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("pass", (0, None)),
        ("raise SystemExit(7)", (7, None)),
        ("import os; os._exit(255)", (255, None)),
        ("import os; os.kill(os.getpid(), 11)", (None, 11)),
        ("import os; os.abort()", (None, 6)),
    ],
)
def test_code_and_signal_are_told(
    start: Callable[..., Child], code: str, wanted: tuple[int | None, int | None]
) -> None:
    end = exited(start(code))
    assert (end.code, end.signal) == wanted
    assert not end.interrupted
    assert end.survivors_killed == 0


def test_a_child_is_known_by_pid_start_and_boot(start: Callable[..., Child]) -> None:
    child = start("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    assert int(line(child)) == child.pid
    assert child.started_ticks == started_ticks(child.pid)
    assert child.boot_id == boot_id()
    child.kill()
    assert exited(child).signal == signal.SIGKILL
    assert child.read_exit() == child.read_exit()


def test_use_of_processor_and_memory_is_told(start: Callable[..., Child]) -> None:
    end = exited(start("import time; x = b'x' * (64 << 20)\nwhile time.process_time() < 0.3: pass"))
    assert 0.3 <= end.cpu_seconds < 5
    assert 64 << 20 < end.peak_memory_bytes < 256 << 20


def test_memory_is_limited(start: Callable[..., Child]) -> None:
    code = "x = bytearray(128 << 20)"
    assert exited(start(code)).code == 0
    assert exited(start(code, memory_mb=64)).code == 1


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("/no/such/program",), "/no/such/program cannot be started: No such file or directory"),
        (("/etc/passwd",), "cannot be started: Permission denied"),
        (("/proc/self/mem\0",), "cannot contain NUL"),
        ((PYTHON, "x" * 200_000), "are over the"),
    ],
)
def test_what_cannot_be_started_is_said_with_a_sentence(
    launcher: LocalLauncher, tmp_path: Path, argv: tuple[str, ...], sentence: str
) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(LonghouseError, match=sentence):
        launcher.start(Spec(argv=argv, env={}, cwd=tmp_path, marker="m"))
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_working_directory_that_is_not_there_is_said(launcher: LocalLauncher, tmp_path: Path) -> None:
    with pytest.raises(CannotLaunch, match=r"No such file or directory: .*gone"):
        launcher.start(Spec(argv=(PYTHON,), env={}, cwd=tmp_path / "gone", marker="m"))


def test_many_threads_start_at_once(launcher: LocalLauncher, tmp_path: Path) -> None:
    """Each child has its own ends: none sees another's output."""
    seen: dict[int, bytes] = {}

    def one(number: int) -> None:
        argv = (PYTHON, "-I", "-S", "-c", f"print({number})")
        with launcher.start(Spec(argv=argv, env={}, cwd=tmp_path, marker=f"m{number}")) as child:
            seen[number] = line(child)
            assert child.read_exit().code == 0

    threads = [threading.Thread(target=one, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: str(number).encode() for number in range(24)}


def test_nothing_is_left_open(launcher: LocalLauncher, start: Callable[..., Child], tmp_path: Path) -> None:
    exited(start("pass"))
    runner = Path(f"/proc/{launcher.runner_pid}/fd")
    before = (len(os.listdir("/proc/self/fd")), len(os.listdir(runner)))
    for _ in range(20):
        with launcher.start(Spec(argv=(PYTHON, "-ISc", "pass"), env={}, cwd=tmp_path, marker="m")) as child:
            child.read_exit()
    assert (len(os.listdir("/proc/self/fd")), len(os.listdir(runner))) == before


def test_the_runner_is_small(launcher: LocalLauncher, start: Callable[..., Child]) -> None:
    exited(start("pass"))
    status = Path(f"/proc/{launcher.runner_pid}/status").read_text()
    assert int(status.partition("VmRSS:")[2].split()[0]) <= 12 * 1024


# --- stopping -------------------------------------------------------------------------------------------------------


def test_a_program_that_heeds_term_ends_by_itself(start: Callable[..., Child]) -> None:
    child = start("import signal, sys\nsignal.signal(15, lambda *_: sys.exit(3))\nprint(flush=True)\nsignal.pause()")
    line(child)
    began = time.monotonic()
    child.stop(10)
    assert exited(child).code == 3
    assert time.monotonic() - began < 2


def test_a_program_that_ignores_term_is_killed_after_the_grace(start: Callable[..., Child]) -> None:
    child = start("import signal\nsignal.signal(15, signal.SIG_IGN)\nprint(flush=True)\nwhile True: signal.pause()")
    line(child)
    began = time.monotonic()
    child.stop(0.5)
    end = exited(child)
    assert 0.5 <= time.monotonic() - began < 2.5
    assert (end.signal, end.note) == (signal.SIGKILL, "")


def test_a_stopped_program_ends_too(start: Callable[..., Child]) -> None:
    child = start("import os; os.kill(os.getpid(), 19)")
    until(lambda: (known := _processes.status(child.pid)) is not None and known.state == "T")
    child.stop(5)
    assert exited(child).signal == signal.SIGTERM


def test_a_second_stop_may_only_shorten_the_grace(start: Callable[..., Child]) -> None:
    child = start("import signal\nsignal.signal(15, signal.SIG_IGN)\nprint(flush=True)\nwhile True: signal.pause()")
    line(child)
    child.stop(60)
    child.stop(0.1)
    child.stop(60)
    assert exited(child, 3).signal == signal.SIGKILL


def test_term_reaches_the_whole_tree(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start(
        "import os, signal, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    def note(*_):\n"
        "        open('asked', 'w').close()\n"
        "        os._exit(0)\n"
        "    signal.signal(15, note)\n"
        "    print(flush=True)\n"
        "    signal.pause()\n"
        "signal.signal(15, signal.SIG_IGN)\n"
        "os.wait()\n"
    )
    line(child)
    child.stop(5)
    assert exited(child).code == 0
    assert (tmp_path / "asked").exists()


def test_stopping_what_has_ended_does_nothing(start: Callable[..., Child]) -> None:
    child = start("pass")
    end = exited(child)
    child.stop(1)
    child.kill()
    assert child.read_exit() == end


def test_closing_ends_what_still_runs(start: Callable[..., Child]) -> None:
    child = start("import time; print(flush=True); time.sleep(60)")
    line(child)
    child.close()
    until(lambda: not alive(child.pid), 2)


# --- what outlives its parent ---------------------------------------------------------------------------------------

LEFT_BEHIND = {
    "a child": "pass",
    "a session": "os.setsid()",
    "a double fork": "os.setsid()\n    if os.fork(): os._exit(0)",
    "one that ignores TERM": "signal.signal(15, signal.SIG_IGN)",
    "one without the pipes": "os.closerange(0, 3)",
    "one without an environment": "os.execve('/bin/sleep', ['sleep', '60'], {})",
}


@pytest.mark.parametrize("case", LEFT_BEHIND)
def test_what_outlives_the_first_process_is_ended_within_two_seconds(
    start: Callable[..., Child], tmp_path: Path, case: str
) -> None:
    child = start(
        "import os, signal, time\n"
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        f"    {LEFT_BEHIND[case]}\n"
        "    ticks = open('/proc/self/stat').read().rpartition(')')[2].split()[19]\n"
        "    open(f'{os.getpid()}-{ticks}', 'w').close()\n"
        "    os.close(write)\n"
        "    time.sleep(60)\n"
        "os.close(write)\n"
        "os.read(read, 1)\n"
        "raise SystemExit(4)\n".replace("    os.execve", "    os.set_inheritable(write, False); os.execve")
    )
    end = exited(child, 3)
    assert end.code == 4
    assert end.survivors_killed == 1
    assert lasting(tmp_path) == []
    assert os.read(child.stdout, 10) == b""


@pytest.mark.parametrize("each_time", ["", "os.setsid()"])
def test_a_process_that_always_forks_and_exits_is_caught(
    start: Callable[..., Child], tmp_path: Path, each_time: str
) -> None:
    """It never has the same pid for longer than it takes to look."""
    child = start(f"import os\nprint(flush=True)\nwhile True:\n    if os.fork(): os._exit(0)\n    {each_time}")
    line(child)
    assert exited(child, 5).code == 0
    assert carrying(tmp_path.name) == []


# --- after a crash --------------------------------------------------------------------------------------------------


def forever(marker: str) -> subprocess.Popen[bytes]:
    code = "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(60)"
    return subprocess.Popen([PYTHON, "-I", "-S", "-c", code], env={_processes.MARKER: marker}, start_new_session=True)


def test_leftovers_are_found_by_their_marker() -> None:
    with forever("left-1") as one, forever("left-12") as other:
        until(lambda: len(carrying("left-1")) == 2 and len(carrying("left-12")) == 2)
        assert kill_leftovers(None, None, None, "left-1") == 2
        assert one.wait(5) == -signal.SIGKILL
        assert other.poll() is None
        assert kill_leftovers(None, None, None, "left-12") == 2
        assert kill_leftovers(None, None, None, "left-12") == 0


def test_a_leftover_without_its_marker_is_found_by_its_pid_only_if_it_is_the_same_process() -> None:
    with subprocess.Popen(["/bin/sleep", "60"], env={}) as process:
        ticks = until(lambda: started_ticks(process.pid))
        assert kill_leftovers(process.pid, ticks + 1, boot_id(), "none") == 0
        assert kill_leftovers(process.pid, ticks, "another boot", "none") == 0
        assert kill_leftovers(process.pid, None, None, "none") == 0
        assert process.poll() is None
        assert kill_leftovers(process.pid, ticks, boot_id(), "none") == 1
        assert process.wait(5) == -signal.SIGKILL


def test_children_are_found_without_the_kernels_list_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with forever("list") as process:
        wanted = until(lambda: descendants(process.pid))
        real = open

        def without(path: str, *more: Any) -> Any:
            if str(path).endswith("/children"):
                raise FileNotFoundError(path)
            return real(path, *more)

        monkeypatch.setattr(_processes, "open", without, raising=False)
        assert descendants(process.pid) == wanted
        kill_leftovers(process.pid, started_ticks(process.pid), boot_id(), "list")


# --- the end of the launcher ----------------------------------------------------------------------------------------


def test_close_ends_everything_and_exits_stay_readable(tmp_path: Path) -> None:
    launcher = LocalLauncher()
    with contextlib.ExitStack() as closed:
        polite = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(3))\nprint(flush=True)\nsignal.pause()"
        stubborn = "import signal\nsignal.signal(15, signal.SIG_IGN)\nprint(flush=True)\nwhile True: signal.pause()"
        children = []
        for number, code in enumerate((polite, stubborn)):
            spec = Spec(argv=(PYTHON, "-ISc", code), env={}, cwd=tmp_path, marker=f"close-{number}")
            children.append(closed.enter_context(launcher.start(spec)))
            line(children[-1])
        runner = launcher.runner_pid
        assert runner is not None
        began = time.monotonic()
        launcher.close(0.5)
        assert time.monotonic() - began < 2.5
        assert not alive(runner)
        assert [(child.read_exit().code, child.read_exit().signal) for child in children] == [(3, None), (None, 9)]
        with pytest.raises(Unavailable):
            launcher.start(Spec(argv=(PYTHON,), env={}, cwd=tmp_path, marker="late"))
        launcher.close()

"""Tools of ours: run to their end, bounded in time and output."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from longhouse.launch._processes import alive
from longhouse.launch.local import CannotLaunch
from longhouse.launch.tool import OUTPUT_BYTES, ToolTimedOut, run_tool

PYTHON: str = getattr(sys, "_base_executable", sys.executable)


def tool(code: str, folder: Path, *, seconds: float = 20, given: bytes | None = None) -> tuple[int, bytes, bytes]:
    return run_tool((PYTHON, "-ISc", code), env={"A": "1"}, cwd=folder, timeout_seconds=seconds, input=given)


def test_code_and_both_outputs_come_back(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['A'], os.getcwd()); print('err', file=sys.stderr); sys.exit(3)"
    assert tool(code, tmp_path) == (3, f"1 {tmp_path}\n".encode(), b"err\n")
    assert tool("import os; os.kill(os.getpid(), 15)", tmp_path).code == -15  # type: ignore[attr-defined]


def test_input_of_any_size_is_read_or_not(tmp_path: Path) -> None:
    data = b"x" * 3_000_000
    assert tool("import sys; print(len(sys.stdin.buffer.read()))", tmp_path, given=data)[1] == b"3000000\n"
    assert tool("print(input())", tmp_path, given=b"a\n")[1] == b"a\n"
    assert tool("print('no')", tmp_path, given=data)[1] == b"no\n"
    assert tool("import sys; sys.stdout.write(sys.stdin.read())", tmp_path, given=data)[1] == data


def test_output_is_bounded(tmp_path: Path) -> None:
    code, out, err = tool(f"import sys; sys.stdout.write('x' * {3 * OUTPUT_BYTES})", tmp_path)
    assert (code, len(out), err) == (0, OUTPUT_BYTES, b"")


def test_at_the_timeout_the_whole_tree_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    open('pid', 'w').write(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    with pytest.raises(ToolTimedOut, match=r"did not end within 1 s and was killed"):
        tool(code, tmp_path, seconds=1)
    assert time.monotonic() - began < 3
    pid = int((tmp_path / "pid").read_text())
    assert not alive(pid)


def test_it_does_not_wait_for_what_the_tool_leaves_running(tmp_path: Path) -> None:
    code = "import os, time\nif os.fork() == 0: time.sleep(3)\nelse: print('x')"
    began = time.monotonic()
    assert tool(code, tmp_path)[:2] == (0, b"x\n")
    assert time.monotonic() - began < 2


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotLaunch, match="/no/such/tool cannot be started"):
        run_tool(("/no/such/tool",), env={}, cwd=tmp_path, timeout_seconds=1)

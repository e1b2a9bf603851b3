"""The copy of the SDK that children import, and the conversation with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhouse.launch.conversation import Inbox, ask
from longhouse.launch.local import LocalLauncher, Spec
from longhouse.launch.python import Interpreter, python_spec
from longhouse.launch.sdk import sdk
from zerg._wire import MAX_MESSAGE_BYTES, BadMessage, Finished, Progress, ReadManifest, RunJob, Started, encode

PYTHON: str = getattr(sys, "_base_executable", sys.executable)


@pytest.fixture(scope="module")
def launcher() -> Iterator[LocalLauncher]:
    made = LocalLauncher()
    yield made
    made.close()


# --- the copy -------------------------------------------------------------------------------------------------------


def test_the_copy_is_made_once_and_named_after_what_is_in_it(tmp_path: Path) -> None:
    copy = sdk(tmp_path)
    assert copy.name.startswith("sdk-0.")
    made = copy.stat().st_ino
    assert sdk(tmp_path) == copy
    assert copy.stat().st_ino == made
    assert [each.name for each in tmp_path.iterdir()] == [copy.name]
    assert {each.name for each in copy.iterdir()} == {"bootstrap.py", "zerg"}


@pytest.mark.parametrize("file", ["bootstrap.py", "zerg/_wire.py"])
def test_a_copy_that_was_changed_is_made_again(tmp_path: Path, file: str) -> None:
    copy = sdk(tmp_path)
    before = (copy / file).read_bytes()
    (copy / file).write_text("raise SystemExit('changed')\n")
    assert sdk(tmp_path) == copy
    assert (copy / file).read_bytes() == before
    (copy / file).unlink()
    sdk(tmp_path)
    assert (copy / file).read_bytes() == before


def test_a_job_runs_in_an_environment_that_was_built(tmp_path: Path, launcher: LocalLauncher) -> None:
    """With its own packages, and still with our SDK."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    (site / "only_here.py").write_text("NAME = 'only here'\n")
    (tmp_path / "one.py").write_text("import only_here, zerg\ndef run(): return only_here.NAME\n")
    request = RunJob(
        tree=str(tmp_path), job_id="one", module="one", function="run", run_id=1, attempt=1, due=None, params={}
    )
    copy = sdk(tmp_path / "cache")
    for interpreter, outcome in ((Interpreter.of(tmp_path / "env"), "done"), (Interpreter.base(), "failed")):
        answer = ask(launcher, python_spec(interpreter, copy, cwd=tmp_path, marker="m"), request, timeout_seconds=20)
        assert isinstance(answer.final, Finished), answer
        assert answer.final.outcome == outcome


# --- the conversation -----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(min_value=1, max_value=40)))
def test_messages_arrive_whole_however_they_are_cut(cuts: list[int]) -> None:
    sent = [Progress(done=number, text="é" * number) for number in range(5)]
    data = b"".join(encode(each) for each in sent)
    inbox, got = Inbox(), []
    for cut in [*cuts, len(data)]:
        got += inbox.feed(data[:cut])
        data = data[cut:]
    assert got == sent


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    inbox, part = Inbox(), b"x" * (1 << 20)
    for _ in range(MAX_MESSAGE_BYTES // len(part)):
        assert inbox.feed(part) == []
    with pytest.raises(BadMessage, match="longer than"):
        inbox.feed(part)


def program(code: str, folder: Path) -> Spec:
    return Spec(argv=(PYTHON, "-ISc", code), env={}, cwd=folder, marker="talk")


def test_the_request_goes_out_and_messages_come_back(launcher: LocalLauncher, tmp_path: Path) -> None:
    code = (
        "import os\nasked = os.read(3, 99999)\nos.write(3, b'{\"is\":\"Started\"}\\n')\nprint(asked.decode(), end='')"
    )
    heard: list[object] = []
    answer = ask(launcher, program(code, tmp_path), ReadManifest(tree="/x"), timeout_seconds=20, told=heard.append)
    assert heard == answer.notes == [Started()]
    assert answer.output == encode(ReadManifest(tree="/x"))
    assert answer.exit is not None
    assert answer.exit.code == 0


def test_a_child_that_never_listens_ends_the_conversation(launcher: LocalLauncher, tmp_path: Path) -> None:
    answer = ask(launcher, program("pass", tmp_path), a_job_with("x" * 4_000_000), timeout_seconds=20)
    assert (answer.final, answer.notes, answer.timed_out) == (None, [], False)


def a_job_with(text: str) -> RunJob:
    return RunJob(tree="/x", job_id="x", module="x", function="x", run_id=1, attempt=1, due=None, params={"text": text})


@pytest.mark.parametrize("said", [b"hello\n", b'{"is":"Nothing"}\n', b"\xff\n", b"[[[[\n"])
def test_a_child_that_says_something_else_is_ended(launcher: LocalLauncher, tmp_path: Path, said: bytes) -> None:
    code = f"import os, time; os.write(3, {said!r}); time.sleep(60)"
    answer = ask(launcher, program(code, tmp_path), ReadManifest(tree="/x"), timeout_seconds=20)
    assert answer.problem.startswith("not a message")
    assert answer.final is None
    assert answer.exit is not None
    assert answer.exit.signal == 9


def test_output_of_a_conversation_is_bounded(launcher: LocalLauncher, tmp_path: Path) -> None:
    code = "import os\nfor _ in range(100): os.write(1, b'x' * 65536)"
    answer = ask(launcher, program(code, tmp_path), ReadManifest(tree="/x"), timeout_seconds=20, output_bytes=1000)
    assert len(answer.output) == 1000
    assert answer.exit is not None
    assert answer.exit.code == 0

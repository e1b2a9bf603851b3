"""A job is a function: `run()` or `run(ctx)`, plain or async, with typed parameters; and what may become of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from longhouse.launch.conversation import Answer, ask
from longhouse.launch.local import LocalLauncher
from longhouse.launch.python import Interpreter, python_spec
from longhouse.launch.sdk import sdk
from zerg._wire import Finished, RunJob

Run = Callable[..., Answer]


@pytest.fixture(scope="module")
def launcher() -> Iterator[LocalLauncher]:
    made = LocalLauncher()
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, launcher: LocalLauncher) -> Run:
    """Run jobs/one.py with this text to its end, or for so many seconds."""
    copy = sdk(tmp_path / "cache")
    tree, work = tmp_path / "tree", tmp_path / "work"
    (tree / "jobs").mkdir(parents=True)
    work.mkdir()

    def once(text: str, /, *, seconds: float = 20, **params: Any) -> Answer:
        (tree / "jobs" / "one.py").write_text(textwrap.dedent(text))
        request = RunJob(
            tree=str(tree),
            job_id="one",
            module="jobs.one",
            function="run",
            run_id=1,
            attempt=1,
            due=None,
            params=params,
        )
        spec = python_spec(Interpreter.base(), copy, cwd=work, marker="spec")
        return ask(launcher, spec, request, timeout_seconds=seconds)

    return once


@pytest.mark.parametrize(
    "text",
    [
        "def run(): return 'green'",
        "def run(ctx): return 'green' if ctx.job_id == 'one' else None",
        "async def run(): return 'green'",
        "async def run(ctx): return 'green' if ctx.attempt == 1 else None",
        "import asyncio\nasync def run():\n    await asyncio.sleep(0)\n    return 'green'",
        "import functools\nasync def work(): return 'green'\ndef run(): return work()",
        "class Job:\n    @staticmethod\n    def go(): return 'green'\nrun = Job.go",
    ],
)
def test_a_job_function_is_plain_or_async_with_or_without_the_context(run: Run, text: str) -> None:
    final = run(text).final
    assert isinstance(final, Finished)
    assert (final.outcome, final.result) == ("done", "green")


def test_its_further_keyword_parameters_arrive_typed(run: Run) -> None:
    text = """
        from __future__ import annotations
        import datetime, enum
        from typing import Literal

        class Size(enum.Enum):
            SMALL = 1
            LARGE = 2

        async def run(ctx, *, text: str, n: int, f: float, b: bool, d: datetime.date, at: datetime.datetime,
                      how: Literal["fast", "slow"], size: Size, tags: list[str], more: int = 5):
            return [text, n, f, b, d.year, at.hour, how, size.value, tags, more]
    """
    given = {
        "text": "x",
        "n": 1,
        "f": 0.5,
        "b": True,
        "d": "2026-02-04",
        "at": "2026-02-04T08:00:00Z",
        "how": "fast",
        "size": "LARGE",
        "tags": ["a"],
    }
    final = run(text, **given).final
    assert isinstance(final, Finished)
    assert final.result == ["x", 1, 0.5, True, 2026, 8, "fast", 2, ["a"], 5]


ENDINGS = {
    "sys.exit": ("import sys\ndef run(): sys.exit(3)", "failed", 1, None),
    "os._exit": ("import os\ndef run(): os._exit(3)", None, 3, None),
    "a segfault": ("import ctypes\ndef run(): ctypes.string_at(0)", None, None, 11),
    "an abort": ("import os\ndef run(): os.abort()", None, None, 6),
    "its own kill": ("import os\ndef run(): os.kill(os.getpid(), 9)", None, None, 9),
    "invalid UTF-8": ("import os\ndef run(): os.write(1, b'\\xff\\xfe\\n')", "done", 0, None),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_however_a_job_ends_that_is_what_is_seen(run: Run, case: str) -> None:
    text, outcome, code, signal = ENDINGS[case]
    answer = run(text)
    assert answer.exit is not None
    assert (answer.exit.code, answer.exit.signal) == (code, signal)
    assert getattr(answer.final, "outcome", None) == outcome


def test_a_kill_that_nobody_here_sent_is_said_to_be_that(run: Run) -> None:
    answer = run("import os\ndef run(): os.kill(os.getpid(), 9)")
    assert answer.exit is not None
    assert "what the kernel does when memory runs out" in answer.exit.note


@pytest.mark.parametrize(
    "text",
    [
        "def run():\n    while True: pass",
        "import time\nasync def run(): time.sleep(1000)",
        "import signal, time\ndef run():\n    signal.signal(15, signal.SIG_IGN)\n    time.sleep(1000)",
        "def run():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
    ],
)
def test_a_job_that_never_ends_is_ended(run: Run, text: str) -> None:
    answer = run(text, seconds=0.5)
    assert answer.timed_out
    assert answer.exit is not None
    assert (answer.exit.signal, answer.exit.note) == (9, "")
    assert answer.final is None

"""A real child runs one attempt of a job: what it gets, how it ends, what it says of an error."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from longhouse.launch.conversation import Answer
from zerg._wire import Artifact, Finished, Logged, Progress, Started, StateSet

if TYPE_CHECKING:
    from tests.zerg.conftest import Tree


def finished(answer: Answer) -> Finished:
    assert isinstance(answer.final, Finished), answer
    return answer.final


def code(answer: Answer) -> int | None:
    assert answer.exit is not None
    return answer.exit.code


# --- how it ends ----------------------------------------------------------------------------------------------------

OUTCOMES = {
    "nothing": ("", "done", "", None),
    "a value": ("return [1, 'x']", "done", "", [1, "x"]),
    "a dict": ("return {'success': True, 'n': 1}", "done", "", {"success": True, "n": 1}),
    "Done": ("return Done({'n': 1})", "done", "", {"n": 1}),
    "Degraded": ("return Degraded('half of it')", "degraded", "half of it", None),
    "Skip": ("return Skip('nothing new')", "skip", "nothing new", None),
    "Retry": ("return Retry(30, 'busy')", "retry", "busy", None),
    "success false": ("return {'success': False}", "failed", "the job returned success false", {"success": False}),
    "error": ("return {'status': 'ERROR', 'error': 'no'}", "failed", "no", {"status": "ERROR", "error": "no"}),
    "failed": ("return {'status': 'failed'}", "failed", "the job returned status failed", {"status": "failed"}),
    "degraded": (
        "return {'status': 'degraded'}",
        "degraded",
        "the job returned status degraded",
        {"status": "degraded"},
    ),
    "partial": ("return {'status': 'partial', 'message': 'm'}", "degraded", "m", {"status": "partial", "message": "m"}),
    "warning": ("return {'status': 'warning'}", "degraded", "the job returned status warning", {"status": "warning"}),
    "other status": ("return {'status': 'ok'}", "done", "", {"status": "ok"}),
    "sys.exit()": ("sys.exit()", "done", "", None),
    "sys.exit(0)": ("sys.exit(0)", "done", "", None),
    "sys.exit(3)": ("sys.exit(3)", "failed", "sys.exit(3)", None),
    "sys.exit(text)": ("sys.exit('no disk')", "failed", "sys.exit('no disk')", None),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_an_outcome(tree: Tree, case: str) -> None:
    body, outcome, message, result = OUTCOMES[case]
    answer = tree.body(f"import sys\nfrom zerg import *\ndef run():\n    {body or 'pass'}\n")
    final = finished(answer)
    assert (final.outcome, final.message, final.result) == (outcome, message, result)
    assert code(answer) == (1 if outcome == "failed" else 0)
    assert final.reason == ("exit" if "sys.exit" in message else None)
    assert (final.retry_after_seconds == 30) == (outcome == "retry")
    assert Started() in answer.notes


@pytest.mark.parametrize("bad", ["Retry(-1)", "Retry(True)", "Retry('soon')", "Skip()", "Degraded(None)"])
def test_an_outcome_that_makes_no_sense_is_an_error_of_the_job(tree: Tree, bad: str) -> None:
    final = finished(tree.body(f"from zerg import *\ndef run():\n    return {bad}\n"))
    assert (final.outcome, final.reason, final.error_line) == ("failed", "exception", 3)


@pytest.mark.parametrize("bad", ["{1, 2}", "object()", "float('nan')", "b'x'", "(n for n in ())", "'x' * 9_000_000"])
def test_what_json_cannot_carry_fails_with_a_sentence(tree: Tree, bad: str) -> None:
    final = finished(tree.body(f"def run():\n    return {bad}\n"))
    assert final.outcome == "failed"
    assert final.message.startswith("The job returned something that JSON cannot carry: ")


def test_an_exception_is_told_in_the_users_terms(tree: Tree) -> None:
    answer = tree.body(
        """
        import json

        def inner():
            return json.loads("{")

        def run():
            try:
                inner()
            except ValueError as error:
                raise RuntimeError("no digest today") from error
        """
    )
    final = finished(answer)
    assert (final.outcome, final.reason, final.error_type, final.message) == (
        "failed",
        "exception",
        "RuntimeError",
        "no digest today",
    )
    assert (final.error_file, final.error_line) == ("jobs/one.py", 10)
    assert 'File "jobs/one.py", line 4, in inner' in final.traceback
    assert "json.loads(" in final.traceback
    assert "zerg/" not in final.traceback
    assert str(tree.root) not in final.traceback
    assert final.traceback.startswith("Traceback (most recent call last):\n")
    assert answer.output.decode() == final.traceback
    assert code(answer) == 1


@pytest.mark.parametrize(
    ("body", "error", "line"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt", 3),
        ("import asyncio; raise asyncio.CancelledError", "CancelledError", 3),
        ("raise BaseException('x')", "BaseException", 3),
        ("raise ExceptionGroup('two', [ValueError(1), KeyError(2)])", "ExceptionGroup", 3),
        ("def f(): f()\n    f()", "RecursionError", 3),
        ("raise Mute", "Mute", 3),
    ],
)
def test_whatever_is_raised_is_a_failure(tree: Tree, body: str, error: str, line: int) -> None:
    head = "class Mute(Exception): __str__ = lambda self: 1 / 0\ndef run():\n"
    final = finished(tree.body(f"{head}    {body}\n"))
    assert (final.outcome, final.reason, final.error_type) == ("failed", "exception", error)
    assert final.error_line == line
    assert len(final.traceback) < 70_000


def test_an_error_while_importing_is_the_jobs(tree: Tree) -> None:
    answer = tree.body("import requests\ndef run(): pass\n")
    final = finished(answer)
    assert (
        final.message
        == "No module named 'requests' (is requests in requirements.txt, or in the job file's script block?)"
    )
    assert (final.error_file, final.error_line) == ("jobs/one.py", 1)
    assert Started() not in answer.notes
    assert "SyntaxError" in finished(tree.body("def run(:\n")).traceback


def test_a_function_that_is_not_there_is_said(tree: Tree) -> None:
    assert finished(tree.body("run = 3\n")).message == "jobs.one has no function run()"


def test_too_much_memory_is_called_that(tree: Tree) -> None:
    answer = tree.body("def run():\n    keep = [bytearray(1 << 20) for _ in range(256)]\n", memory_mb=64)
    assert (finished(answer).reason, finished(answer).error_line) == ("oom", 2)
    assert finished(tree.body("def run():\n    keep = [bytearray(1 << 20) for _ in range(256)]\n")).outcome == "done"


# --- what it gets ---------------------------------------------------------------------------------------------------


def test_the_context_knows_the_run(tree: Tree) -> None:
    answer = tree.body(
        """
        def run(ctx, *, count: int = 1):
            return {
                "ids": [ctx.job_id, ctx.run_id, ctx.attempt],
                "due": [str(ctx.due), ctx.due.utcoffset().total_seconds()],
                "repo": str(ctx.repo),
                "params": ctx.params,
                "count": count,
            }
        """,
        due="2026-02-04T08:00:00.000Z",
        params={"count": 3},
        attempt=2,
    )
    assert finished(answer).result == {
        "ids": ["one", 7, 2],
        "due": ["2026-02-04 08:00:00+00:00", 0.0],
        "repo": str(tree.root),
        "params": {"count": 3},
        "count": 3,
    }
    assert finished(tree.body("def run(ctx): return ctx.due\n")).result is None


def test_wrong_parameters_are_an_error_before_the_function(tree: Tree) -> None:
    answer = tree.body("def run(*, count: int): pass\n", params={"count": "x", "more": 1})
    assert "parameter 'count' is 'x', but has to be a whole number" in finished(answer).message
    assert "there is no parameter 'more'" in finished(answer).message
    assert Started() not in answer.notes


def test_secrets_are_there_before_the_import_and_in_the_context(tree: Tree) -> None:
    answer = tree.body(
        """
        import os

        SEEN = os.environ["TOKEN"]

        def run(ctx):
            values = [SEEN, ctx.secrets["TOKEN"], ctx.get_secret("TOKEN"), ctx.require_secret("TOKEN")]
            return [values, ctx.get_secret("NONE"), ctx.get_secret("NONE", "x")]
        """,
        secrets={"TOKEN": "s3cret"},
    )
    assert finished(answer).result == [["s3cret"] * 4, None, "x"]
    final = finished(tree.body("def run(ctx): ctx.require_secret('NONE')\n"))
    assert final.message == "the secret 'NONE' is not given to job 'one'; is it in its `secrets`?"


def test_notes_come_in_order(tree: Tree) -> None:
    answer = tree.body(
        """
        def run(ctx):
            ctx.progress(1, 4, "fetching")
            ctx.log.info("%d of %s", 3, "x")
            ctx.log.warning("100%")
            ctx.state["seen"] = ctx.state.get("seen", []) + [2]
            del ctx.state["old"]
            return [dict(ctx.state), len(ctx.state)]
        """,
        state={"seen": [1], "old": 0},
    )
    assert answer.notes == [
        Started(),
        Progress(done=1, total=4, text="fetching"),
        Logged(level="info", text="3 of x"),
        Logged(level="warning", text="100%"),
        StateSet(key="seen", value=[1, 2]),
        StateSet(key="old", removed=True),
    ]
    assert finished(answer).result == [{"seen": [1, 2]}, 1]


@pytest.mark.parametrize("line", ["ctx.state[1] = 1", "ctx.state['a'] = {1, 2}", "ctx.state['a'] = 'x' * 9_000_000"])
def test_state_that_cannot_be_kept_is_refused_where_it_is_set(tree: Tree, line: str) -> None:
    answer = tree.body(f"def run(ctx):\n    {line}\n")
    assert (finished(answer).outcome, finished(answer).error_line) == ("failed", 2)
    assert not [note for note in answer.notes if isinstance(note, StateSet)]


def test_artifacts_are_kept_from_bytes_and_from_files(tree: Tree) -> None:
    answer = tree.body(
        """
        from pathlib import Path

        def run(ctx):
            ctx.artifact("report.html", b"<p>", "text/html")
            Path("own.csv").write_text("a,b")
            ctx.artifact("table.csv", Path("own.csv"))
            ctx.artifact("table.csv", "own.csv", media_type="text/plain")
            ctx.artifact("blob", b"")
        """
    )
    notes = [note for note in answer.notes if isinstance(note, Artifact)]
    assert [(note.name, note.media_type, note.size) for note in notes] == [
        ("report.html", "text/html", 3),
        ("table.csv", "text/csv", 3),
        ("table.csv", "text/plain", 3),
        ("blob", "application/octet-stream", 0),
    ]
    assert [(tree.artifacts / note.file).read_bytes() for note in notes] == [b"<p>", b"a,b", b"a,b", b""]
    assert sorted(os.listdir(tree.artifacts)) == sorted(note.file for note in notes)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[0m", "x" * 201])
def test_an_artifact_has_a_name_that_can_be_shown(tree: Tree, name: str) -> None:
    assert finished(tree.body(f"def run(ctx): ctx.artifact({name!r}, b'')\n")).error_type == "ValueError"


def test_the_environment_is_ours_and_nothing_else(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SECRET", "canary")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    answer = tree.body(
        """
        import os, sys

        def run():
            fds = [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")]
            fds = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in fds}
            here = [os.getcwd(), os.umask(0), sys.stdin.read(), os.getsid(0) == os.getpid()]
            return [dict(os.environ), here, fds, sys.path, sys.argv, sys.flags.isolated]
        """
    )
    environ, here, fds, path, argv, isolated = finished(answer).result
    assert environ == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(tree.work),
        "TMPDIR": str(tree.work),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LONGHOUSE_JOBS_ATTEMPT": "test",
    }
    assert here == [str(tree.work), 0o077, "", True]
    assert sorted(fds) == ["0", "1", "2", "3"]
    assert fds["0"] == "/dev/null"
    assert path[:2] == [str(tree.root), str(tree.copy)]
    assert not [each for each in path if "site-packages" in each]
    assert argv == [f"{tree.root}/jobs/one.py"]
    assert isolated == 1


def test_our_own_packages_cannot_be_imported(tree: Tree) -> None:
    for package in ("longhouse", "click", "jobforge"):
        assert finished(tree.body(f"import {package}\ndef run(): pass\n")).error_type == "ModuleNotFoundError"


def test_limits_are_set(tree: Tree) -> None:
    answer = tree.body(
        """
        import resource

        def run():
            status = dict(line.split(":", 1) for line in open("/proc/self/status"))
            ignored = int(status["SigIgn"], 16)
            return [
                resource.getrlimit(resource.RLIMIT_CORE),
                resource.getrlimit(resource.RLIMIT_DATA)[0],
                int(open("/proc/self/oom_score_adj").read()),
                int(status["NoNewPrivs"]),
                bool(ignored & 1 << 14),
                int(status["SigBlk"], 16),
            ]
        """,
        memory_mb=100,
    )
    adjusted = min(1000, int(Path("/proc/self/oom_score_adj").read_text()) + 500)
    assert finished(answer).result == [[0, 0], 100 << 20, adjusted, 1, False, 0]


# --- what it starts -------------------------------------------------------------------------------------------------


def test_a_fork_that_returns_is_not_how_the_run_ended(tree: Tree) -> None:
    answer = tree.body(
        """
        import os

        def run():
            pid = os.fork()
            if pid == 0:
                return "the fork"
            os.waitpid(pid, 0)
            return "the job"
        """
    )
    assert finished(answer).result == "the job"


def test_programs_of_the_job_do_not_hold_its_connection(tree: Tree) -> None:
    """Standard output is never a message, and neither is what a program writes to a number it guesses."""
    line = json.dumps({"is": "Finished", "outcome": "done", "result": "forged"})
    answer = tree.body(
        f"""
        import subprocess

        def run():
            print({line!r})
            forged = subprocess.run(["sh", "-c", "echo x >&3"], stderr=subprocess.DEVNULL, close_fds=False)
            return forged.returncode != 0
        """
    )
    assert finished(answer).result is True
    assert bytes(answer.output).strip() == line.encode()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_pool_works_and_leaves_no_byte_code(tree: Tree, method: str) -> None:
    answer = tree.body(
        f"""
        import multiprocessing

        def double(n):
            return 2 * n

        def run():
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                return pool.map(double, [1, 2])
        """
    )
    assert finished(answer).result == [2, 4], answer.output.decode()
    assert tree.files() == ["jobs", "jobs/one.py"]


def test_an_interpreter_that_the_job_starts_leaves_no_byte_code(tree: Tree) -> None:
    answer = tree.body(
        """
        import subprocess, sys

        def run(ctx):
            subprocess.run([sys.executable, "-c", "import jobs.two"], cwd=ctx.repo, check=True)
        """
    )
    tree.write(jobs__two="")
    answer = tree.run()
    assert finished(answer).outcome == "done", answer.output.decode()
    assert tree.files() == ["jobs", "jobs/one.py", "jobs/two.py"]


# --- output ---------------------------------------------------------------------------------------------------------


def test_output_is_there_line_by_line(tree: Tree) -> None:
    """What was printed before a crash has been printed."""
    answer = tree.body("import os\ndef run():\n    print('one')\n    print('two')\n    os._exit(5)\n")
    assert bytes(answer.output) == b"one\ntwo\n"
    assert code(answer) == 5
    assert answer.final is None


@pytest.mark.parametrize(
    "body",
    [
        "import sys; print('x', end=''); sys.stdout.close()",
        "import sys; sys.stdout = None",
        "import os; os.close(1); os.close(2)",
    ],
)
def test_a_job_may_close_its_output(tree: Tree, body: str) -> None:
    assert finished(tree.body(f"def run():\n    {body}\n")).outcome == "done"


def test_text_of_any_kind_can_be_printed(tree: Tree) -> None:
    answer = tree.body("import sys\ndef run():\n    print('é€😀'); sys.stdout.buffer.write(b'\\xff\\x00\\n')\n")
    assert bytes(answer.output) == "é€😀\n".encode() + b"\xff\x00\n"


def test_a_thread_that_goes_on_is_waited_for(tree: Tree) -> None:
    answer = tree.body(
        """
        import threading, time

        def late():
            time.sleep(0.2)
            print("late")

        def run():
            threading.Thread(target=late).start()
        """
    )
    assert bytes(answer.output) == b"late\n"
    assert code(answer) == 0


LOGS = """
import logging


def run(ctx):
    logging.getLogger("shop").debug("asked %s", "twice")
    logging.getLogger("shop").warning("slow")
    return ctx.debug
"""


def test_debug_shows_all_of_logging_and_is_told_to_the_job(tree: Tree) -> None:
    answer = tree.body(LOGS, debug=True)
    assert finished(answer).result is True
    assert answer.output == b"DEBUG shop: asked twice\nWARNING shop: slow\n"


def test_without_debug_logging_is_as_python_has_it(tree: Tree) -> None:
    answer = tree.body(LOGS)
    assert finished(answer).result is False
    assert answer.output == b"slow\n"

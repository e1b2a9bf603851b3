"""However a job ends: the right state, one sentence, and no harm to the server."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.instance import STARTER, Instance, processes_with, until

JOBS = r"""
import asyncio, ctypes, os, signal, subprocess, sys, time
from zerg.outcomes import Degraded, Retry, Skip

def fine(): return {"answer": 42}
def soft_failure(): return {"success": False, "why": "no rows"}
def half(): return {"status": "degraded"}
def degraded(): return Degraded("only half of it")
def skip(): return Skip("nothing to do")
def retry(): return Retry(after_seconds=0.1)
def raises(): raise ValueError("broken on purpose")
def exits(): sys.exit(3)
def exits_zero(): sys.exit(0)
def os_exit(): os._exit(4)
def segfault(): ctypes.string_at(0)
def kills_itself(): os.kill(os.getpid(), signal.SIGKILL)
def kills_parent():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
def invalid_utf8(): os.write(1, b"ok \xff\xfe\x00 end\n")
def loops():
    while True: pass
def closes_all():
    os.closerange(0, 64)
    time.sleep(600)
def half_a_character(): raise ValueError("bad \udc80 name")
def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(1)
def deaf_for_long():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf now")
    while True: time.sleep(1)
def detaches():
    code = "import os, signal, time; os.setsid(); signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code])
def memory():
    held = [bytearray(1024 * 1024) for _ in range(2000)]
    return len(held)
async def asynchronous():
    await asyncio.sleep(0)
    return {"answer": 43}
def unserialisable(): return {1, 2, 3}
"""
SETTINGS = {
    "loops": "timeout_seconds=1, max_attempts=1",
    "closes_all": "timeout_seconds=1, max_attempts=1",
    "deaf": "timeout_seconds=5, max_attempts=1",  # long enough to have become deaf on a busy machine
    "memory": "memory_mb=200, max_attempts=1",
    "retry": "max_attempts=2",
}
ONCE = "max_attempts=1"
NAMES = re.findall(r"^(?:async )?def (\w+)\(\)", JOBS, re.MULTILINE)
MANIFEST = STARTER + "from jobs import endings\n"
for name in NAMES:
    settings = f"id={name.replace('_', '-')!r}, func=endings.{name}, {SETTINGS.get(name, ONCE)}"
    MANIFEST += f"job_registry.register(JobConfig({settings}))\n"

EXPECTED = [
    # job, state, reason, exit code, signal, what the sentence says
    ("fine", "succeeded", None, 0, None, ""),
    ("soft-failure", "failed", None, None, None, "success"),
    ("half", "degraded", None, 0, None, ""),
    ("degraded", "degraded", None, 0, None, "only half of it"),
    ("skip", "skipped", None, 0, None, "nothing to do"),
    ("retry", "failed", None, 0, None, ""),
    ("raises", "failed", "exception", None, None, "broken on purpose"),
    ("exits", "failed", "exit", None, None, "3"),
    ("exits-zero", "succeeded", None, 0, None, ""),
    ("os-exit", "failed", "exit", 4, None, "exit code 4"),
    ("segfault", "failed", "exit", None, 11, "SIGSEGV"),
    ("kills-itself", "failed", "exit", None, 9, "SIGKILL"),
    ("kills-parent", "failed", "interrupted", None, None, "killed"),
    ("invalid-utf8", "succeeded", None, 0, None, ""),
    ("loops", "failed", "timed_out", None, None, "Timed out after 1 s"),
    ("closes-all", "failed", "timed_out", None, None, "Timed out after 1 s"),
    ("half-a-character", "failed", "exception", None, None, "bad \ufffd name"),
    ("deaf", "failed", "timed_out", None, 9, "did not end within"),
    ("detaches", "succeeded", None, 0, None, ""),
    ("memory", "failed", "oom", None, None, ""),
    ("asynchronous", "succeeded", None, 0, None, ""),
    ("unserialisable", "failed", "exception", None, None, "JSON"),
]


@pytest.fixture(scope="module")
def house_of_endings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance(tmp_path_factory.mktemp("endings") / "data", args=("--slots", "4"))
    instance.start()
    instance.manifest(MANIFEST, endings=JOBS)
    yield instance
    instance.kill()


@pytest.mark.parametrize(
    ("job_id", "state", "reason", "code", "number", "words"), EXPECTED, ids=[e[0] for e in EXPECTED]
)
def test_each_ending_has_its_state_and_sentence(house_of_endings, job_id, state, reason, code, number, words):
    run = house_of_endings.ended(house_of_endings.run(job_id)["id"])
    last = run["attempts"][-1]
    assert (run["state"], run["reason"]) == (state, reason), run["message"]
    assert words in run["message"]
    if code is not None:
        assert last["exit_code"] == code
    if number is not None:
        assert last["signal"] == number
    if state == "failed" and reason is not None:
        assert run["message"], "a failure says why"
    with closing(sqlite3.connect(house_of_endings.data / "longhouse.db")) as db:
        ((owner,),) = db.execute("SELECT DISTINCT owner FROM attempts WHERE run_id = ?", (run["id"],))
    mark = f"{owner}/{run['id']}/{last['attempt']}"  # other tests' servers have a run of this number, too
    assert [pid for pid in processes_with("LONGHOUSE_JOBS_ATTEMPT=") if _marked(pid, mark)] == []


def _marked(pid: int, mark: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(each.startswith(b"LONGHOUSE_JOBS_ATTEMPT=") and each.endswith(mark.encode()) for each in environment)


def test_an_exception_shows_the_users_own_frames_first(house_of_endings):
    run = house_of_endings.ended(house_of_endings.run("raises")["id"])
    assert (run["error"]["type"], run["error"]["file"]) == ("ValueError", "jobs/endings.py")
    assert "zerg" not in run["error"]["traceback"]


def test_invalid_bytes_are_a_valid_log(house_of_endings):
    run = house_of_endings.ended(house_of_endings.run("invalid-utf8")["id"])
    lines = house_of_endings.get(f"/api/runs/{run['id']}/logs")["items"]
    assert [line["text"] for line in lines if line["stream"] == "out"] == ["ok ��\x00 end"]


def test_cancel_ends_a_deaf_job_with_all_its_processes(house_of_endings):
    run_id = house_of_endings.run("deaf-for-long")["id"]
    until(lambda: "deaf now" in str(house_of_endings.get(f"/api/runs/{run_id}/logs")["items"]))
    house_of_endings.post(f"/api/runs/{run_id}/cancel")
    run = house_of_endings.ended(run_id)
    assert run["state"] == "cancelled"
    assert "killed" in run["message"]

"""A manifest that cannot be read: what ran goes on, and every surface says where the mistake is."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.instance import STARTER, Instance, until

TICK = "def run():\n    print('tick')\n"
GOOD = STARTER + "from jobs.tick import run\njob_registry.register(JobConfig(id='tick', every=1, func=run))\n"
BROKEN = {
    "syntax error": (GOOD + "def (:\n", {}, "manifest.py", 4, "SyntaxError"),
    "duplicate id": (GOOD + GOOD.splitlines()[-1] + "\n", {}, "manifest.py", 4, "tick"),
    "import loop": (
        "from jobs.one import first\n" + GOOD,
        {
            "one": "from jobs.two import second\ndef first(): pass\n",
            "two": "from jobs.one import first\ndef second(): pass\n",
        },
        "jobs/two.py",
        1,
        "import loop",
    ),
    "endless loop": (GOOD + "while True:\n    pass\n", {}, "manifest.py", None, ""),
    "exit": (GOOD + "import sys\nsys.exit()\n", {}, "manifest.py", 5, "exit"),
    "error in a job file": (
        "import jobs.bad\n" + GOOD,
        {"bad": "x = 1\ny = x / 0\n"},
        "jobs/bad.py",
        2,
        "ZeroDivision",
    ),
    "cron that never fires": (
        GOOD + "job_registry.register(JobConfig(id='never', cron='0 0 30 2 *', func=run))\n",
        {},
        "manifest.py",
        4,
        "never fires",
    ),
}


@pytest.fixture(scope="module")
def ticking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance(tmp_path_factory.mktemp("broken") / "data")
    instance.start()
    instance.manifest(GOOD, tick=TICK)
    yield instance
    instance.kill()


def newest(instance: Instance) -> int:
    return int(instance.get("/api/runs?job=tick&limit=1")["items"][0]["id"])


@pytest.mark.parametrize("kind", list(BROKEN))
def test_the_last_good_set_keeps_firing_and_the_error_names_its_place(ticking: Instance, kind: str):
    text, files, file, line, words = BROKEN[kind]
    good = ticking.get("/api/jobs")["manifest"]["loaded_commit"]
    for name, content in files.items():
        ticking.write(f"jobs/{name}.py", content)
    saved = time.monotonic()
    ticking.write("manifest.py", text)
    state = until(lambda: (m := ticking.get("/api/jobs")["manifest"]) and not m["ok"] and m, what="it is said")
    assert time.monotonic() - saved <= 8, "5 s on a quiet machine"
    assert state["file"] == file
    if line is None:
        assert state["line"] in (4, 5)
    else:
        assert state["line"] == line
    assert words in state["error"]
    assert state["loaded_commit"] == good
    place = f"{file}:{state['line']}"
    doctor = ticking.cli("doctor")
    assert doctor.returncode == 1
    assert place in doctor.stdout
    assert place in ticking.cli("jobs", "list").stderr
    assert ticking.request("GET", "/readyz?verbose")[0] == 200
    before = newest(ticking)
    until(lambda: newest(ticking) > before, what="it fires on")
    ticking.manifest(GOOD)
    assert ticking.get("/api/jobs")["manifest"]["broken_since"] is None


def test_at_the_start_it_is_refused_and_restore_mends_it_with_the_server_down(instance: Instance):
    instance.start()
    instance.manifest(GOOD, tick=TICK)
    instance.stop()
    instance.write("manifest.py", GOOD + "def (:\n")
    instance.start(wait=False)
    assert instance.exit_code() == 7
    assert "manifest.py:4" in instance.log
    assert "longhouse-jobs repo restore --loaded" in instance.log
    restored = instance.cli("repo", "restore", "--loaded")
    assert restored.returncode == 0, restored.stderr
    instance.start()
    assert instance.get("/api/jobs")["manifest"]["ok"]
    assert [job["id"] for job in instance.get("/api/jobs")["items"]] == ["tick"]
    subjects = [commit["subject"] for commit in instance.get("/api/jobs/repo/log")["items"]]
    assert len(subjects) >= 4, "the broken edit is in the history, and so is the way back"

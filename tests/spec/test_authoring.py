"""Writing a job with nothing but a shell in the jobs repo and what AGENTS.md says there."""

from __future__ import annotations

import subprocess

from tests.instance import Instance, until

JOB = """
def run(ctx, name: str = "world"):
    print(f"Good morning, {name}!")
    return {"greeted": name}
"""
REGISTERED = """
from jobs.greeting import run as greeting

job_registry.register(JobConfig(id="greeting", every=2, func=greeting, max_attempts=1))
"""


def shell(instance: Instance, command: str) -> subprocess.CompletedProcess[str]:
    """In the jobs repo, with no more than a plain PATH: what a coding agent opened in that folder has."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(instance.data.parent), "LANG": "C.UTF-8"}
    return subprocess.run(
        ["sh", "-c", command], cwd=instance.tree, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_write_register_try_break_read_the_error_mend(instance: Instance):
    instance.start()
    manual = (instance.tree / "AGENTS.md").read_text()
    test = "../bin/longhouse-jobs jobs test"
    assert test in manual

    instance.write("jobs/greeting.py", JOB)
    manifest = (instance.tree / "manifest.py").read_text()
    instance.write("manifest.py", manifest + REGISTERED)
    tried = shell(instance, f"{test} greeting")
    assert tried.returncode == 0, tried.stderr
    assert "Good morning, world!" in tried.stdout

    instance.write("jobs/greeting.py", JOB.replace("{name}!", "{nam}!"))
    tried = shell(instance, f"{test} greeting")
    assert tried.returncode == 1
    assert "NameError" in tried.stdout + tried.stderr
    assert "jobs/greeting.py" in tried.stdout + tried.stderr

    instance.write("jobs/greeting.py", JOB + "def (:\n")
    tried = shell(instance, f"{test} greeting")
    assert tried.returncode == 7
    assert "jobs/greeting.py:5" in tried.stderr
    until(lambda: not instance.get("/api/jobs")["manifest"]["ok"], what="the broken file is committed and said")

    instance.write("jobs/greeting.py", JOB)
    assert shell(instance, f"{test} greeting").returncode == 0
    until(lambda: instance.get("/api/jobs")["manifest"]["ok"] and not instance.get("/api/jobs/repo")["dirty"])
    head = instance.get("/api/jobs/repo")["head"]
    fired = until(
        lambda: [run for run in instance.get("/api/runs?job=greeting")["items"] if run["commit"] == head],
        seconds=60,
        what="the mended job fires",
    )
    assert instance.ended(fired[0]["id"])["state"] == "succeeded"
    history = shell(instance, "git log --format=%s -- jobs/greeting.py").stdout.splitlines()
    assert len(history) >= 2
    assert all(subject.startswith("Update jobs: ") for subject in history)
    assert shell(instance, "git status --short").stdout == ""

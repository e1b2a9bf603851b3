"""Sync with a faulty remote: every fault is said at once in its own words, jobs go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import unescape
from pathlib import Path

from tests.git_server import FAULTS, RETRY_AFTER, GitServer
from tests.instance import STARTER, Instance, until

CODES = {
    "401": "sync.unauthorized",
    "403": "sync.forbidden",
    "404": "sync.remote_not_found",
    "protected branch": "sync.protected_branch",
    "not fast-forward": "sync.not_fast_forward",
    "429": "sync.rate_limited",
    "500": "sync.remote_failed",
    "hang": "sync.timed_out",
    "TLS": "sync.tls",
    "cut off": "sync.cut_off",
    "redirect": "sync.redirected",
    "push protection": "sync.push_protection",
}
APART = ("not fast-forward", "cut off")
"""These leave commits on both sides."""
TICK = STARTER + "from jobs.tick import run\njob_registry.register(JobConfig(id='tick', func=run, every=2))\n"


def test_every_fault_is_said_on_the_first_try_in_its_own_words_while_jobs_fire(tmp_path: Path, proves) -> None:
    with GitServer(tmp_path / "server") as server:
        instance = Instance(tmp_path / "data", env={"LONGHOUSE_JOBS_CA_FILE": str(server.ca_file), "NO_PROXY": "*"})
        try:
            instance.start()
            _all_faults(instance, server, proves)
        finally:
            server.released.set()
            instance.kill()


def _all_faults(instance: Instance, server: GitServer, proves: Callable[..., None]) -> None:
    instance.manifest(TICK, tick="def run():\n    print('tick')\n")
    wanted = {"url": server.url, "token": server.token, "auto_push": False}
    assert instance.request("PUT", "/api/jobs/repo/remote", wanted)[0] == 200
    until(lambda: instance.get("/api/jobs/repo")["sync"]["state"] == "synced", what="the first sync")
    healthy, said, longest = len(said_by(instance)), {}, 0.0
    before = until(lambda: instance.get("/api/jobs/tick")["runs"], what="the job fires")[0]["id"]
    for number, fault in enumerate(FAULTS):
        instance.write("jobs/edit.py", f"x = {number}\n")
        if fault == "cut off":
            server.commit({"jobs/cut.py": "y = 1\n"})
        server.released.clear()
        server.fault = fault
        began = time.monotonic()
        status, problem = instance.request("POST", "/api/jobs/repo/sync")
        longest = max(longest, time.monotonic() - began)
        shown = instance.get("/api/jobs/repo")
        server.released.set()
        server.fault = None
        server.hook(None)
        assert (status, problem["code"]) == (502, CODES[fault]), fault
        assert shown["last_sync_error"] == problem["detail"] == shown["sync"]["last_error"]["sentence"]
        assert any(
            check["name"] == "sync" and check["status"] == "error" for check in instance.get("/api/doctor")["checks"]
        )
        seen = page(instance, "/repo")
        assert seen.lower().count(problem["detail"].lower()) == 2, fault  # in the panel, and in every page's banner
        assert fault != "429" or problem["retry_after_seconds"] == RETRY_AFTER
        said[fault] = problem["detail"]
        if fault in APART:
            assert instance.post("/api/jobs/repo/sync")["sync"]["state"] == "diverged"
            assert "Keep ours, as a branch" in page(instance, "/repo/diverged")
            assert "/repo/diverged" in page(instance, "/repo")
            assert instance.post("/api/jobs/repo/resolve", {"choice": "merge"})["sync"]["state"] == "synced"
    assert instance.post("/api/jobs/repo/sync")["sync"]["state"] == "synced"  # nothing is left of the faults
    assert len(set(said.values())) == len(FAULTS) == 12
    runs = [run for run in instance.get("/api/jobs/tick")["runs"] if run["id"] > before]
    assert len(runs) >= 5 and instance.get("/api/jobs/tick")["enabled"]
    assert all(run["state"] in ("succeeded", "running", "queued") for run in runs)
    assert longest <= 60
    proves(
        "P37",
        figure=f"{len(said)} of 12 faults said by API, page and doctor on the first try, each in its own sentence; the "
        f"longest try {longest:.0f} s; a job that fires every 2 s went on",
        control=f"without a fault: {healthy} errors",
    )


def page(instance: Instance, path: str) -> str:
    connection, headers = instance.connection()
    try:
        connection.request("GET", path, headers={**headers, "Accept": "text/html"})
        answer = connection.getresponse()
        text = unescape(answer.read().decode())
        assert answer.status == 200, (path, answer.status, text)
        return text
    finally:
        connection.close()


def said_by(instance: Instance) -> list[str]:
    error = instance.get("/api/jobs/repo")["last_sync_error"]
    return [error] if error else []

"""Sync with a faulty remote: every fault is said at once in its own words, jobs go on, and the token is nowhere."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

from longhouse.repo import transport
from tests.git_server import FAULTS, RETRY_AFTER, GitServer, plain
from tests.instance import STARTER, Instance, until
from tests.longhouse.test_sync import connect, local, server, write

__all__ = ["local", "server"]

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


@contextmanager
def watched(needles: tuple[bytes, ...]) -> Iterator[dict[str, int]]:
    """Looks into the arguments and the environment of every process, over and over."""
    found, end = {"hits": 0, "looks": 0, "git": 0}, threading.Event()

    def look() -> None:
        while not end.is_set():
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    try:
                        text = Path(f"/proc/{entry}/cmdline").read_bytes() + Path(f"/proc/{entry}/environ").read_bytes()
                    except OSError:
                        continue
                    found["looks"] += 1
                    found["git"] += b"git-remote-https" in text or b"remote-https" in text
                    found["hits"] += any(needle in text for needle in needles)
            end.wait(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        end.set()
        thread.join()


def test_the_token_is_nowhere_after_twenty_kinds_of_failure(house, local, server, client, monkeypatch, caplog, capfd):
    token = server.token
    needles = (token.encode(), base64.b64encode(f"x-access-token:{token}".encode()), token.encode().hex().encode())
    connect(house, server, auto_push=False)
    assert client.post("/api/jobs/repo/sync").status_code == 200
    monkeypatch.setattr(transport, "STALL_SECONDS", 1)  # from here on nothing has to go well
    kinds, answers = 0, []
    with watched(needles) as seen:
        for number, fault in enumerate(FAULTS):
            write(house, "jobs/edit.py", f"x = {number}\n")
            if fault == "cut off":
                server.commit({"jobs/cut.py": "y = 1\n"})
            server.fault = fault
            answers.append(client.post("/api/jobs/repo/sync"))
            server.fault = None
            server.hook(None)
            if fault in APART and client.post("/api/jobs/repo/sync").json()["sync"]["state"] == "diverged":
                client.post("/api/jobs/repo/resolve", json={"choice": "merge"})
            kinds += 1
        for body in (
            {"url": server.url.replace("ada", "eve"), "token": token},
            {"url": server.url.replace("127.0.0.1", "localhost") + "x", "token": token},
            {"url": "https://127.0.0.1:1/x", "token": token},
            {"url": "https://nowhere.invalid/x", "token": token},
            {"url": f"https://x:{token}@127.0.0.1/x", "token": token},
            {"url": server.url, "token": token + " with spaces"},
            {"url": server.url, "token": token, "branch": f"--{token}"},
            {"url": server.url, "token": {"nested": token}},
            {"url": server.url, "token": token + "wrong"},
        ):
            answers.append(client.post("/api/jobs/repo/verify", json=body))
            assert answers[-1].status_code >= 400, body
            kinds += 1
    assert kinds >= 20 and seen["git"] > 0 and seen["hits"] == 0
    assert all(answer.status_code >= 400 for answer in answers)
    for path in ("/api/jobs/repo", "/api/jobs/repo/remote", "/api/doctor", "/metrics", "/api/secrets"):
        answers.append(client.get(path))
    text = "\n".join(answer.text for answer in answers) + caplog.text + "".join(capfd.readouterr())
    files = {path: path.read_bytes() for path in house.paths.data.rglob("*") if path.is_file()}
    assert len(files) > 50 and any(path.name.endswith("-wal") for path in files)
    hits = [str(path) for path, data in files.items() if any(needle in data for needle in needles)]
    assert hits == []
    for needle in needles:
        assert needle.decode() not in text
    assert json.loads(client.get("/api/jobs/repo/remote").text)["url"] == server.url


def test_control_a_token_in_an_address_is_seen_by_the_same_look(server):
    """git given the token as people do: the look that found nothing above finds it here."""
    needle = server.token.encode()
    with watched((needle,)) as seen:
        server.fault = "hang"
        asked = threading.Thread(
            target=plain,
            args=(
                "-c",
                f"http.sslCAInfo={server.ca_file}",
                "ls-remote",
                server.url.replace("://", f"://x:{server.token}@"),
            ),
            kwargs={"check": False},
        )
        asked.start()
        until(lambda: seen["hits"] > 0, what="the token in /proc")
        server.released.set()
        asked.join()

"""Every template of a job, made over the API and run by a real instance against servers on the loopback."""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from longhouse.job_templates import TEMPLATES
from tests.instance import Instance
from tests.longhouse.job_template_servers import KEY_ID, PASSWORD, SECRET, Mail, Storage, Web, feed, listening


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance(tmp_path_factory.mktemp("templates") / "data").start()
    yield instance
    instance.stop()


def make(instance: Instance, template: str, job_id: str, **params: Any) -> None:
    instance.post("/api/jobs", {"template": template, "id": job_id, "params": params})


def secret(instance: Instance, **values: str) -> None:
    for name, value in values.items():
        status, answer = instance.request("PUT", f"/api/secrets/{name}", {"value": value})
        assert status == 200, answer


def ran(instance: Instance, job_id: str, **params: Any) -> dict[str, Any]:
    run = instance.run(job_id, **params)
    return instance.ended(run["id"], seconds=60)


def output(instance: Instance, run: dict[str, Any]) -> str:
    return instance.cli("runs", "logs", str(run["id"])).stdout


def test_http_check_made_by_command(running: Instance) -> None:
    pages = {"/ok": (200, b"all is well"), "/broken": (500, b"oops")}
    with listening(Web, pages=pages) as (_, port):
        url = f"http://127.0.0.1:{port}"
        made = running.cli(
            "jobs", "new", "site", "--template", "http-check", "-p", f"url={url}/ok", "-p", "contains=is well"
        )
        assert made.returncode == 0 and made.stdout.startswith("jobs/site.py and manifest.py are commit "), made
        run = ran(running, "site")
        assert run["state"] == "succeeded" and run["result"]["status"] == 200 and run["result"]["bytes"] == 11, run
        assert "answered 200" in output(running, run)
        assert ran(running, "site", slow_after_seconds=0.0)["state"] == "degraded"
        for params, why in (
            ({"url": f"{url}/broken"}, "answered 500, not 200"),
            ({"contains": "absent"}, "does not contain 'absent'"),
            ({"url": "ftp://x"}, "no http or https address"),
        ):
            failed = running.run("site", **params)
            first = _first_error(running, failed["id"])
            assert why in first, first
        state = running.get("/api/jobs/site/state")["state"]
        assert len(state["seconds"]) >= 3
    refused = running.cli("jobs", "new", "site", "--template", "http-check", "-p", "url=http://x")
    assert refused.returncode == 2 and "there is a job site already" in refused.stderr
    listed = running.cli("jobs", "templates").stdout
    assert all(name in listed for name in TEMPLATES)


def _first_error(instance: Instance, run_id: int) -> str:
    """Of its first attempt; the rest is not waited for."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        run = instance.get(f"/api/runs/{run_id}")
        if found := [each["message"] for each in run["attempts"] if each.get("message")]:
            if run["finished_at"] is None:
                instance.request("POST", f"/api/runs/{run_id}/cancel")
            instance.ended(run_id)
            return str(found[0])
        time.sleep(0.05)
    raise AssertionError(f"run {run_id} has no failed attempt")


def test_digest_email_sends_what_is_new_once(running: Instance) -> None:
    pages = {"/a.xml": (200, feed("one", "two")), "/b.xml": (200, b"no feed"), "/bomb.xml": (200, b"<!DOCTYPE x><x/>")}
    with listening(Web, pages=pages) as (web, port), listening(Mail, mails=[]) as (mail, smtp):
        url = f"http://127.0.0.1:{port}"
        secret(running, SMTP_PASSWORD=PASSWORD)
        make(
            running,
            "digest-email",
            "news",
            feeds=[f"{url}/a.xml"],
            recipient="me@example.org",
            sender="jobs@example.org",
            smtp_host="127.0.0.1",
            smtp_port=smtp,
            security="none",
            smtp_user="me",
        )
        run = ran(running, "news")
        assert run["state"] == "succeeded" and run["result"]["items"] == 2, run
        [sent] = mail.mails  # type: ignore[attr-defined]
        assert "To: me@example.org" in sent and "* one" in sent and "https://a.example/two" in sent
        again = ran(running, "news")
        assert again["state"] == "skipped", again
        web.pages["/a.xml"] = (200, feed("three", "one", "two"))  # type: ignore[attr-defined]
        third = ran(running, "news", feeds=[f"{url}/a.xml", f"{url}/b.xml", f"{url}/bomb.xml"])
        assert third["state"] == "degraded" and third["result"]["items"] == 1, third
        assert "* three" in mail.mails[1] and "* one" not in mail.mails[1]  # type: ignore[attr-defined]
        assert "entities of its own" in output(running, third)
        assert PASSWORD not in output(running, third)


def test_s3_backup_is_signed_whole_and_keeps_the_newest(running: Instance, tmp_path: Path) -> None:
    folder = tmp_path / "photos & more"
    (folder / "2026").mkdir(parents=True)
    (folder / "2026" / "ä.jpg").write_bytes(b"\xff" * 1000)
    (folder / "notes.txt").write_text("hello")
    (folder / "link").symlink_to("notes.txt")
    others = {"backup/photos-old-20200101T000000Z-1.tar.gz": (b"", ""), "backup/photos-by-hand.tar.gz": (b"", "")}
    with listening(Storage, objects=dict(others), refused=[]) as (storage, port):
        secret(running, S3_ACCESS_KEY_ID=KEY_ID, S3_SECRET_ACCESS_KEY=SECRET)
        endpoint = f"http://127.0.0.1:{port}"
        make(running, "s3-backup", "photos", folder=str(folder), endpoint=endpoint, bucket="backups", keep=2)
        results = []
        for _ in range(4):
            run = ran(running, "photos")
            assert run["state"] == "succeeded", (run, output(running, run))
            results.append(run["result"])
        objects = storage.objects  # type: ignore[attr-defined]
        assert {*others, results[2]["key"], results[3]["key"]} == set(objects)
        assert [each["removed"] for each in results] == [0, 0, 1, 1] and results[0]["files"] == 3
        data, digest = objects[results[3]["key"]]
        assert hashlib.sha256(data).hexdigest() == digest == results[3]["sha256"]
        with tarfile.open(fileobj=io.BytesIO(data)) as packed:
            assert sorted(packed.getnames()) == ["2026/ä.jpg", "link", "notes.txt"]
        assert storage.refused == []  # type: ignore[attr-defined]
        secret(running, S3_SECRET_ACCESS_KEY="another one altogether")
        failed = _first_error(running, running.run("photos")["id"])
        assert "403" in failed and "SignatureDoesNotMatch" in failed, "the storage does check signatures"


def test_query_report_as_csv_and_page(running: Instance, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (name TEXT, total REAL)")
        connection.executemany("INSERT INTO invoices VALUES (?, ?)", [("<b>Ann</b>", 12.5), ("Bob, Ltd", None)])
        connection.commit()
    secret(running, DATABASE_DSN=f"sqlite:///{path}")
    make(running, "query-report", "invoices", query="SELECT name, total FROM invoices ORDER BY name", title="A & B")
    run = ran(running, "invoices")
    assert run["state"] == "succeeded" and run["result"] == {"rows": 2, "columns": ["name", "total"]}, run
    listed = running.get(f"/api/runs/{run['id']}")["artifacts"]
    assert {each["name"]: each["media_type"] for each in listed} == {
        "report.csv": "text/csv",
        "report.html": "text/html",
    }
    [stored] = [each.read_text() for each in (running.data / "artifacts").rglob("*") if b"<td>" in _bytes(each)]
    assert "&lt;b&gt;Ann" in stored and "<title>A &amp; B</title>" in stored
    assert ran(running, "invoices", least_rows=3)["state"] == "degraded"
    assert ran(running, "invoices", most_rows=1)["result"]["rows"] == 1
    failed = _first_error(running, running.run("invoices", query="DELETE FROM invoices")["id"])
    assert "readonly" in failed
    secret(running, DATABASE_DSN="mysql://u:p@host/x")
    assert "are known" in _first_error(running, running.run("invoices")["id"])


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_clean_up_says_first_and_removes_then(running: Instance, tmp_path: Path) -> None:
    root = tmp_path / "exports"
    (root / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for name, days in (("old.csv", 40), ("deep/older.csv", 90), ("new.csv", 1), ("../outside/old.csv", 99)):
        (root / name).write_text(name)
        os.utime(root / name, (time.time() - days * 86_400,) * 2)
    (root / "way-out").symlink_to(tmp_path / "outside")
    make(running, "clean-up", "exports", folder=str(root))
    run = ran(running, "exports")
    assert run["state"] == "succeeded" and run["result"]["files"] == 2 and run["result"]["dry_run"] is True, run
    assert "would remove deep/older.csv" in output(running, run) and (root / "old.csv").exists()
    done = ran(running, "exports", dry_run=False, remove_empty_folders=True)
    assert done["state"] == "succeeded" and done["result"]["folders"] == 1, done
    assert sorted(each.name for each in root.iterdir()) == ["new.csv", "way-out"]
    assert (tmp_path / "outside" / "old.csv").exists(), "links are not followed"
    for folder in ("/", "relative", str(Path.home().parent)):
        assert ran(running, "exports", folder=folder)["state"] == "failed"


def test_empty(running: Instance) -> None:
    running.post("/api/jobs", {"template": "empty", "id": "mine", "description": "Mine, all mine."})
    run = ran(running, "mine")
    assert run["state"] == "succeeded" and "Hello from mine" in output(running, run)
    assert (running.tree / "jobs" / "mine.py").read_text().startswith('"""Mine, all mine."""')

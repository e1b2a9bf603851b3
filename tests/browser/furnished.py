"""A house somebody has lived in: jobs, commits, runs of every kind, made through the verbs with a hand on the clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from longhouse import api, doors, jobs, ledger, loading, queue, web
from longhouse.engine.capture import Capture
from longhouse.frames import Stream
from longhouse.house import SYSTEM, By, House
from longhouse.queue import Ending
from longhouse.repo import bootstrap
from longhouse.runs.state import Reason, RunState
from longhouse.store import jobs as job_rows
from longhouse.store import runs as run_rows
from tests.conftest import START as NOW
from tests.conftest import HandClock, told
from tests.house import opened

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
OWNER = By("owner", "web")

JOBS: dict[str, tuple[str, str]] = {
    "daily-digest": (
        'cron="0 8 * * *", description="Send my daily summary.", tags=["mail"], project="home", catch_up="all"',
        'def run(ctx, recipient: str = "me@example.org"):\n    """Collect what happened and mail it."""\n'
        '    items = ["three new issues", "one invoice"]\n    for number, item in enumerate(items, 1):\n'
        '        ctx.progress(number, len(items), item)\n        print(f"digest: {item}")\n'
        '    return {"sent_to": recipient, "items": len(items)}\n',
    ),
    "backup-photos": (
        'cron="30 2 * * *", timezone="America/New_York", timeout_seconds=3600, '
        'description="Copy new photos to the bucket in Frankfurt, then verify the checksums of ten of them."',
        "import time\n\n\ndef run(ctx):\n    time.sleep(1)\n"
        '    raise ConnectionError("bucket.example.org: connection refused")\n',
    ),
    "check-website": (
        'cron="*/5 * * * *", description="Is the shop up, and how fast does it answer?", max_attempts=1, '
        'tags=["shop", "http"]',
        "def run(ctx):\n    return {'status': 200}\n",
    ),
    "invoice-report": (
        'params={"form": "csv"}, description="Monthly report of open invoices as a PDF.", project="shop"',
        "from datetime import date\nfrom typing import Literal\n\n\n"
        'def run(ctx, month: date, form: Literal["pdf", "csv"] = "pdf", copies: int = 1, dry_run: bool = False,\n'
        "        recipients: list[str] = ()):\n    print(month, form, copies, dry_run, recipients)\n",
    ),
    "reindex-search": ('every=1800, description="", overlap="queue"', "def run():\n    pass\n"),
    "clean-up": (
        'cron="15 4 * * 0", description="Delete temporary files that are older than a week.", enabled=False',
        "def run():\n    pass\n",
    ),
    "weather": (
        'cron="0 6-22/2 * * 1-5", description="Fetch the forecast for the greenhouse."',
        "def run():\n    pass\n",
    ),
    "migrate-once": ('description="Moves the old notes over. Run it by hand."', "def run():\n    pass\n"),
}


@contextmanager
def empty_house(data: Path, now: int = NOW) -> Iterator[House]:
    with opened(data, HandClock(now)) as house:
        for folder in (house.paths.output, house.paths.artifacts, house.paths.work, house.paths.envs):
            folder.mkdir(mode=0o700, exist_ok=True)
        told(house)
        yield house


def write_jobs(tree: Path, wanted: dict[str, tuple[str, str]] = JOBS) -> None:
    lines = ["from zerg.jobs import JobConfig, job_registry", ""]
    for job_id, (settings, code) in wanted.items():
        name = job_id.replace("-", "_")
        (tree / "jobs" / f"{name}.py").write_text(code)
        lines.insert(1, f"from jobs.{name} import run as {name}")
        lines.append(f'job_registry.register(JobConfig(id="{job_id}", func={name}, {settings}))')
    (tree / "manifest.py").write_text("\n".join(lines) + "\n")


def hand_clock(house: House) -> HandClock:
    assert isinstance(house.clock, HandClock)
    return house.clock


def furnish(house: House) -> dict[str, int]:
    """Fill an empty house; the ids of the runs that pages are looked at with."""
    clock = hand_clock(house)
    clock.ms = NOW - 3 * DAY
    bootstrap.ensure(house.paths, known_commits=False)
    write_jobs(house.paths.tree)
    loading.settle(house)
    shown = jobs.manifest(house)
    assert shown.ok, shown.error
    for job_id in ("check-website", "reindex-search", "weather"):
        _history(house, job_id)
    found = {"failed": _failed(house), "digest": _digest(house), "retrying": 0, "running": 0, "queued": 0}
    clock.ms = NOW - 47_000
    found["running"] = _running(house)
    found["queued"] = jobs.run_now(house, "reindex-search", OWNER).id
    clock.ms = NOW
    return found


def attempt(house: House, ending: Ending, took: int, output: tuple[tuple[int, bytes], ...] = (), late: int = 40) -> int:
    """Claim whatever is ready, let it print and end after `took` ms; the run's id."""
    clock = hand_clock(house)
    clock.ms += late
    claimed = queue.claim(house)
    assert claimed is not None
    queue.started(house, claimed.run.id, claimed.attempt, pid=4711, ticks=1, boot_id="boot")
    printed(house, claimed.output, output)
    clock.ms += took
    queue.finish(house, claimed.run.id, claimed.attempt, ending)
    return claimed.run.id


def printed(house: House, name: str, output: tuple[tuple[int, bytes], ...]) -> None:
    path = house.paths.output / name
    path.parent.mkdir(parents=True, exist_ok=True)
    capture = Capture(path, 0.0)
    for ms, (stream, data) in enumerate(output):
        capture.write(stream, data, ms * 10)
    capture.seal()


def settle(house: House, job_id: str) -> None:
    """Enter what has been due, as the scheduler would."""
    now = house.clock.now()
    with house.db.write() as db:
        job = job_rows.get(db, job_id)
        assert job is not None
        ledger.settle_job(replace(house, up_since=NOW - DAY), db, job, now)


def _history(house: House, job_id: str) -> None:
    """Some runs on time, one of them late, some missed."""
    clock = hand_clock(house)
    job = jobs.get_job(house, job_id).job
    clock.ms = NOW - 6 * HOUR
    settle(house, job_id)
    _drain(house)
    for number, due in enumerate(jobs.upcoming_of(house, job, 22)):
        if due >= NOW:
            break
        clock.ms = due
        settle(house, job_id)
        ending, took = _outcome(job_id, number)
        attempt(house, ending, took, ((Stream.OUT, b"checked\n"),))


def _drain(house: House) -> None:
    while True:
        claimed = queue.claim(house)
        if claimed is None:
            return
        queue.finish(house, claimed.run.id, claimed.attempt, Ending(state=RunState.SUCCEEDED, exit_code=0))


def _outcome(job_id: str, number: int) -> tuple[Ending, int]:
    took = 400 + (number * 7919) % 3100
    if job_id == "check-website" and number in (6, 7):
        error = {
            "type": "TimeoutError",
            "traceback": "TimeoutError: no answer within 10 s",
            "file": "jobs/check_website.py",
            "line": 2,
        }
        return Ending(
            state=RunState.FAILED,
            reason=Reason.EXCEPTION,
            message="TimeoutError: no answer within 10 s",
            error=error,
            exit_code=1,
        ), 10_000
    if job_id == "check-website" and number == 13:
        return Ending(state=RunState.DEGRADED, message="The shop answered, but took 4.1 s.", exit_code=0), 4_100
    return Ending(state=RunState.SUCCEEDED, exit_code=0, cpu_seconds=0.12, peak_memory_bytes=31_000_000), took


TRACEBACK = """Traceback (most recent call last):
  File "jobs/backup_photos.py", line 6, in run
    raise ConnectionError("bucket.example.org: connection refused")
ConnectionError: bucket.example.org: connection refused"""

COLOURS: tuple[tuple[int, bytes], ...] = (
    (Stream.SYSTEM, b"attempt 1 of commit, started\n"),
    (Stream.OUT, b"\x1b[1mbackup\x1b[0m of \x1b[36m/photos\x1b[0m to \x1b[4mbucket.example.org\x1b[0m\n"),
    (Stream.OUT, b"\x1b[32m\xe2\x9c\x93\x1b[0m 2026-02-03_18-22-07.jpg  \x1b[2m4.2 MB\x1b[0m\n"),
    (Stream.OUT, b"\x1b[32m\xe2\x9c\x93\x1b[0m 2026-02-03_18-22-41.jpg  \x1b[2m3.9 MB\x1b[0m\n"),
    (Stream.OUT, b"\x1b[33m!\x1b[0m 2026-02-03_18-23-00.jpg  \x1b[33mslow: 812 kB/s\x1b[0m\n"),
    (Stream.LOG, b"warning: the bucket answers slowly\n"),
    (
        Stream.OUT,
        b"\x1b[42m PASS \x1b[0m checksums \x1b[41m FAIL \x1b[0m upload \x1b[43m WAIT \x1b[0m \x1b[7minverse\x1b[0m\n",
    ),
    (
        Stream.OUT,
        b"hidden \x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\ and a bell \x07 and \xe2\x80\xaeright to left\n",
    ),
    (Stream.ERR, b"\x1b[31mconnection refused, giving up\x1b[0m\n"),
    (Stream.ERR, TRACEBACK.encode() + b"\n"),
)


def _failed(house: House) -> int:
    clock = hand_clock(house)
    clock.ms = NOW - 6 * HOUR - 30 * MINUTE
    settle(house, "backup-photos")
    _drain(house)
    clock.ms = NOW - 5 * HOUR
    run = jobs.run_now(house, "backup-photos", OWNER)
    error = {"type": "ConnectionError", "traceback": TRACEBACK, "file": "jobs/backup_photos.py", "line": 6}
    for wait in (16_000, 33_000, 0):
        attempt(
            house,
            Ending(
                state=RunState.FAILED,
                reason=Reason.EXCEPTION,
                message="ConnectionError: bucket.example.org: connection refused",
                error=error,
                exit_code=1,
                cpu_seconds=0.41,
                peak_memory_bytes=48_300_000,
            ),
            12_345,
            COLOURS,
        )
        clock.ms += wait
    return run.id


def _digest(house: House) -> int:
    clock = hand_clock(house)
    clock.ms = NOW - HOUR
    settle(house, "daily-digest")
    _drain(house)
    run = jobs.run_now(house, "daily-digest", OWNER, params={"recipient": "you@example.org"})
    output = tuple((Stream.OUT, f"digest: item {number}\n".encode()) for number in range(1, 41))
    attempt(
        house,
        Ending(
            state=RunState.SUCCEEDED, exit_code=0, result={"sent_to": "you@example.org", "items": 40}, cpu_seconds=0.2
        ),
        2_345,
        output,
    )
    folder = house.paths.artifacts / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "digest.html").write_text("<h1>Digest</h1>")
    with house.db.write() as db:
        values: dict[str, Any] = {"run_id": run.id, "attempt": 1, "name": "digest.html", "media_type": "text/html"}
        run_rows.add_artifact(db, {**values, "size": 15, "file": "1/digest.html", "now": clock.ms})
    return run.id


def _running(house: House) -> int:
    clock = hand_clock(house)
    jobs.run_now(house, "migrate-once", OWNER)
    claimed = queue.claim(house)
    assert claimed is not None
    queue.started(house, claimed.run.id, claimed.attempt, pid=4711, ticks=1, boot_id="boot")
    printed(house, claimed.output, tuple((Stream.OUT, f"moved note {n}\n".encode()) for n in range(1, 301)))
    with house.db.write() as db:
        run_rows.set_progress(db, claimed.run.id, 1, {"done": 300, "total": 812, "text": "Moving notes"})
    clock.ms += 1
    return claimed.run.id


def app_of(house: House) -> FastAPI:
    """API, pages and doors without an engine: what is queued stays queued, what runs keeps running."""
    app = FastAPI(openapi_url=None)
    api.install(app)
    web.install(app)
    doors.install(app, house=house)
    return app


def add_jobs(house: House, count: int) -> None:
    """Many jobs at once, past the manifest: for measuring pages."""
    spec = jobs.get_job(house, "check-website").job.spec
    with house.db.write() as db:
        for number in range(count):
            job_rows.put(
                db,
                spec.replace(id=f"job-{number:04d}"),
                enabled=True,
                commit="0" * 40,
                environment="",
                now=house.clock.now(),
            )


__all__ = ["NOW", "OWNER", "SYSTEM", "add_jobs", "empty_house", "furnish", "hand_clock", "write_jobs"]

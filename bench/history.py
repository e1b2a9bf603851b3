"""A million runs in the history: pages, the queue and the sweep, as fast as with none."""

import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import Any

from tests.instance import Instance
from tests.spec.test_idle import many_jobs

from bench.instance import HISTORY, JOBS, QUIET, Figure, instance, page, percentile, seconds_of
from longhouse import retention
from longhouse.clock import SystemClock
from longhouse.paths import Paths
from longhouse.runs.keep import Keep
from longhouse.store.database import Database

STEP_MS = 8_640
"""Between two runs: a million are a hundred days, of which ninety are kept."""
PAGES = (
    "/",
    "/jobs",
    "/jobs?q=job-7&show=failing",
    "/jobs?group=tag",
    "/runs",
    "/timeline",
    "/timeline?view=hour",
    "/timeline?view=week",
    "/timeline?view=month",
    "/runs?state=failed",
    "/runs?q=customer+777&reason=exception",
    "/runs?state=degraded&trigger=schedule&commit=c",
    "/errors",
    "/jobs/job-7",
    "/api/runs?job=job-7&state=failed",
)
MANY_RUNS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO runs (job_id, state, trigger, actor, surface, due, not_before, overlap, max_attempts, spec, attempt,
                  commit_sha, created_at, started_at, finished_at, reason, message, fingerprint)
SELECT 'job-' || (i % :jobs), CASE i % 21 WHEN 0 THEN 'failed' ELSE 'succeeded' END, 'schedule', 'longhouse', 'system',
       :now - (:count - i) * :step, :now - (:count - i) * :step, 'skip', 3, '{}', 1, 'c',
       :now - (:count - i) * :step, :now - (:count - i) * :step + 5, :now - (:count - i) * :step + 70 + i * 7919 % 9000,
       CASE i % 21 WHEN 0 THEN 'exception' END,
       CASE i % 21 WHEN 0 THEN 'LookupError: no customer ' || i || ' in the list of this month' ELSE '' END,
       CASE i % 21 WHEN 0 THEN printf('%016x', i % 40) END
  FROM n
"""
MANY_ATTEMPTS = """
INSERT INTO attempts (run_id, attempt, owner, lease_until, claimed_at, started_at, finished_at, state, output)
SELECT id, 1, 'o', started_at, started_at, started_at, finished_at, state, id || '/1.log' FROM runs
"""
MANY_FIRINGS = """
INSERT INTO firings (job_id, due, last_due, count, "end", run_id, recorded_at)
SELECT job_id, due, due, 1, 'ran', id, created_at FROM runs
"""


def main() -> None:
    for figure in measured():
        print(figure.line(), flush=True)


def measured() -> Iterator[Figure]:
    with instance() as one:
        one.start()
        one.manifest(many_jobs(JOBS), quiet=QUIET)
        one.stop()
        furnish(one)
        yield Figure(f"restart to /readyz with {JOBS:,} jobs and {HISTORY:,} runs", seconds_of(one.start), "s", 1)
        for path in PAGES:
            page(one, path)  # templates are compiled once
            taken = percentile([page(one, path)[1] for _ in range(100)], 0.95)
            yield Figure(f"{path}, p95", taken * 1000, "ms", 100)
        taken = statistics.median(accepted(one) for _ in range(30))
        yield Figure("Run now, accepted", taken * 1000, "ms", 20)
        one.stop()
        yield from swept(one)


def furnish(one: Instance) -> None:
    with closing(sqlite3.connect(one.data / "longhouse.db")) as db:
        db.execute("PRAGMA synchronous=OFF")
        with db:
            for table in ("attempts", "firings", "runs"):
                db.execute(f"DELETE FROM {table}")
            now = int(time.time() * 1000)
            db.execute(MANY_RUNS, {"count": HISTORY, "jobs": JOBS, "now": now, "step": STEP_MS})
            db.execute(MANY_ATTEMPTS)
            db.execute(MANY_FIRINGS)


def accepted(one: Instance) -> float:
    began = time.perf_counter()
    run = one.run("job-1")
    taken = time.perf_counter() - began
    one.ended(run["id"])
    return taken


def swept(one: Instance) -> Iterator[Figure]:
    """All that is older than ninety days, without a server: how long each batch keeps the write lock."""
    paths, held = Paths(one.data), []
    with closing(Database(paths.database)) as db:
        measured_db = Timed(db, held)
        house: Any = SimpleNamespace(db=measured_db, paths=paths, clock=SystemClock(), keep=Keep())
        began = time.perf_counter()
        gone = sum(retention.sweep(house))
        taken = time.perf_counter() - began
        again = seconds_of(lambda: sum(retention.sweep(house)))
        rate = f"   {gone:,} rows in {len(held):,} batches, {gone / taken:,.0f} a second"
        yield Figure("sweep: write lock held for one batch, p99", percentile(held, 0.99) * 1000, "ms", 20, rate)
        yield Figure("sweep: nothing to do", again, "s", 1)
        held.clear()
        freed = sum(retention.give_back(house))
        yield Figure(
            "free pages given back: lock for one batch, p99",
            percentile(held, 0.99) * 1000,
            "ms",
            20,
            f"   {freed:,} pages",
        )


class Timed:
    """The database, with a note of how long each write transaction took."""

    def __init__(self, db: Database, held: list[float]) -> None:
        self._db = db
        self._held = held
        self.read = db.read

    @contextmanager
    def write(self) -> Iterator[Any]:
        began = time.perf_counter()
        with self._db.write() as db:
            yield db
        self._held.append(time.perf_counter() - began)

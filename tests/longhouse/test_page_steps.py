"""What a page costs does not grow with the history behind it: counted in steps of SQLite's machine, not in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from longhouse.house import House
from longhouse.store.database import Connection, Database
from tests.conftest import START, Browser

DAY_MS = 86_400_000
JOBS = 10
RECENT, OLD = 1_000, 8_000
EVERY = 20
"""Steps between two calls that count them."""
PAGES = (
    "/",
    "/jobs",
    "/jobs?group=tag&show=failing",
    "/jobs?show=never",
    "/jobs/job-7",
    "/runs",
    "/runs?state=failed",
    "/runs?state=degraded&trigger=schedule",
    "/runs?job=job-7",
    "/runs?since=24h",
    "/runs?q=customer&reason=exception",
    "/errors",
    "/timeline",
    "/timeline?view=hour",
    "/timeline?view=week",
    "/timeline?view=month",
    "/calendar",
    "/api/overview",
    "/api/runs?job=job-7&state=failed",
    "/repo",
    "/activity",
)
RUNS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO runs (id, job_id, state, trigger, actor, surface, due, not_before, overlap, max_attempts, spec, attempt,
                  commit_sha, created_at, started_at, finished_at, reason, message, fingerprint)
SELECT :first + i, 'job-' || (i % :jobs), CASE WHEN i % 25 = 0 AND :failing THEN 'failed' ELSE 'succeeded' END,
       'schedule', 'longhouse', 'system', :from + i * :step, :from + i * :step, 'skip', 3, '{}', 1, 'c',
       :from + i * :step, :from + i * :step + 5, :from + i * :step + 900,
       CASE WHEN i % 25 = 0 AND :failing THEN 'exception' END,
       CASE WHEN i % 25 = 0 AND :failing THEN 'LookupError: no customer ' || i ELSE '' END,
       CASE WHEN i % 25 = 0 AND :failing THEN printf('%016x', i % 4) END
  FROM n
"""
ATTEMPTS = """
INSERT INTO attempts (run_id, attempt, owner, lease_until, claimed_at, started_at, finished_at, state)
SELECT id, 1, 'o', started_at, started_at, started_at, finished_at, state FROM runs WHERE id > :first
   AND id <= :first + :count
"""
FIRINGS = """
INSERT INTO firings (job_id, due, last_due, count, "end", run_id, recorded_at)
SELECT job_id, due, due, 1, 'ran', id, created_at FROM runs WHERE id > :first AND id <= :first + :count
"""


def history(house: House, first: int, count: int, *, since: int, until: int, failing: bool) -> None:
    values = {"first": first, "count": count, "jobs": JOBS, "from": since, "failing": failing}
    values["step"] = (until - since) // (count + 1)
    with house.db.write() as db:
        db.execute(RUNS, values)
        for sql in (ATTEMPTS, FIRINGS):
            db.execute(sql, {name: values[name] for name in ("first", "count")})


class Steps:
    """Of all that is read while it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        read = Database.read

        @contextmanager
        def counted(database: Database) -> Iterator[Connection]:
            with read(database) as db:
                db.set_progress_handler(self._more, EVERY)
                try:
                    yield db
                finally:
                    db.set_progress_handler(None)

        monkeypatch.setattr(Database, "read", counted)

    def _more(self) -> bool:
        self.taken += EVERY
        return False

    def of(self, act: Callable[[], object]) -> int:
        act()  # what is remembered is remembered before it is counted
        before = self.taken
        act()
        return self.taken - before


def test_no_page_grows_with_what_lies_behind_it(
    house: House, browser: Browser, add_job: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(JOBS):
        add_job(f"job-{number}", tags=["one"] if number % 2 else [])
    history(house, OLD, RECENT, since=START - 2 * DAY_MS, until=START - 1_000, failing=True)
    steps = Steps(monkeypatch)
    before = {path: steps.of(lambda path=path: browser.get(path)) for path in PAGES}  # type: ignore[misc]

    def all_of_them() -> None:
        with house.db.read() as db:
            db.execute("SELECT * FROM attempts WHERE state IS NULL AND owner <> 'o' ORDER BY run_id").fetchall()

    looked = steps.of(all_of_them)
    history(house, 0, OLD, since=START - 120 * DAY_MS, until=START - 80 * DAY_MS, failing=False)
    grown = {
        path: (before[path], after)
        for path in PAGES
        if (after := steps.of(lambda path=path: browser.get(path))) > before[path] * 1.1 + 1_000  # type: ignore[misc]
    }
    assert not grown, "steps before and after: what is read has no index that fits"
    assert steps.of(all_of_them) > 5 * looked, "the control: a query without one"

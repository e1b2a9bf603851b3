"""How the runs of a job went. Read from one index alone, and never more of it than a caller asks for."""

from __future__ import annotations

from typing import Any

from longhouse.store.database import Connection, Row, many, one

ENDED = """
SELECT state, finished_at, CASE WHEN state IN ('succeeded', 'degraded') THEN finished_at - started_at END
  FROM runs INDEXED BY runs_ended
 WHERE job_id = :job_id AND finished_at >= :since ORDER BY finished_at DESC LIMIT :most
"""
NEWEST = """
SELECT id, state, started_at, finished_at, finished_at - started_at AS took FROM runs INDEXED BY runs_ended
 WHERE job_id = :job_id AND finished_at >= 0 ORDER BY finished_at DESC LIMIT :most
"""
FAILED = """
SELECT id, message, error, started_at, finished_at FROM runs INDEXED BY runs_failed_of_job
 WHERE job_id = :job_id AND state = 'failed' ORDER BY id DESC LIMIT 1
"""

Ended = tuple[str, int, int | None]
"""State, when it ended, and how long it took if it succeeded or was degraded; milliseconds."""


def ended(db: Connection, job_id: str, since: int, most: int) -> list[Ended]:
    """The newest runs that ended at or after `since`, newest first."""
    found: list[Any] = db.execute(ENDED, {"job_id": job_id, "since": since, "most": most}).fetchall()
    return found


def newest(db: Connection, job_id: str, most: int) -> list[Row]:
    """id, state, started_at, finished_at and took of the runs that ended last, newest first."""
    return many(db, NEWEST, {"job_id": job_id, "most": most})


def last_failure(db: Connection, job_id: str) -> Row | None:
    """id, message, error (JSON), started_at, finished_at."""
    return one(db, FAILED, {"job_id": job_id})

"""Failed runs by what they have in common. Read from the index runs_failed_as alone, but for the newest of each."""

from __future__ import annotations

import json

from longhouse.store.database import Connection, Row, many

GROUPS = """
SELECT fingerprint, count(*) AS count, min(finished_at) AS first, max(finished_at) AS last, max(id) AS newest
  FROM runs INDEXED BY runs_failed_as WHERE fingerprint IS NOT NULL {only}
 GROUP BY fingerprint HAVING last >= :since ORDER BY last DESC, fingerprint LIMIT :limit OFFSET :offset
"""


def groups(db: Connection, *, since: int, limit: int, offset: int = 0, job_id: str | None = None) -> list[Row]:
    """fingerprint, count, first, last (milliseconds), newest (a run's id); the one seen last first.

    `since`: only those seen since then; they are counted whole.
    """
    values = {"since": since, "limit": limit, "offset": offset, "job_id": job_id}
    return many(db, GROUPS.format(only="AND job_id = :job_id" if job_id is not None else ""), values)


def group(db: Connection, fingerprint: str) -> Row | None:
    found = many(
        db,
        GROUPS.format(only="AND fingerprint = :fingerprint"),
        {"since": 0, "limit": 1, "offset": 0, "fingerprint": fingerprint},
    )
    return found[0] if found else None


def jobs_of(db: Connection, fingerprints: list[str], since: int = 0) -> list[Row]:
    """fingerprint, job_id and count, most runs first."""
    return many(
        db,
        "SELECT fingerprint, job_id, count(*) AS count FROM runs INDEXED BY runs_failed_as"
        " WHERE fingerprint IN (SELECT value FROM json_each(:fingerprints)) AND finished_at >= :since"
        " GROUP BY fingerprint, job_id ORDER BY count DESC, job_id",
        {"fingerprints": json.dumps(fingerprints), "since": since},
    )


QUARTER_MS = 900_000
"""Days begin on a quarter of an hour in every zone."""


def by_quarter(db: Connection, fingerprints: list[str], since: int) -> list[Row]:
    """fingerprint, at (milliseconds, a quarter of an hour begins) and count."""
    return many(
        db,
        "SELECT fingerprint, finished_at / :quarter * :quarter AS at, count(*) AS count FROM runs"
        " INDEXED BY runs_failed_as WHERE fingerprint IN (SELECT value FROM json_each(:fingerprints))"
        " AND finished_at >= :since GROUP BY 1, 2",
        {"fingerprints": json.dumps(fingerprints), "since": since, "quarter": QUARTER_MS},
    )


def newest(db: Connection, run_ids: list[int]) -> list[Row]:
    """id, job_id, reason, message and error (JSON) of these runs."""
    return many(
        db,
        "SELECT id, job_id, reason, message, error FROM runs WHERE id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps(run_ids)},
    )


def others(db: Connection, fingerprint: str, limit: int) -> int:
    """How many runs failed so, at most `limit`."""
    found = many(
        db,
        "SELECT count(*) AS count FROM (SELECT 1 FROM runs INDEXED BY runs_failed_as"
        " WHERE fingerprint = :fingerprint LIMIT :limit)",
        {"fingerprint": fingerprint, "limit": limit},
    )
    return int(found[0]["count"])

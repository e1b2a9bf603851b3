"""Failed runs by what they have in common. Read from the index runs_failed_as alone, but for the newest of each.

That index has the runs of one job that failed in one way side by side, so it is walked from one such pair to the next:
of the runs between only their number is wanted, and that of those days that are drawn.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

from longhouse.store.database import Connection, Row, many

PRINTS = """
WITH RECURSIVE prints (f) AS (
    SELECT min(fingerprint) FROM runs INDEXED BY runs_failed_as WHERE fingerprint IS NOT NULL
     UNION ALL
    SELECT (SELECT min(fingerprint) FROM runs INDEXED BY runs_failed_as WHERE fingerprint > f)
      FROM prints WHERE f IS NOT NULL
)"""
NAMED = "WITH RECURSIVE prints (f) AS (SELECT value FROM json_each(:fingerprints))"
JOBS = """
, pairs (f, j) AS (
    SELECT f, (SELECT min(job_id) FROM runs INDEXED BY runs_failed_as WHERE fingerprint = f)
      FROM prints WHERE f IS NOT NULL
     UNION ALL
    SELECT f, (SELECT min(job_id) FROM runs INDEXED BY runs_failed_as WHERE fingerprint = f AND job_id > j)
      FROM pairs WHERE j IS NOT NULL
)"""
OF_JOB = ", pairs (f, j) AS (SELECT f, :job_id FROM prints WHERE f IS NOT NULL)"
COUNTED = """
SELECT f, j,
       (SELECT count(*) FROM runs INDEXED BY runs_failed_as WHERE fingerprint = f AND job_id = j),
       (SELECT min(finished_at) FROM runs INDEXED BY runs_failed_as WHERE fingerprint = f AND job_id = j),
       (SELECT max(finished_at) FROM runs INDEXED BY runs_failed_as WHERE fingerprint = f AND job_id = j),
       (SELECT id FROM runs INDEXED BY runs_failed_as WHERE fingerprint = f AND job_id = j
         ORDER BY finished_at DESC, id DESC LIMIT 1)
  FROM pairs WHERE j IS NOT NULL
"""
SINCE = """
SELECT f, finished_at FROM pairs CROSS JOIN runs INDEXED BY runs_failed_as
    ON fingerprint = f AND job_id = j AND finished_at >= :since
 WHERE j IS NOT NULL
"""


class Pair(NamedTuple):
    """The runs of one job that failed in one way."""

    fingerprint: str
    job_id: str
    runs: int
    first: int
    last: int
    """Milliseconds."""
    newest: int
    """The run that ended last."""


def pairs(db: Connection, *, fingerprint: str | None = None, job_id: str | None = None) -> list[Pair]:
    """Of all failures, or of those of one kind, or of one job."""
    prints, jobs = PRINTS if fingerprint is None else NAMED, JOBS if job_id is None else OF_JOB
    values = {"fingerprints": json.dumps([fingerprint]), "job_id": job_id}
    found: list[Any] = db.execute(prints + jobs + COUNTED, values).fetchall()
    return [each for each in map(Pair._make, found) if each.runs]


def by_day(
    db: Connection, fingerprints: Sequence[str], begins: Sequence[int], job_id: str | None = None
) -> dict[str, list[int]]:
    """Of each kind how many runs failed on each day; `begins` says when the days begin, the last of them goes on."""
    jobs = JOBS if job_id is None else OF_JOB
    values = {"fingerprints": json.dumps(list(fingerprints)), "job_id": job_id, "since": begins[0]}
    found = {each: [0] * len(begins) for each in fingerprints}
    rows: Any = db.execute(NAMED + jobs + SINCE, values)
    for fingerprint, at in rows:  # to sort them into days takes SQLite three times as long
        found[fingerprint][bisect_right(begins, at) - 1] += 1
    return found


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

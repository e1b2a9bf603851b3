"""Where a run stands among the runs of its job, and what may be before it."""

from __future__ import annotations

from longhouse.store.database import Connection, one

NEIGHBOURS = """
SELECT (SELECT max(id) FROM runs WHERE job_id = :job AND id < :id) AS previous,
       (SELECT min(id) FROM runs WHERE job_id = :job AND id > :id) AS following
"""
ENDED_LAST = """
SELECT id FROM runs
 WHERE id IN (SELECT id FROM runs WHERE job_id = :job AND id < :id ORDER BY id DESC LIMIT 20)
   AND finished_at > :since AND finished_at <= :until ORDER BY finished_at DESC LIMIT 1
"""


def neighbours(db: Connection, job_id: str, run_id: int) -> tuple[int | None, int | None]:
    """The run of the job before this one and the one after it."""
    row = one(db, NEIGHBOURS, {"job": job_id, "id": run_id})
    return (row["previous"], row["following"]) if row else (None, None)


def ended_last(db: Connection, job_id: str, run_id: int, since: int, until: int) -> int | None:
    """Of the last 20 runs of the job before this one, the one that ended last between two times."""
    row = one(db, ENDED_LAST, {"job": job_id, "id": run_id, "since": since, "until": until})
    return row["id"] if row else None


def in_group(db: Connection, group: str) -> int:
    """How many runs of a concurrency group are running."""
    row = one(
        db, "SELECT count(*) AS n FROM runs WHERE state = 'running' AND concurrency_group = :group", {"group": group}
    )
    return row["n"] if row else 0

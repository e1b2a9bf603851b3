"""What is old enough to go, and its going. Each deletion is one short statement or a few in one transaction."""

from __future__ import annotations

import json

from longhouse.store.database import Connection, many, one, run

FORGETTABLE = """
SELECT id FROM runs INDEXED BY runs_of_job
 WHERE job_id = :job_id AND id <= :bound AND state NOT IN ('queued', 'retrying', 'running')
   AND (id <= :surplus OR finished_at < :before)
   AND id <> coalesce((SELECT max(g.id) FROM runs AS g INDEXED BY runs_of_job
                        WHERE g.job_id = :job_id AND g.state = 'succeeded'), 0)
 ORDER BY id LIMIT :limit
"""


def job_ids(db: Connection) -> list[str]:
    """Of every job there ever was: all runs and entries belong to one."""
    return [row["id"] for row in many(db, "SELECT id FROM jobs ORDER BY id")]


def newest_before(db: Connection, before: int) -> int:
    """The id of the newest run that was made before this time, 0 if there is none: by halving, ids grow with time."""
    low = 0
    row = one(db, "SELECT coalesce(max(id), 0) AS id FROM runs")
    high = int(row["id"]) if row else 0
    while low < high:
        middle = (low + high + 1) // 2
        at = one(db, "SELECT created_at FROM runs WHERE id <= :id ORDER BY id DESC LIMIT 1", {"id": middle})
        if at is None or at["created_at"] < before:
            low = middle
        else:
            high = middle - 1
    return low


def forgettable(db: Connection, job_id: str, *, old: int, before: int, least: int, most: int, limit: int) -> list[int]:
    """At most `limit` ended runs of the job that may go, oldest first. `old` is `newest_before(before)`."""
    surplus = _nth_newest(db, job_id, most)
    bound = max(surplus, min(old, _nth_newest(db, job_id, least)))
    if not bound:
        return []
    values = {"job_id": job_id, "bound": bound, "surplus": surplus, "before": before, "limit": limit}
    return [row["id"] for row in many(db, FORGETTABLE, values)]


def _nth_newest(db: Connection, job_id: str, n: int) -> int:
    row = one(
        db,
        "SELECT id FROM runs INDEXED BY runs_of_job WHERE job_id = :job_id ORDER BY id DESC LIMIT 1 OFFSET :n",
        {"job_id": job_id, "n": n},
    )
    return int(row["id"]) if row else 0


def forget(db: Connection, run_ids: list[int]) -> None:
    """The runs with their attempts and artifacts go; what pointed at them points at nothing."""
    ids = {"ids": json.dumps(run_ids)}
    run(db, "UPDATE firings SET run_id = NULL WHERE run_id IN (SELECT value FROM json_each(:ids))", ids)
    run(db, "UPDATE runs SET rerun_of = NULL WHERE rerun_of IN (SELECT value FROM json_each(:ids))", ids)
    run(db, "DELETE FROM runs WHERE id IN (SELECT value FROM json_each(:ids))", ids)


def old_firings(db: Connection, job_id: str, before: int, limit: int) -> list[int]:
    """At most `limit` ledger entries of the job that ended before this time and name no run that is still there."""
    rows = many(
        db,
        "SELECT id FROM firings WHERE job_id = :job_id AND due < :before AND last_due < :before AND run_id IS NULL"
        " ORDER BY due LIMIT :limit",
        {"job_id": job_id, "before": before, "limit": limit},
    )
    return [row["id"] for row in rows]


def drop_firings(db: Connection, ids: list[int]) -> None:
    run(db, "DELETE FROM firings WHERE id IN (SELECT value FROM json_each(:ids))", {"ids": json.dumps(ids)})


# --- space ----------------------------------------------------------------------------------------------------------


def free_pages(db: Connection) -> int:
    """Pages of the file that hold nothing."""
    row = one(db, "PRAGMA freelist_count")
    return int(row["freelist_count"]) if row else 0


def give_back(db: Connection, pages: int) -> None:
    """Free pages leave the file, from its end."""
    run(db, f"PRAGMA incremental_vacuum({pages:d})")

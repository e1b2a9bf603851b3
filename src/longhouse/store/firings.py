"""The ledger: what became of every due time that has passed."""

from __future__ import annotations

from longhouse.store.database import Connection, Row, many, one, run

RECORD = """
INSERT INTO firings (job_id, due, last_due, count, "end", run_id, recorded_at)
VALUES (:job_id, :due, :last, :count, :end, :run_id, :now)
ON CONFLICT (job_id, due) DO NOTHING
"""
EXTEND = """
UPDATE firings SET last_due = :last, count = count + :count, recorded_at = :now
 WHERE id = (SELECT id FROM firings WHERE job_id = :job_id AND due < :due ORDER BY due DESC LIMIT 1)
   AND "end" = :end AND run_id IS NULL AND last_due IS NOT NULL AND :run_id IS NULL
"""


def record(
    db: Connection, job_id: str, due: int, *, last: int, count: int, end: str, run_id: int | None, now: int
) -> bool:
    """Enter `count` due times from `due` to `last`; False if `due` had its entry already.

    Extends the row before it when that ended the same way without a run: consecutive misses are one row.
    """
    values = {"job_id": job_id, "due": due, "last": last, "count": count, "end": end, "run_id": run_id, "now": now}
    if end != "ran" and run_id is None and run(db, EXTEND, values):
        return True
    return run(db, RECORD, values) == 1


def known(db: Connection, job_id: str, due: int) -> bool:
    """Whether a row begins with this due time."""
    return (
        one(db, "SELECT 1 FROM firings WHERE job_id = :job_id AND due = :due", {"job_id": job_id, "due": due})
        is not None
    )


def ran(db: Connection, job_id: str, low: int, high: int) -> set[int]:
    """The due times in [low, high] that started a run."""
    rows = many(
        db,
        "SELECT due FROM firings WHERE job_id = :job_id AND due BETWEEN :low AND :high AND \"end\" = 'ran'",
        {"job_id": job_id, "low": low, "high": high},
    )
    return {row["due"] for row in rows}


def forget_after(db: Connection, job_id: str, now: int) -> None:
    """Drop the closed rows that begin after `now` and started no run of their own."""
    run(
        db,
        "DELETE FROM firings WHERE job_id = :job_id AND due > :now AND \"end\" <> 'ran' AND last_due IS NOT NULL",
        {"job_id": job_id, "now": now},
    )


def over(db: Connection, job_id: str, now: int) -> Row | None:
    """The closed row that begins at or before `now` and ends after it."""
    row = one(
        db,
        "SELECT * FROM firings WHERE job_id = :job_id AND due <= :now ORDER BY due DESC LIMIT 1",
        {"job_id": job_id, "now": now},
    )
    return row if row is not None and row["last_due"] is not None and row["last_due"] > now else None


def shorten(db: Connection, firing_id: int, last: int, count: int, now: int) -> None:
    run(
        db,
        "UPDATE firings SET last_due = :last, count = :count, recorded_at = :now WHERE id = :id",
        {"id": firing_id, "last": last, "count": count, "now": now},
    )


def drop(db: Connection, firing_id: int) -> None:
    run(db, "DELETE FROM firings WHERE id = :id", {"id": firing_id})


def open_range(db: Connection, job_id: str, due: int, end: str, now: int) -> None:
    """From `due` on, all due times of the job end as `end`, until `close_range`."""
    run(
        db,
        'INSERT INTO firings (job_id, due, "end", recorded_at) VALUES (:job_id, :due, :end, :now)'
        " ON CONFLICT (job_id, due) DO NOTHING",
        {"job_id": job_id, "due": due, "end": end, "now": now},
    )


def opened(db: Connection, job_id: str) -> Row | None:
    return one(db, "SELECT * FROM firings WHERE job_id = :job_id AND last_due IS NULL", {"job_id": job_id})


def held(db: Connection, low: int, high: int) -> list[Row]:
    """Per job of the manifest: job_id, and how many due times in (low, high] are held since the clock was set."""
    return many(
        db,
        "SELECT j.id AS job_id, sum(f.count) AS count FROM jobs AS j JOIN firings AS f ON f.job_id = j.id"
        " WHERE j.removed_at IS NULL AND f.due > :low AND f.due <= :high AND f.\"end\" = 'held_clock'"
        " GROUP BY j.id ORDER BY j.id",
        {"low": low, "high": high},
    )


def held_rows(db: Connection, job_id: str, low: int, high: int) -> list[Row]:
    """The held rows of a job that begin in (low, high], oldest first."""
    return many(
        db,
        "SELECT * FROM firings WHERE job_id = :job_id AND due > :low AND due <= :high AND \"end\" = 'held_clock'"
        " ORDER BY due",
        {"job_id": job_id, "low": low, "high": high},
    )


def between(db: Connection, job_id: str, low: int, high: int, limit: int) -> list[Row]:
    """Rows that touch [low, high], newest first; open rows have last_due and count None."""
    return many(
        db,
        "SELECT * FROM firings WHERE job_id = :job_id AND due <= :high AND coalesce(last_due, :high) >= :low"
        " ORDER BY due DESC LIMIT :limit",
        {"job_id": job_id, "low": low, "high": high, "limit": limit},
    )


def of_run(db: Connection, run_id: int) -> list[Row]:
    return many(db, "SELECT * FROM firings WHERE run_id = :run_id ORDER BY due", {"run_id": run_id})

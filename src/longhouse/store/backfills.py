"""Ranges of due times that were run once more, each as one act."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from longhouse.store.database import Connection, Row, insert, many, one, run

COLUMNS = "id, job_id, low, high, first, last, count, actor, surface, created_at, cancelled_at"

RAN_BEFORE = """
SELECT count(*) AS n FROM json_each(:dues) AS due
 WHERE EXISTS (SELECT 1 FROM firings AS f WHERE f.job_id = :job_id AND f.due = due.value
                  AND (f.run_id IS NOT NULL OR f."end" = 'ran'))
    OR EXISTS (SELECT 1 FROM backfills AS b JOIN runs AS r ON r.backfill_id = b.id
                WHERE b.job_id = :job_id AND b.first <= due.value AND b.last >= due.value AND r.due = due.value
                  AND r.state <> 'cancelled')
"""


@dataclass(frozen=True)
class Backfill:
    id: int
    job_id: str
    low: int
    high: int
    first: int
    last: int
    count: int
    actor: str
    surface: str
    created_at: int
    cancelled_at: int | None
    runs: dict[str, int]
    """How many of its runs are in which state; less than `count` when old ones are no longer kept."""


def add(db: Connection, values: dict[str, Any]) -> int:
    return insert(
        db,
        "INSERT INTO backfills (job_id, low, high, first, last, count, actor, surface, created_at)"
        " VALUES (:job_id, :low, :high, :first, :last, :count, :actor, :surface, :now)",
        values,
    )


def get(db: Connection, backfill_id: int) -> Backfill | None:
    row = one(db, f"SELECT {COLUMNS} FROM backfills WHERE id = :id", {"id": backfill_id})  # noqa: S608
    return _backfill(db, row) if row else None


def page(db: Connection, *, job_id: str | None, before: int | None, limit: int) -> list[Backfill]:
    """At most `limit` with an id below `before`, newest first."""
    rows = many(
        db,
        f"SELECT {COLUMNS} FROM backfills WHERE (:job_id IS NULL OR job_id = :job_id)"  # noqa: S608
        " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
        {"job_id": job_id, "before": before, "limit": limit},
    )
    return [_backfill(db, row) for row in rows]


def _backfill(db: Connection, row: Row) -> Backfill:
    states = many(db, "SELECT state, count(*) AS n FROM runs WHERE backfill_id = :id GROUP BY state", {"id": row["id"]})
    return Backfill(**row, runs={each["state"]: each["n"] for each in states})


def active_ids(db: Connection, backfill_id: int) -> list[int]:
    """Its runs that have not ended."""
    rows = many(
        db,
        "SELECT id FROM runs WHERE backfill_id = :id AND state IN ('queued', 'retrying', 'running') ORDER BY id",
        {"id": backfill_id},
    )
    return [row["id"] for row in rows]


def set_cancelled(db: Connection, backfill_id: int, now: int) -> None:
    run(db, "UPDATE backfills SET cancelled_at = :now WHERE id = :id", {"id": backfill_id, "now": now})


def ran_before(db: Connection, job_id: str, dues: list[int]) -> int:
    """How many of these due times have a run already: by the schedule, by catching up, or by a backfill."""
    row = one(db, RAN_BEFORE, {"job_id": job_id, "dues": json.dumps(dues)})
    return int(row["n"]) if row else 0

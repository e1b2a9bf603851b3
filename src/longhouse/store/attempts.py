"""Attempts of runs: who claimed them, until when, which process they are, and how they ended."""

from __future__ import annotations

import json
from typing import Any

from longhouse.store.database import Connection, Row, many, one, run

BEGIN = """
INSERT INTO attempts (run_id, attempt, owner, lease_until, claimed_at, output)
VALUES (:run_id, :attempt, :owner, :lease_until, :now, :output)
"""
END = """
UPDATE attempts SET state = :state, reason = :reason, message = :message, exit_code = :exit_code, signal = :signal,
       cpu_seconds = :cpu_seconds, peak_memory_bytes = :peak_memory_bytes, error = :error, finished_at = :now,
       retry_at = :retry_at
 WHERE run_id = :run_id AND attempt = :attempt AND state IS NULL
"""


def begin(db: Connection, values: dict[str, Any]) -> None:
    run(db, BEGIN, values)


def started(db: Connection, run_id: int, attempt: int, pid: int, ticks: int, boot_id: str, now: int) -> bool:
    """Note which process it is; False if the attempt is no longer the living one."""
    return (
        run(
            db,
            "UPDATE attempts SET pid = :pid, started_ticks = :ticks, boot_id = :boot_id, started_at = :now"
            " WHERE run_id = :run_id AND attempt = :attempt AND state IS NULL",
            {"pid": pid, "ticks": ticks, "boot_id": boot_id, "now": now, "run_id": run_id, "attempt": attempt},
        )
        == 1
    )


def renew_leases(db: Connection, owner: str, lease_until: int) -> int:
    return run(
        db,
        "UPDATE attempts SET lease_until = :until WHERE owner = :owner AND state IS NULL",
        {"owner": owner, "until": lease_until},
    )


def own(db: Connection, owner: str) -> list[Row]:
    """Living attempts of this owner."""
    return many(db, "SELECT * FROM attempts WHERE state IS NULL AND owner = :owner ORDER BY run_id", {"owner": owner})


def foreign(db: Connection, owner: str) -> list[Row]:
    """Living attempts that belong to another owner."""
    return many(
        db,
        "SELECT * FROM attempts INDEXED BY attempts_live WHERE state IS NULL AND owner <> :owner ORDER BY run_id",
        {"owner": owner},
    )


def stuck(db: Connection, owner: str, now: int) -> int:
    """Running runs without a heartbeat: no living attempt of this owner, or one whose lease has lapsed."""
    found = one(
        db,
        "SELECT count(*) AS n FROM runs AS r WHERE r.state = 'running' AND NOT EXISTS ("
        " SELECT 1 FROM attempts AS a WHERE a.run_id = r.id AND a.attempt = r.attempt AND a.state IS NULL"
        " AND a.owner = :owner AND a.lease_until >= :now)",
        {"owner": owner, "now": now},
    )
    return found["n"] if found else 0


def end(db: Connection, values: dict[str, Any]) -> bool:
    return run(db, END, values) == 1


def of_run(db: Connection, run_id: int) -> list[Row]:
    rows = many(db, "SELECT * FROM attempts WHERE run_id = :id ORDER BY attempt", {"id": run_id})
    for row in rows:
        row["error"] = json.loads(row["error"]) if row["error"] else None
    return rows

"""What happened, for those who watch. The row id is the SSE event id."""

from __future__ import annotations

import json
from typing import Any

from longhouse.store.database import Connection, Row, many, one, run


def append(db: Connection, type: str, subject: str, data: dict[str, Any], now: int) -> None:
    run(
        db,
        "INSERT INTO events (at, type, subject, data) VALUES (:at, :type, :subject, :data)",
        {"at": now, "type": type, "subject": subject, "data": json.dumps(data)},
    )


def after(db: Connection, last: int, limit: int) -> list[Row]:
    """At most `limit` events later than id `last`, oldest first; `data` is parsed."""
    rows = many(
        db,
        "SELECT id, at, type, subject, data FROM events WHERE id > :last ORDER BY id LIMIT :limit",
        {"last": last, "limit": limit},
    )
    for row in rows:
        row["data"] = json.loads(row["data"])
    return rows


def newest(db: Connection) -> int:
    row = one(db, "SELECT coalesce(max(id), 0) AS id FROM events")
    return int(row["id"]) if row else 0


def surplus(db: Connection, keep: int, limit: int) -> list[int]:
    """At most `limit` ids of events that are not among the newest `keep`, oldest first."""
    rows = many(
        db,
        "SELECT id FROM events WHERE id <= (SELECT max(id) FROM events) - :keep ORDER BY id LIMIT :limit",
        {"keep": keep, "limit": limit},
    )
    return [row["id"] for row in rows]


def drop(db: Connection, ids: list[int]) -> None:
    run(db, "DELETE FROM events WHERE id IN (SELECT value FROM json_each(:ids))", {"ids": json.dumps(ids)})

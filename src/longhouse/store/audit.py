"""The rows of the audit chain; `longhouse.audit` computes the hashes."""

from __future__ import annotations

from typing import Any

from longhouse.store.database import Connection, Row, many, one, run

APPEND = """
INSERT INTO audit (seq, at, actor, surface, verb, subject, before, after, previous_hash, hash)
VALUES (:seq, :at, :actor, :surface, :verb, :subject, :before, :after, :previous_hash, :hash)
"""


def last(db: Connection) -> tuple[int, str]:
    """(seq, hash) of the newest row; (0, "") of an empty chain."""
    row = one(db, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    return (row["seq"], row["hash"]) if row else (0, "")


def append(db: Connection, row: dict[str, Any]) -> None:
    run(db, APPEND, row)


def page(db: Connection, after: int, limit: int) -> list[Row]:
    """At most `limit` rows with a seq above `after`, in order."""
    return many(
        db, "SELECT * FROM audit WHERE seq > :after ORDER BY seq LIMIT :limit", {"after": after, "limit": limit}
    )

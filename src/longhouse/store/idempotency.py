"""Replies that are kept under the key their caller chose, so that a repeated request is answered, not done again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from longhouse.store.database import Connection, Database, Row, one, run


class Joined(Database):
    """A database whose reads and writes all belong to a transaction that is open already; never leave it to others."""

    def __init__(self, connection: Connection, outer: Database) -> None:
        self.path = outer.path
        self._joined = connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        yield self._joined

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._joined


def get(db: Connection, key: str, route: str) -> Row | None:
    """body_hash, status (None: the request is still at work), reply, created_at."""
    return one(
        db,
        "SELECT body_hash, status, reply, created_at FROM idempotency_keys WHERE key = :key AND route = :route",
        {"key": key, "route": route},
    )


def begin(db: Connection, key: str, route: str, body_hash: str, now: int) -> None:
    """Take the key; one that a request before left unfinished is taken over."""
    run(
        db,
        "INSERT INTO idempotency_keys (key, route, body_hash, created_at) VALUES (:key, :route, :hash, :now)"
        " ON CONFLICT (key, route) DO UPDATE SET body_hash = excluded.body_hash, created_at = excluded.created_at",
        {"key": key, "route": route, "hash": body_hash, "now": now},
    )


def finish(db: Connection, key: str, route: str, status: int, reply: str) -> None:
    run(
        db,
        "UPDATE idempotency_keys SET status = :status, reply = :reply WHERE key = :key AND route = :route",
        {"key": key, "route": route, "status": status, "reply": reply},
    )


def drop(db: Connection, key: str, route: str) -> None:
    """The request failed: the next one with this key is a new one."""
    run(db, "DELETE FROM idempotency_keys WHERE key = :key AND route = :route", {"key": key, "route": route})


def older(db: Connection, before: int) -> int:
    """How many replies were made before this time."""
    row = one(db, "SELECT count(*) AS n FROM idempotency_keys WHERE created_at < :before", {"before": before})
    return int(row["n"]) if row else 0


def prune(db: Connection, before: int) -> None:
    run(db, "DELETE FROM idempotency_keys WHERE created_at < :before", {"before": before})

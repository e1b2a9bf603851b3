"""Rows whose value is encrypted: secrets of jobs, credentials of remotes. This module never sees a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longhouse.store.database import Connection, many, one, run

SELECT = "SELECT realm, name, version, sealed, tail, set_at, set_by FROM sealed"


@dataclass(frozen=True)
class Sealed:
    realm: str
    name: str
    version: int
    """Of the value; part of what it is bound to."""
    sealed: str
    tail: str
    """The last characters of a long value, to tell it by; else empty."""
    set_at: int
    set_by: str


def get(db: Connection, realm: str, name: str) -> Sealed | None:
    row = one(db, SELECT + " WHERE realm = :realm AND name = :name", {"realm": realm, "name": name})
    return Sealed(**row) if row else None


def of_realm(db: Connection, realm: str) -> list[Sealed]:
    rows = many(db, SELECT + " WHERE realm = :realm ORDER BY name", {"realm": realm})
    return [Sealed(**row) for row in rows]


def page(db: Connection, after: tuple[str, str], limit: int) -> list[Sealed]:
    """In the order of realm and name, those behind `after`."""
    sql = SELECT + " WHERE (realm, name) > (:realm, :name) ORDER BY realm, name LIMIT :limit"
    rows = many(db, sql, {"realm": after[0], "name": after[1], "limit": limit})
    return [Sealed(**row) for row in rows]


def count(db: Connection) -> int:
    found = one(db, "SELECT count(*) AS n FROM sealed")
    return int(found["n"]) if found else 0


def put(db: Connection, values: dict[str, Any]) -> None:
    run(
        db,
        "INSERT INTO sealed (realm, name, version, sealed, tail, set_at, set_by)"
        " VALUES (:realm, :name, :version, :sealed, :tail, :set_at, :set_by)"
        " ON CONFLICT (realm, name) DO UPDATE SET version = excluded.version, sealed = excluded.sealed,"
        " tail = excluded.tail, set_at = excluded.set_at, set_by = excluded.set_by",
        values,
    )


def reseal(db: Connection, row: Sealed, version: int, sealed: str) -> bool:
    """The same value sealed anew; False if the row has changed since it was read."""
    changed = run(
        db,
        "UPDATE sealed SET version = :version, sealed = :sealed"
        " WHERE realm = :realm AND name = :name AND sealed = :old",
        {"version": version, "sealed": sealed, "realm": row.realm, "name": row.name, "old": row.sealed},
    )
    return changed == 1


def remove(db: Connection, realm: str, name: str) -> bool:
    return run(db, "DELETE FROM sealed WHERE realm = :realm AND name = :name", {"realm": realm, "name": name}) == 1

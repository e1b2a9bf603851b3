"""Small values of the instance itself, by key."""

from __future__ import annotations

import json
from typing import Any

from longhouse.store.database import Connection, one, run


def get(db: Connection, key: str, default: Any = None) -> Any:
    row = one(db, "SELECT value FROM settings WHERE key = :key", {"key": key})
    return default if row is None else json.loads(row["value"])


def put(db: Connection, key: str, value: Any) -> None:
    run(
        db,
        "INSERT INTO settings (key, value) VALUES (:key, :value)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        {"key": key, "value": json.dumps(value)},
    )

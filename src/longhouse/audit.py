"""The audit trail: every act writes one row, in its own transaction, chained to the row before it."""

from __future__ import annotations

import json
from typing import Any

import rfc8785

from longhouse.house import By, House
from longhouse.store import audit as rows
from longhouse.store.database import Connection

PAGE = 1000


def record(
    house: House, db: Connection, by: By, verb: str, subject: str, *, before: Any = None, after: Any = None
) -> None:
    """Inside the transaction of the act: if this fails, the act is rolled back."""
    seq, previous = rows.last(db)
    event: dict[str, str | int] = {
        "seq": seq + 1,
        "at": house.clock.now(),
        "actor": by.name,
        "surface": by.surface,
        "verb": verb,
        "subject": subject,
        "before": json.dumps(before, sort_keys=True),
        "after": json.dumps(after, sort_keys=True),
    }
    rows.append(db, {**event, "previous_hash": previous, "hash": house.keys.chain(previous, rfc8785.dumps(event))})


def verify(house: House) -> int | None:
    """The number of the first row that is missing, changed or out of place; None if the chain is whole."""
    seq, previous = 0, ""
    while True:
        with house.db.read() as db:
            page = rows.page(db, seq, PAGE)
        if not page:
            return None
        for row in page:
            seq += 1
            stored, linked = row.pop("hash"), row.pop("previous_hash")
            if row["seq"] != seq or linked != previous or house.keys.chain(previous, rfc8785.dumps(row)) != stored:
                return seq
            previous = stored

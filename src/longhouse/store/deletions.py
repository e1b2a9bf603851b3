"""What somebody has deleted, until it is gone: so that a deletion that was cut short is finished by the next start."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from longhouse.store import run_search
from longhouse.store.database import Connection, Row, insert, many, run
from longhouse.store.run_search import Wanted


@dataclass(frozen=True)
class Doomed:
    """Runs by their numbers, or all that fit; then `matching` says when they had ended and between which numbers."""

    ids: tuple[int, ...] = ()
    matching: Wanted | None = None


def add(db: Connection, doomed: Doomed) -> int:
    return insert(db, "INSERT INTO deletions (doomed) VALUES (:doomed)", {"doomed": json.dumps(asdict(doomed))})


def pending(db: Connection) -> list[tuple[int, Doomed]]:
    """Those that are not done, oldest first."""
    return [(row["id"], _doomed(row["doomed"])) for row in many(db, "SELECT id, doomed FROM deletions ORDER BY id")]


def _doomed(text: str) -> Doomed:
    read = json.loads(text)
    matching = read["matching"]
    if matching is not None:
        matching = Wanted(**{**matching, "states": tuple(matching["states"])})
    return Doomed(tuple(read["ids"]), matching)


def done(db: Connection, deletion_id: int) -> None:
    run(db, "DELETE FROM deletions WHERE id = :id", {"id": deletion_id})


def finished(db: Connection, doomed: Doomed, before: int | None, limit: int) -> list[int]:
    """At most `limit` of them that are still there and have ended, with numbers below `before`, newest first."""
    if doomed.matching is not None:
        return run_search.ids(db, doomed.matching, limit, before)
    rows = many(
        db,
        "SELECT id FROM runs WHERE id IN (SELECT value FROM json_each(:ids)) AND (:before IS NULL OR id < :before)"
        " AND state NOT IN ('queued', 'retrying', 'running') ORDER BY id DESC LIMIT :limit",
        {"ids": json.dumps(doomed.ids), "before": before, "limit": limit},
    )
    return [row["id"] for row in rows]


def standing(db: Connection, run_ids: Iterable[int]) -> dict[int, Row]:
    """id, job_id, state and finished_at of those that there are."""
    rows = many(
        db,
        "SELECT id, job_id, state, finished_at FROM runs WHERE id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps(list(run_ids))},
    )
    return {row["id"]: row for row in rows}

"""Runs by what is known of them: always by the index that leaves the fewest, so that a page of a million stays one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from longhouse.store import runs
from longhouse.store.database import Connection, Row, many, one
from longhouse.store.runs import Run

SAMPLES = (50, 500, 5_000)
"""So many entries of each index are counted when several could be used, until one has fewer."""
SEARCHED = 50_000
"""So many messages are looked through, newest first; for each page of a list from where it begins."""
NEAR = 1_000
"""Ids follow the clock, but where it was set back; so many neighbours are looked at for the first one, and so many of
the newest runs for what runs have."""
RESOLVED = 20
NEVER = "0"
"""A condition that nothing meets."""


@dataclass(frozen=True)
class Wanted:
    """None, '' and () are no condition. Times are milliseconds of when runs were made: from `since` up to `until`."""

    job_id: str | None = None
    states: tuple[str, ...] = ()
    backfill_id: int | None = None
    reason: str | None = None
    trigger: str | None = None
    commit: str | None = None
    """Of the commit as of the environment the beginning is enough."""
    environment: str | None = None
    since: int | None = None
    until: int | None = None
    text: str = ""
    """In a message, or a run's number."""
    floor: int | None = None
    """Messages of runs from this number on are looked through, however many; None: the newest SEARCHED."""
    fingerprint: str | None = None
    low: int | None = None
    """Numbers of runs, both included."""
    high: int | None = None
    ended_by: int | None = None
    """Those that ended at this time or before it."""

    @property
    def any(self) -> bool:
        return self != Wanted()


class Counted(NamedTuple):
    runs: int
    low: int
    """Numbers of the first and the last; 0 if there is none."""
    high: int


def page(db: Connection, wanted: Wanted, *, before: int | None, limit: int) -> list[Run]:
    """At most `limit` runs with an id below `before`, newest first, without their large documents."""
    return [runs.run_of(row) for row in _rows(db, runs.LISTED, wanted, before, limit)]


def ids(db: Connection, wanted: Wanted, limit: int, before: int | None = None) -> list[int]:
    """At most `limit`, newest first, with numbers below `before`."""
    return [row["id"] for row in _rows(db, "id", wanted, before, limit)]


def counted(db: Connection, wanted: Wanted) -> Counted:
    """How many there are in all: each of them is looked at."""
    rows = _rows(db, "count(*) AS n, min(id) AS low, max(id) AS high", wanted, None, 1)
    return Counted(rows[0]["n"], rows[0]["low"] or 0, rows[0]["high"] or 0) if rows else Counted(0, 0, 0)


def floor(db: Connection, wanted: Wanted) -> int | None:
    """The first run whose message a search looks through now; None if there is no text. When those that it found have
    gone, the newest would reach further back: with this as its floor the search stays where it was."""
    if not wanted.text:
        return None
    values = {"floor": 0, "high": _span(db, wanted)[1], "searched": SEARCHED}
    row = one(db, f"SELECT min(said) AS floor FROM ({SAID})", values)  # noqa: S608
    return (row["floor"] if row else None) or 0


def ambiguous(db: Connection, wanted: Wanted) -> str | None:
    """The beginning that so many commits or environments have that not all of them are looked for."""
    for name, column in BEGINNING.items():
        value = getattr(wanted, name)
        if value and len(_resolved(db, column, value)) >= RESOLVED:
            return str(value)
    return None


def values(db: Connection, name: str, beginning: str, limit: int = RESOLVED) -> list[str]:
    """What runs have of commits or environments (`name` is that of Wanted): what begins so, in order; of all of them
    those of the NEAR newest runs, so that there being none is known as soon."""
    column = BEGINNING[name]
    if beginning:
        return _resolved(db, column, beginning)[:limit]
    rows = many(
        db,
        f"SELECT value FROM (SELECT {column} AS value, id FROM runs NOT INDEXED ORDER BY id DESC LIMIT :near)"  # noqa: S608
        " WHERE value <> '' GROUP BY value ORDER BY max(id) DESC LIMIT :limit",
        {"near": NEAR, "limit": limit},
    )
    return [row["value"] for row in rows]


def _rows(db: Connection, columns: str, wanted: Wanted, before: int | None, limit: int) -> list[Row]:
    where, values = _conditions(db, wanted, before)
    if NEVER in where:
        return []
    index = None if wanted.text else _narrowest(db, values)
    source = f"runs INDEXED BY {index}" if index else "runs"
    if wanted.text:
        found = f"SELECT said FROM ({SAID}) WHERE words LIKE :text ESCAPE '\\'"  # noqa: S608
        where.append(f"id IN ({found} UNION SELECT :number)")
    return many(
        db,
        f"SELECT {columns} FROM {source} WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT :limit",  # noqa: S608
        {**values, "limit": limit},
    )


def _conditions(db: Connection, wanted: Wanted, before: int | None) -> tuple[list[str], dict[str, Any]]:
    low, high = _span(db, wanted)
    if before is not None:
        high = min(high, before - 1)
    where: list[str] = ["id >= :low", "id <= :high"]
    values: dict[str, Any] = {"low": low, "high": high}
    for name, column in EQUAL.items():
        value = getattr(wanted, name)
        if value:
            where.append(f"{column} = :{name} AND {column} <> ''")  # the indexes leave those out
            values[name] = value
    for name, column in BEGINNING.items():
        value = getattr(wanted, name)
        if value:
            _among(where, values, column, name, _resolved(db, column, value))
    if wanted.states:
        _among(where, values, "state", "state", list(wanted.states))
    if wanted.since is not None:
        where.append("created_at >= :since")
        values["since"] = wanted.since
    if wanted.until is not None:
        where.append("created_at < :until")
        values["until"] = wanted.until
    if wanted.ended_by is not None:
        where.append("finished_at <= :ended_by")
        values["ended_by"] = wanted.ended_by
    if wanted.text:
        escaped = wanted.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        number = int(wanted.text) if wanted.text.isascii() and wanted.text.isdigit() and len(wanted.text) < 16 else -1
        values |= {"text": f"%{escaped}%", "number": number}
        if wanted.floor is None:
            values |= {"floor": 0, "searched": SEARCHED}
        else:  # runs that have ended since then are in there, too: they push out none that was counted
            values |= {"floor": wanted.floor, "searched": -1}
    return where, values


SAID = (
    "SELECT id AS said, substr(message, 1, 300) AS words FROM runs INDEXED BY runs_said"
    " WHERE message <> '' AND id >= :floor AND id <= :high ORDER BY id DESC LIMIT :searched"
)
EQUAL = {
    "job_id": "job_id",
    "backfill_id": "backfill_id",
    "reason": "reason",
    "trigger": "trigger",
    "fingerprint": "fingerprint",
}
BEGINNING = {"commit": "commit_sha", "environment": "environment"}


def _among(where: list[str], values: dict[str, Any], column: str, name: str, found: list[str]) -> None:
    """One value is an equation: then the index gives the order, too."""
    values |= {f"{name}{place}": each for place, each in enumerate(found)}
    places = [f":{name}{place}" for place in range(len(found))]
    if not places:
        where.append(NEVER)
        return
    where.append(f"{column} = {places[0]}" if len(places) == 1 else f"{column} IN ({', '.join(places)})")
    where.append(f"{column} <> ''")


def _resolved(db: Connection, column: str, beginning: str) -> list[str]:
    """The values that begin so, by jumping from one to the next in the index."""
    above = f"(SELECT min({column}) FROM runs WHERE {column} > {{}} AND {column} <> '')"  # noqa: S608
    rows = many(
        db,
        f"WITH RECURSIVE found (value) AS (SELECT min({column}) FROM runs"  # noqa: S608
        f" WHERE {column} >= :low AND {column} <> '' UNION ALL"
        f" SELECT {above.format('found.value')} FROM found WHERE found.value IS NOT NULL LIMIT :most)"
        " SELECT value FROM found WHERE substr(value, 1, length(:low)) = :low",
        {"low": beginning, "most": RESOLVED},
    )
    return [row["value"] for row in rows]


def _span(db: Connection, wanted: Wanted) -> tuple[int, int]:
    """Between which ids all runs of the time lie; with them every index can be used for a time, too."""
    low, high = wanted.low or 0, 2**62 if wanted.high is None else wanted.high
    if wanted.since is not None:
        row = one(
            db,
            "SELECT min(id) AS id FROM (SELECT id FROM runs WHERE created_at >= :at ORDER BY created_at LIMIT :near)",
            {"at": wanted.since, "near": NEAR},
        )
        low = max(low, row["id"]) if row and row["id"] is not None else 2**62
    if wanted.until is not None:
        row = one(
            db,
            "SELECT max(id) AS id FROM"
            " (SELECT id FROM runs WHERE created_at < :at ORDER BY created_at DESC LIMIT :near)",
            {"at": wanted.until, "near": NEAR},
        )
        high = min(high, row["id"]) if row and row["id"] is not None else 0
    return low, high


INDEXES = (
    ("fingerprint", "fingerprint", "runs_failed_as"),
    ("backfill_id", "backfill_id", "runs_of_backfill"),
    ("job_id", "job_id", "runs_of_job"),
    ("reason", "reason", "runs_by_reason"),
    ("trigger", "trigger", "runs_by_trigger"),
    ("state", "state0", "runs_by_state"),
    ("commit_sha", "commit0", "runs_of_commit"),
    ("environment", "environment0", "runs_in_environment"),
)
"""Column, the name of its value, and the index that begins with it."""


def _narrowest(db: Connection, values: dict[str, Any]) -> str | None:
    """The index with the fewest entries; None where nothing but the order of the ids helps."""
    usable = [
        (column, name, index)
        for column, name, index in INDEXES
        if name in values and f"{name.removesuffix('0')}1" not in values
    ]
    if len(usable) < 2:
        return usable[0][2] if usable else None
    fewest: tuple[int, str] = (0, usable[0][2])
    for most in SAMPLES:
        fewest = min((_count(db, column, name, index, values, most), index) for column, name, index in usable)
        if fewest[0] < most:
            break
    return fewest[1]


def _count(db: Connection, column: str, name: str, index: str, values: dict[str, Any], most: int) -> int:
    row = one(
        db,
        f"SELECT count(*) AS n FROM (SELECT 1 FROM runs INDEXED BY {index}"  # noqa: S608
        f" WHERE {column} = :{name} AND {column} <> '' AND id BETWEEN :low AND :high LIMIT :most)",
        {**values, "most": most},
    )
    return row["n"] if row else 0

"""Failed runs grouped by their fingerprint: the same error is one line, however often it came."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from longhouse import calendars
from longhouse.errors import NotFound
from longhouse.house import House
from longhouse.store import failures as rows
from longhouse.store.database import Connection, Row
from longhouse.store.failures import Pair

DAYS = 14
"""In the strip of a group."""
MANY = 1_000


@dataclass(frozen=True)
class Failure:
    """Runs that failed the same way."""

    fingerprint: str
    kind: str
    """The exception's type, or the reason; may be empty."""
    message: str
    """Of the newest run."""
    place: str
    """`jobs/digest.py:12` of the newest run, empty if there is none."""
    count: int
    first: int
    last: int
    """Milliseconds."""
    newest: int
    """Run."""
    jobs: dict[str, int]
    """Runs by job, most first."""
    days: tuple[int, ...]
    """Runs on each of the last DAYS days of the instance's zone, today last."""


def list_failures(
    house: House, *, days: int | None = None, job_id: str | None = None, after: int = 0, limit: int = 50
) -> tuple[list[Failure], int | None]:
    """The groups seen in the last `days` days (None: in all that is kept), the one seen last first, from place
    `after` on; and the place where the next page starts (None: that was all). With `job_id` only its runs count."""
    since = 0 if days is None else _midnights(house, days)[0]
    with house.db.read() as db:
        found = grouped(rows.pairs(db, job_id=job_id), since)
        shown = _told(house, db, found[after : after + limit], job_id)
    return shown, after + limit if len(found) > after + limit else None


def get_failure(house: House, fingerprint: str) -> Failure:
    """Raises NotFound."""
    with house.db.read() as db:
        found = grouped(rows.pairs(db, fingerprint=fingerprint))
        if not found:
            raise NotFound(
                f"no run failed in the way {fingerprint!r}",
                hint="Its runs may have been swept away. List what fails with: longhouse-jobs runs errors",
            )
        return _told(house, db, found)[0]


def grouped(pairs: Iterable[Pair], since: int = 0) -> list[list[Pair]]:
    """Those of the same kind together, the kind seen last first; without kinds not seen since `since`."""
    kinds: dict[str, list[Pair]] = {}
    for each in pairs:
        kinds.setdefault(each.fingerprint, []).append(each)
    seen = [(max(each.last for each in kind), name) for name, kind in kinds.items()]
    return [kinds[name] for last, name in sorted(seen, key=lambda pair: (-pair[0], pair[1])) if last >= since]


def others(house: House, fingerprint: str | None) -> int:
    """How many more runs failed the same way, at most MANY."""
    if fingerprint is None:
        return 0
    with house.db.read() as db:
        return max(0, rows.others(db, fingerprint, MANY + 1) - 1)


def _told(house: House, db: Connection, found: list[list[Pair]], job_id: str | None = None) -> list[Failure]:
    last = [max(kind, key=lambda each: (each.last, each.newest)) for kind in found]
    examples = {row["id"]: row for row in rows.newest(db, [each.newest for each in last])}
    days = rows.by_day(db, [each.fingerprint for each in last], _midnights(house, DAYS), job_id)
    return [
        Failure(
            fingerprint=newest.fingerprint,
            **_example(examples[newest.newest]),
            count=sum(each.runs for each in kind),
            first=min(each.first for each in kind),
            last=newest.last,
            newest=newest.newest,
            jobs={each.job_id: each.runs for each in sorted(kind, key=lambda each: (-each.runs, each.job_id))},
            days=tuple(days[newest.fingerprint]),
        )
        for kind, newest in zip(found, last, strict=True)
    ]


def _example(row: Row) -> dict[str, Any]:
    error = json.loads(row["error"]) if row["error"] else {}
    kind, message = error.get("type") or row["reason"] or "", row["message"]
    if error.get("type"):
        message = message.removeprefix(f"{kind}: ")
    place = error.get("file") or ""
    if place and error.get("line"):
        place = f"{place}:{error['line']}"
    return {"kind": kind, "message": message, "place": place}


def _midnights(house: House, days: int) -> list[int]:
    """When each of the last `days` days begins in the instance's zone."""
    today = calendars.today(house, house.zone)
    return [calendars.midnight(today - timedelta(days=back), house.zone) for back in range(days - 1, -1, -1)]

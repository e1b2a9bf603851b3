"""Failed runs grouped by their fingerprint: the same error is one line, however often it came."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from longhouse import calendars
from longhouse.errors import NotFound
from longhouse.house import House
from longhouse.store import failures as rows
from longhouse.store.database import Connection, Row

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
        found = rows.groups(db, since=since, limit=limit + 1, offset=after, job_id=job_id)
        shown = _told(house, db, found[:limit])
    return shown, after + limit if len(found) > limit else None


def get_failure(house: House, fingerprint: str) -> Failure:
    """Raises NotFound."""
    with house.db.read() as db:
        found = rows.group(db, fingerprint)
        if found is None:
            raise NotFound(
                f"no run failed in the way {fingerprint!r}",
                hint="Its runs may have been swept away. List what fails with: longhouse-jobs runs errors",
            )
        return _told(house, db, [found])[0]


def others(house: House, fingerprint: str | None) -> int:
    """How many more runs failed the same way, at most MANY."""
    if fingerprint is None:
        return 0
    with house.db.read() as db:
        return max(0, rows.others(db, fingerprint, MANY + 1) - 1)


def _told(house: House, db: Connection, found: list[Row]) -> list[Failure]:
    prints = [row["fingerprint"] for row in found]
    newest = {row["id"]: row for row in rows.newest(db, [row["newest"] for row in found])}
    jobs: dict[str, dict[str, int]] = {each: {} for each in prints}
    for row in rows.jobs_of(db, prints):
        jobs[row["fingerprint"]][row["job_id"]] = row["count"]
    days: dict[str, list[int]] = {each: [0] * DAYS for each in prints}
    begins = _midnights(house, DAYS)
    for row in rows.by_quarter(db, prints, begins[0]):
        days[row["fingerprint"]][min(bisect_right(begins, row["at"]), DAYS) - 1] += row["count"]
    return [
        Failure(
            fingerprint=row["fingerprint"],
            **_example(newest[row["newest"]]),
            count=row["count"],
            first=row["first"],
            last=row["last"],
            newest=row["newest"],
            jobs=jobs[row["fingerprint"]],
            days=tuple(days[row["fingerprint"]]),
        )
        for row in found
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

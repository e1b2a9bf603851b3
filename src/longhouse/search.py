"""Finding a job or a run by what somebody types: for the command palette and `GET /api/search`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from longhouse.house import House
from longhouse.store import jobs, runs
from longhouse.store.database import Row
from longhouse.store.runs import Run
from zerg._wire import job_description

MOST = 20
LARGEST_DIGITS = 15


@dataclass(frozen=True)
class FoundJob:
    id: str
    description: str
    enabled: bool
    asks: bool
    """Somebody has to fill in something before it can run."""


@dataclass(frozen=True)
class Found:
    jobs: list[FoundJob]
    """Of which the id, the description, the project or a tag holds the text; those whose id begins with it first."""
    run: Run | None
    """The run with this number."""


def search(house: House, text: str, limit: int = MOST) -> Found:
    """At most `limit` jobs; a number also finds its run, with or without a `#` or the word `run` before it."""
    wanted = text.strip()
    number = wanted.lower().removeprefix("run").strip().removeprefix("#")
    with house.db.read() as db:
        found = [_job(row) for row in jobs.named(db, wanted, limit)]
        known = number.isascii() and number.isdigit() and len(number) <= LARGEST_DIGITS
        return Found(found, runs.get(db, int(number)) if known else None)


def _job(row: Row) -> FoundJob:
    spec = job_description(json.loads(row["spec"]))
    return FoundJob(row["id"], row["description"], bool(row["enabled"]), spec.asks)

"""How the runs of a job went, in numbers."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, replace
from operator import itemgetter

from longhouse.errors import NotFound
from longhouse.house import House
from longhouse.store import figures as rows
from longhouse.store import jobs as job_rows
from longhouse.store.database import Row
from longhouse.store.figures import Ended

DRAWN = 200
"""Runs in a job's chart."""
COUNTED = 10_000
"""The newest runs of a span of time that its figures are made from: more would take longer to count than to look at."""
SPANS_HOURS = (24, 7 * 24, 30 * 24)
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Span:
    """The runs of a job that ended in the last so many hours."""

    hours: int
    since: int
    """Milliseconds: where it begins; later if the newest COUNTED runs do not go back so far."""
    cut: bool
    """There were more than COUNTED."""
    states: dict[str, int]
    mean: float | None
    """Milliseconds, of those that succeeded or were degraded; so are the next two."""
    p50: int | None
    p95: int | None

    @property
    def runs(self) -> int:
        return sum(self.states.values())

    @property
    def decided(self) -> int:
        """Those that say something of the job: neither skipped nor cancelled."""
        return sum(self.states.get(state, 0) for state in ("succeeded", "degraded", "failed"))

    @property
    def rate(self) -> float | None:
        """Succeeded of decided; None if there is none."""
        return self.states.get("succeeded", 0) / self.decided if self.decided else None


@dataclass(frozen=True)
class Figures:
    spans: tuple[Span, ...]
    drawn: list[Row]
    """The newest runs that have ended, newest first."""
    failure: Row | None
    """The last run that failed."""


def figures(house: House, job_id: str) -> Figures:
    """How the job's runs went. Raises NotFound."""
    now = house.clock.now()
    with house.db.read() as db:
        if job_rows.get(db, job_id, removed=True) is None:
            raise NotFound(f"there is no job {job_id!r}", hint="List jobs with: longhouse-jobs jobs list")
        ended = rows.ended(db, job_id, now - SPANS_HOURS[-1] * HOUR_MS, COUNTED)
        drawn, failure = rows.newest(db, job_id, DRAWN), rows.last_failure(db, job_id)
    return Figures(_spans(ended, now), drawn, failure)


def _spans(ended: list[Ended], now: int) -> tuple[Span, ...]:
    found: list[Span] = []
    for hours in SPANS_HOURS:
        again = found and found[-1].cut  # a longer one has the same runs
        found.append(replace(found[-1], hours=hours) if again else span(ended, hours, now))
    return tuple(found)


def span(ended: list[Ended], hours: int, now: int) -> Span:
    """Of the newest runs, newest first, those of the last so many hours."""
    since = now - hours * HOUR_MS
    inside = ended[: bisect_right(ended, -since, key=lambda each: -each[1])]
    cut = len(inside) == COUNTED
    took = sorted([each for _, _, each in inside if each is not None])
    return Span(
        hours=hours,
        since=inside[-1][1] if cut else since,
        cut=cut,
        states=dict(Counter(map(itemgetter(0), inside))),
        mean=sum(took) / len(took) if took else None,
        p50=took[_rank(len(took), 0.5)] if took else None,
        p95=took[_rank(len(took), 0.95)] if took else None,
    )


def _rank(count: int, part: float) -> int:
    """Where the smallest of `count` sorted values stands that at least `part` of them do not exceed."""
    return max(0, math.ceil(count * part) - 1)

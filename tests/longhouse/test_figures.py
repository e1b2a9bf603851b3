"""How the runs of a job went: counts, rates, times, from any number of runs in little time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from longhouse import figures
from longhouse.errors import NotFound
from longhouse.house import House
from longhouse.store import figures as rows
from longhouse.store.database import many
from tests.conftest import START

HOUR, DAY = 3_600_000, 86_400_000
ENDS = ("succeeded", "degraded", "failed", "skipped", "cancelled")
INSERT = """
INSERT INTO runs (job_id, state, trigger, actor, surface, not_before, overlap, max_attempts, spec, created_at,
                  started_at, finished_at, message)
SELECT value ->> 0, value ->> 1, 'schedule', 'x', 'system', 0, 'skip', 1, '{}', value ->> 3, value ->> 2,
       value ->> 3, 'm'
  FROM json_each(:rows)
"""


def put(house: House, made: list[tuple[str, str, int | None, int]]) -> None:
    """(job, state, started, finished)"""
    with house.db.write() as db:
        many(db, INSERT, {"rows": json.dumps(made)})


def test_of_no_run_nothing_is_said(house: House, add_job: Callable[..., None]) -> None:
    add_job()
    found = figures.figures(house, "daily-digest")
    assert [(span.hours, span.runs, span.rate, span.mean, span.p95) for span in found.spans] == [
        (hours, 0, None, None, None) for hours in (24, 168, 720)
    ]
    assert (found.drawn, found.failure) == ([], None)
    with pytest.raises(NotFound):
        figures.figures(house, "nobody")


def test_figures_are_those_that_one_counts_by_hand(house: House, add_job: Callable[..., None]) -> None:
    add_job()
    add_job("other")
    chance = random.Random(6)
    made: list[tuple[str, str, int | None, int]] = []
    for _ in range(900):
        state, ended = chance.choice(ENDS), START - chance.randrange(40 * DAY)
        started = None if state == "cancelled" and chance.random() < 0.5 else ended - chance.randrange(60_000)
        made.append((chance.choice(("daily-digest", "other")), state, started, ended))
    put(house, made)
    found = figures.figures(house, "daily-digest")
    own = [row for row in made if row[0] == "daily-digest"]
    for span in found.spans:
        inside = [row for row in own if row[3] >= START - span.hours * HOUR]
        assert span.states == {state: n for state in ENDS if (n := sum(row[1] == state for row in inside))}
        good, bad = span.states.get("succeeded", 0), span.states.get("degraded", 0) + span.states.get("failed", 0)
        assert span.rate == pytest.approx(good / (good + bad)) and not span.cut
        took = sorted(row[3] - row[2] for row in inside if row[1] in ("succeeded", "degraded") and row[2] is not None)
        assert span.mean == pytest.approx(sum(took) / len(took))
        assert span.p50 == next(each for each in took if sum(other <= each for other in took) >= len(took) * 0.5)
        assert span.p95 == next(each for each in took if sum(other <= each for other in took) >= len(took) * 0.95)
    assert [row["finished_at"] for row in found.drawn] == sorted((row[3] for row in own), reverse=True)[:200]
    assert found.failure is not None and found.failure["message"] == "m"


def test_the_newest_are_counted_of_very_many(
    house: House, add_job: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job()
    monkeypatch.setattr(figures, "COUNTED", 10)
    put(house, [("daily-digest", "failed" if n > 10 else "succeeded", START - n, START - n) for n in range(1, 31)])
    span = figures.figures(house, "daily-digest").spans[0]
    assert span.cut and span.runs == 10 and span.since == START - 10 and span.rate == 1.0


def test_a_long_history_costs_no_more_than_a_short_one(house: House, add_job: Callable[..., None]) -> None:
    add_job()
    with house.db.write() as db:
        plans = []
        for sql in ("ENDED", "NEWEST", "FAILED"):
            text = getattr(rows, sql)
            values = {"job_id": "daily-digest", "since": 0, "most": 10}
            plans += [(sql, row["detail"]) for row in many(db, f"EXPLAIN QUERY PLAN {text}", values)]
    searched = [detail for _, detail in plans if "runs" in detail]
    assert len(searched) == 3 and all("SEARCH" in detail for detail in searched), plans
    assert all("COVERING INDEX runs_ended" in detail for sql, detail in plans if sql != "FAILED" and "runs" in detail)


def test_the_api_has_them_too(client, house, add_job):
    add_job()
    put(
        house, [("daily-digest", "succeeded", START - 3000, START - 1000), ("daily-digest", "failed", None, START - 10)]
    )
    found = client.get("/api/jobs/daily-digest/stats").json()
    assert [(each["hours"], each["runs"], each["success_rate"]) for each in found["spans"]] == [
        (hours, 2, 0.5) for hours in (24, 168, 720)
    ]
    assert (found["spans"][0]["p95_ms"], found["spans"][0]["mean_ms"], found["spans"][0]["failed"]) == (2000, 2000.0, 1)
    assert [(each["state"], each["took_ms"]) for each in found["runs"]] == [("failed", None), ("succeeded", 2000)]
    assert client.get("/api/jobs/nobody/stats").status_code == 404

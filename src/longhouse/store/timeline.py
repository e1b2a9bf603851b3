"""Runs and due times of all jobs by when they were: counted by job and slot where there are many.

A span is [low, high), milliseconds. Where a run takes longer than LONG, an index of its own finds it behind its start.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from longhouse.store.database import Connection, Row, many, one

LONG = 600_000
"""Milliseconds; the index runs_long has the same number."""
STATES = ("running", "retrying", "succeeded", "degraded", "failed", "skipped", "cancelled")
"""Of runs that have begun, or were cancelled before."""
BEGUN = ", ".join(f"'{state}'" for state in STATES)

KNOWN = """
SELECT id, version, enabled, removed_at IS NOT NULL AS removed,
       EXISTS (SELECT 1 FROM runs INDEXED BY runs_of_job_by_start
                WHERE job_id = jobs.id AND started_at >= :low AND started_at < :high) AS ran,
       CASE WHEN EXISTS (SELECT 1 FROM firings INDEXED BY firings_not_run
                          WHERE job_id = jobs.id AND "end" <> 'ran' AND due >= :low AND due < :high AND due <= :now)
            THEN 1
            ELSE coalesce((SELECT CASE WHEN last_due IS NULL THEN :low <= :now ELSE last_due >= :low END
                             FROM firings INDEXED BY firings_not_run
                            WHERE job_id = jobs.id AND "end" <> 'ran' AND due < :low ORDER BY due DESC LIMIT 1), 0)
       END AS left_out
  FROM jobs ORDER BY id
"""


def known(db: Connection, low: int, high: int, now: int) -> list[Row]:
    """Every job there is or was: id, version, enabled, removed; `ran`: a run began in the span, or went on into it;
    `left_out`: due times in it started none, or may not have: where an entry still grows, only its trigger knows."""
    rows = many(db, KNOWN, {"low": low, "high": high, "now": now})
    there = {row["job_id"] for row in [*_reaching_in(db, low, now), *_unstarted(db, low, high)]}
    return [{**row, "ran": row["ran"] or row["id"] in there} for row in rows]


def facts(db: Connection, job_ids: Sequence[str]) -> list[Row]:
    """Of each job: id, version, cron, every, timezone, project, tags (JSON), concurrency_group, concurrency_limit."""
    return many(
        db,
        "SELECT id, version, spec ->> 'cron' AS cron, spec ->> 'every' AS every, spec ->> 'timezone' AS timezone,"
        " coalesce(spec ->> 'project', '') AS project, coalesce(spec ->> 'tags', '') AS tags,"
        " spec ->> 'concurrency_group' AS concurrency_group,"
        " coalesce(spec ->> 'concurrency_limit', 1) AS concurrency_limit"
        " FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps(list(job_ids))},
    )


# --- runs of some jobs ------------------------------------------------------------------------------------------------


def counts(db: Connection, job_ids: Sequence[str], low: int, high: int) -> dict[str, int]:
    """How many runs of each job began in the span."""
    rows = many(
        db,
        "SELECT j.value AS job_id, (SELECT count(*) FROM runs INDEXED BY runs_of_job_by_start"
        " WHERE job_id = j.value AND started_at >= :low AND started_at < :high) AS count FROM json_each(:ids) AS j",
        {"ids": json.dumps(list(job_ids)), "low": low, "high": high},
    )
    return {row["job_id"]: row["count"] for row in rows}


BY_SLOT = """
SELECT r.job_id, (r.started_at - :low) / :step AS slot, r.state, count(*) AS count, min(r.started_at) AS first,
       max(coalesce(r.finished_at, :now)) AS last, max(r.id) AS run_id
  FROM json_each(:ids) AS j
 CROSS JOIN runs AS r INDEXED BY runs_of_job_by_start
    ON r.job_id = j.value AND r.started_at >= :from AND r.started_at < :high
 WHERE coalesce(r.finished_at, :now) >= :low
 GROUP BY 1, 2, 3
"""


def runs(db: Connection, job_ids: Sequence[str], low: int, high: int, *, step: int, now: int) -> list[Row]:
    """The runs of these jobs that touch the span, by job, slot of `step` ms and state: count, first, last, run_id.

    `last` of what has not ended is `now`. With those that began before the span and those that never started.
    """
    wanted = set(job_ids)
    values = {"ids": json.dumps(list(job_ids)), "low": low, "high": high, "step": step, "now": now, "from": low - LONG}
    others = [*_reaching_in(db, low, now), *_unstarted(db, low, high)]
    return [*many(db, BY_SLOT, values), *(row for row in others if row["job_id"] in wanted)]


def _reaching_in(db: Connection, low: int, now: int) -> list[Row]:
    """Runs of all jobs that began more than LONG before `low` and went on into the span, as `runs` gives them."""
    return many(
        db,
        "SELECT job_id, 0 AS slot, state, 1 AS count, started_at AS first, finished_at AS last, id AS run_id"
        " FROM runs INDEXED BY runs_long WHERE finished_at >= :low AND finished_at - started_at > 600000"
        " AND started_at < :from"
        " UNION ALL SELECT job_id, 0, state, 1, started_at, :now, id FROM runs INDEXED BY runs_active_of_job"
        " WHERE state IN ('queued', 'retrying', 'running') AND started_at < :from AND :now >= :low",
        {"low": low, "from": low - LONG, "now": now},
    )


def _unstarted(db: Connection, low: int, high: int) -> list[Row]:
    """What waits for a moment in the span, or was cancelled in it before it began."""
    return many(
        db,
        "SELECT job_id, 0 AS slot, state, 1 AS count, finished_at AS first, finished_at AS last, id AS run_id"
        " FROM runs INDEXED BY runs_never_begun WHERE state = 'cancelled' AND started_at IS NULL"
        " AND finished_at >= :low AND finished_at < :high"
        " UNION ALL SELECT job_id, 0, state, 1, not_before, not_before, id FROM runs INDEXED BY runs_active_of_job"
        " WHERE state IN ('queued', 'retrying', 'running') AND state = 'queued' AND started_at IS NULL"
        " AND not_before >= :low AND not_before < :high",
        {"low": low, "high": high},
    )


def dense(db: Connection, job_ids: Sequence[str], slots: Sequence[tuple[int, int]]) -> list[Row]:
    """For jobs with very many runs: job_id, state, count, first and last (the slot's ends), where there are any."""
    return many(
        db,
        "SELECT * FROM (SELECT j.value AS job_id, s.value AS state, t.value ->> 0 AS first, t.value ->> 1 AS last,"
        " (SELECT count(*) FROM runs INDEXED BY runs_of_job_by_start WHERE job_id = j.value AND state = s.value"
        "  AND started_at >= t.value ->> 0 AND started_at < t.value ->> 1) AS count"
        " FROM json_each(:ids) AS j, json_each(:slots) AS t, json_each(:states) AS s) WHERE count > 0",
        {"ids": json.dumps(list(job_ids)), "slots": json.dumps(list(slots)), "states": json.dumps(STATES)},
    )


# --- due times that started none --------------------------------------------------------------------------------------

LEFT_OUT = """
SELECT f.job_id, f."end", min(f.due) AS first, max(f.last_due) AS last, sum(f.count) AS count,
       max(f.run_id) AS run_id, f.last_due IS NULL AS open
  FROM json_each(:ids) AS j
 CROSS JOIN firings AS f INDEXED BY firings_not_run
    ON f.job_id = j.value AND f."end" <> 'ran' AND f.due < :high
   AND f.due >= coalesce((SELECT due FROM firings AS g INDEXED BY firings_not_run
                           WHERE g.job_id = j.value AND g."end" <> 'ran' AND g.due < :low
                           ORDER BY g.due DESC LIMIT 1), :low)
 WHERE f.last_due IS NULL OR f.last_due >= :low
 GROUP BY f.job_id, f."end", f.last_due IS NULL, (f.due - :low) / :step
"""


def left_out(db: Connection, job_ids: Sequence[str], low: int, high: int, *, step: int) -> list[Row]:
    """Ledger entries of due times in the span that started no run, by job, end and slot: first, last, count, run_id.

    `open`: the entry still grows; its last and count are None.
    """
    return many(db, LEFT_OUT, {"ids": json.dumps(list(job_ids)), "low": low, "high": high, "step": step})


# --- all jobs ---------------------------------------------------------------------------------------------------------


def spans(db: Connection, low: int, high: int, *, now: int, most: int) -> list[tuple[int, int]]:
    """Start and end (`now` if it has none) of at most `most` runs of all jobs that touch the span."""
    rows: list[Any] = db.execute(
        f"SELECT started_at, coalesce(finished_at, :now) FROM runs INDEXED BY runs_by_start WHERE state IN ({BEGUN})"  # noqa: S608
        " AND started_at >= :from AND started_at < :high LIMIT :most",
        {"from": low - LONG, "high": high, "now": now, "most": most},
    ).fetchall()
    return [
        *((start, end) for start, end in rows if end >= low),
        *((row["first"], row["last"]) for row in _reaching_in(db, low, now)),
    ]


def oldest_active(db: Connection, now: int) -> int:
    """When the first of the runs that have not ended began; `now` if there is none."""
    row = one(
        db,
        "SELECT min(started_at) AS at FROM runs INDEXED BY runs_active_of_job"
        " WHERE state IN ('queued', 'retrying', 'running')",
    )
    return now if row is None or row["at"] is None else int(row["at"])


def by_day(db: Connection, days: Sequence[tuple[int, int]], job_ids: Sequence[str] | None) -> list[Row]:
    """For each (low, high) of `days`: day (its number), state and count of the runs that began in it, where there are
    any. `job_ids`: of these jobs only."""
    values = {"days": json.dumps(list(days)), "states": json.dumps(STATES)}
    if job_ids is None:
        counted = "runs INDEXED BY runs_by_start WHERE state = s.value"
    else:
        counted = (
            "json_each(:ids) AS j CROSS JOIN runs INDEXED BY runs_of_job_by_start ON job_id = j.value"
            " WHERE state = s.value"
        )
        values["ids"] = json.dumps(list(job_ids))
    return many(
        db,
        "SELECT * FROM (SELECT d.key AS day, s.value AS state,"  # noqa: S608
        f" (SELECT count(*) FROM {counted} AND started_at >= d.value ->> 0 AND started_at < d.value ->> 1) AS count"
        " FROM json_each(:days) AS d, json_each(:states) AS s) WHERE count > 0",
        values,
    )


def missed(db: Connection, low: int, high: int, most: int) -> list[Row]:
    """job_id, due and last_due of at most `most` entries of due times that were missed in the span."""
    return many(
        db,
        "SELECT job_id, due, last_due FROM firings INDEXED BY firings_missed"
        " WHERE \"end\" IN ('missed_down', 'missed_late', 'missed_full', 'held_clock', 'skipped_overlap',"
        " 'blocked_approval', 'blocked_budget') AND last_due >= :low AND due < :high LIMIT :most",
        {"low": low, "high": high, "most": most},
    )

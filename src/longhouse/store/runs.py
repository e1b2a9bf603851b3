"""Runs and their attempts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from longhouse.store.database import Connection, Row, insert, many, one, run
from zerg._wire import JobDescription

COLUMNS = (
    "id, job_id, state, reason, message, trigger, actor, surface, due, not_before, priority, attempt, tries_used,"
    " max_attempts, params, spec, commit_sha, environment, pinned, debug, rerun_of, backfill_id, result, error,"
    " fingerprint, progress, cancel_requested_at, created_at, started_at, finished_at"
)
LISTED = (
    COLUMNS.replace(" spec,", " '{}' AS spec,")
    .replace("result,", "NULL AS result,")
    .replace("error,", "NULL AS error,")
)
"""For lists: the three large documents left out."""


@dataclass(frozen=True)
class Run:
    id: int
    job_id: str
    state: str
    reason: str | None
    message: str
    trigger: str
    actor: str
    surface: str
    due: int | None
    not_before: int
    priority: int
    attempt: int
    tries_used: int
    max_attempts: int
    params: dict[str, Any]
    spec: dict[str, Any]
    commit_sha: str | None
    environment: str
    pinned: bool
    debug: bool
    """Whoever started it wants to see more of it."""
    rerun_of: int | None
    backfill_id: int | None
    result: Any
    error: dict[str, Any] | None
    fingerprint: str | None
    """Of a run that failed: runs that failed the same way have the same."""
    progress: dict[str, Any] | None
    cancel_requested_at: int | None
    created_at: int
    started_at: int | None
    finished_at: int | None


def run_of(row: Row) -> Run:
    fields: dict[str, Any] = dict(row)
    for name in ("params", "spec", "result", "error", "progress"):
        fields[name] = json.loads(row[name]) if row[name] is not None else None
    fields |= {name: bool(row[name]) for name in ("pinned", "debug")}
    return Run(**fields)


ENQUEUE = """
INSERT INTO runs (job_id, trigger, actor, surface, due, not_before, priority, overlap, concurrency_group,
                  concurrency_limit, max_attempts, params, spec, commit_sha, environment, pinned, debug, rerun_of,
                  backfill_id, created_at)
VALUES (:job_id, :trigger, :actor, :surface, :due, :not_before, :priority, :overlap, :concurrency_group,
        :concurrency_limit, :max_attempts, :params, coalesce(:spec, (SELECT spec FROM jobs WHERE id = :job_id)),
        :commit_sha, :environment, :pinned, :debug, :rerun_of, :backfill_id, :now)
"""


def enqueue(db: Connection, values: dict[str, Any]) -> int:
    """A new queued run; its id. `spec` None: the job's own, as its row has it."""
    return insert(db, ENQUEUE, values)


def get(db: Connection, run_id: int) -> Run | None:
    row = one(db, f"SELECT {COLUMNS} FROM runs WHERE id = :id", {"id": run_id})  # noqa: S608
    return run_of(row) if row else None


def newest_of_jobs(db: Connection, job_ids: list[str], each: int) -> dict[str, list[Row]]:
    """The newest `each` runs of each job, newest first, without what of a backfill still waits.

    id, state, reason, due, created_at, started_at, finished_at.
    """
    rows = many(
        db,
        "SELECT wanted.value AS job_id, r.id, r.state, r.reason, r.trigger, r.due, r.created_at, r.started_at,"
        " r.finished_at"
        " FROM json_each(:ids) AS wanted JOIN runs AS r ON r.id IN"
        " (SELECT id FROM runs WHERE job_id = wanted.value AND (backfill_id IS NULL OR state <> 'queued')"
        " ORDER BY id DESC LIMIT :each)"
        " ORDER BY r.id DESC",
        {"ids": json.dumps(job_ids), "each": each},
    )
    found: dict[str, list[Row]] = {job_id: [] for job_id in job_ids}
    for row in rows:
        found[row["job_id"]].append(row)
    return found


def strips_of_jobs(db: Connection, job_ids: list[str], each: int) -> dict[str, list[Row]]:
    """Of each job its runs that have not ended and the `each` that ended last, newest first: read from indexes alone.

    id, state, created_at, started_at, finished_at. What of a backfill still waits is left out.
    """
    rows = many(
        db,
        "SELECT wanted.value AS job_id, r.id, r.state, r.finished_at AS created_at, r.started_at, r.finished_at"
        " FROM json_each(:ids) AS wanted JOIN runs AS r INDEXED BY runs_ended"
        " ON r.job_id = wanted.value AND r.finished_at IS NOT NULL AND r.finished_at >= coalesce("
        " (SELECT finished_at FROM runs INDEXED BY runs_ended WHERE job_id = wanted.value AND finished_at IS NOT NULL"
        " ORDER BY finished_at DESC LIMIT 1 OFFSET :each - 1), 0)"
        " UNION ALL "
        "SELECT wanted.value, r.id, r.state, r.created_at, r.started_at, r.finished_at"
        " FROM json_each(:ids) AS wanted JOIN runs AS r INDEXED BY runs_active_of_job"
        " ON r.job_id = wanted.value AND r.state IN ('queued', 'retrying', 'running')"
        " WHERE r.backfill_id IS NULL OR r.state <> 'queued'",
        {"ids": json.dumps(job_ids), "each": each},
    )
    found: dict[str, list[Row]] = {job_id: [] for job_id in job_ids}
    for row in rows:
        found[row["job_id"]].append(row)
    return {job_id: sorted(mine, key=lambda row: -row["id"])[:each] for job_id, mine in found.items()}


def active_of_job(db: Connection, job_id: str) -> list[Row]:
    """id, state and trigger of the job's runs that have not ended, oldest first."""
    return many(
        db,
        "SELECT id, state, trigger FROM runs INDEXED BY runs_active_of_job"
        " WHERE job_id = :job_id AND state IN ('queued', 'retrying', 'running') ORDER BY id",
        {"job_id": job_id},
    )


def in_the_way(db: Connection, job_id: str, now: int) -> list[Row]:
    """Those of the active runs that leave one more less room, oldest first: id and state.

    Not a trial, which is somebody's try; not a backfill, which is a queue of its own; not a run for a time to come;
    not one that a pause holds back.
    """
    return many(db, IN_THE_WAY, {"job_id": job_id, "now": now})


def active_ids(db: Connection, job_id: str) -> list[int]:
    """Every run of the job that has not ended."""
    return [row["id"] for row in active_of_job(db, job_id)]


def counts(db: Connection) -> dict[str, int]:
    """Unfinished runs by state."""
    rows = many(
        db,
        "SELECT state, count(*) AS n FROM runs WHERE state IN ('queued', 'retrying', 'running') GROUP BY state",
    )
    return {row["state"]: row["n"] for row in rows}


def unfinished(db: Connection) -> set[tuple[str, str]]:
    """(commit, environment) of the runs that have not ended."""
    rows = many(
        db,
        "SELECT DISTINCT coalesce(commit_sha, '') AS commit_sha, environment FROM runs"
        " WHERE state IN ('queued', 'retrying', 'running')",
    )
    return {(row["commit_sha"], row["environment"]) for row in rows}


def pinned_commits(db: Connection) -> set[str]:
    """Commits that runs in the history were made for: trials among them are on no branch."""
    return {row["commit_sha"] for row in many(db, "SELECT DISTINCT commit_sha FROM runs WHERE pinned")}


def renew(db: Connection, spec: JobDescription) -> int:
    """The job has changed: its runs that wait for their first try are started by what it says now."""
    return run(
        db,
        "UPDATE runs SET overlap = :overlap, concurrency_group = :concurrency_group,"
        " priority = :priority - CASE WHEN backfill_id IS NULL THEN 0 ELSE 10000 END,"
        " concurrency_limit = :concurrency_limit, max_attempts = :max_attempts"
        " WHERE job_id = :job_id AND state = 'queued' AND attempt = 0 AND NOT pinned",
        {
            "job_id": spec.id,
            "overlap": spec.overlap,
            "priority": spec.priority,
            "concurrency_group": spec.concurrency_group,
            "concurrency_limit": spec.concurrency_limit,
            "max_attempts": spec.max_attempts,
        },
    )


def start_earlier(db: Connection, by: int) -> int:
    """The clock was set back by so many milliseconds: what waits for a delay to pass waits no longer for that.

    A run for a time that somebody named waits for that time.
    """
    return run(
        db,
        "UPDATE runs SET not_before = not_before - :by"
        " WHERE state = 'retrying' OR state = 'queued' AND trigger IN ('schedule', 'catch_up')",
        {"by": by},
    )


# --- claiming -------------------------------------------------------------------------------------------------------

BY_HAND = "('manual', 'rerun', 'trial')"
"""What a pause does not hold back: somebody wants it now, and can see that all else is paused."""
HELD = """
({0}.trigger NOT IN {1} AND EXISTS (SELECT 1 FROM pauses AS p WHERE p.job_id IN ('', {0}.job_id)))
"""
AHEAD = "({0}.trigger = 'later' AND {0}.state = 'queued' AND {0}.not_before > :now)"
"""It waits for a time that somebody chose; until then it is in nobody's way."""
IN_THE_WAY = f"""
SELECT o.id, o.state FROM runs AS o INDEXED BY runs_active_of_job
 WHERE o.job_id = :job_id AND o.state IN ('queued', 'retrying', 'running')
   AND o.trigger <> 'trial' AND o.backfill_id IS NULL AND NOT {AHEAD.format("o")}
   AND (o.state = 'running' OR NOT {HELD.format("o", BY_HAND)})
 ORDER BY o.id
"""  # noqa: S608
READY = f"""
SELECT r.id FROM runs AS r INDEXED BY runs_waiting
 WHERE r.state IN ('queued', 'retrying') AND r.not_before <= :now AND r.cancel_requested_at IS NULL
   AND (:spare OR r.backfill_id IS NULL) AND NOT {HELD.format("r", BY_HAND)}
   AND (r.overlap = 'allow' OR NOT EXISTS (
        SELECT 1 FROM runs AS o INDEXED BY runs_active_of_job
         WHERE o.job_id = r.job_id AND o.state IN ('queued', 'retrying', 'running')
           AND o.id <> r.id AND o.trigger <> 'trial'
           AND (o.state = 'running'
                OR ((o.backfill_id IS NULL) > (r.backfill_id IS NULL)
                    OR ((o.backfill_id IS NULL) = (r.backfill_id IS NULL) AND o.id < r.id))
                   AND NOT {AHEAD.format("o")} AND NOT {HELD.format("o", BY_HAND)})))
   AND (r.concurrency_group IS NULL OR r.concurrency_limit > (
        SELECT count(*) FROM runs AS g WHERE g.state = 'running' AND g.concurrency_group = r.concurrency_group))
 ORDER BY r.priority DESC, r.not_before, r.id LIMIT 1
"""  # noqa: S608
CLAIM = """
UPDATE runs SET state = 'running', attempt = attempt + 1, tries_used = tries_used + 1,
       started_at = coalesce(started_at, :now), spec = :spec, commit_sha = :commit_sha, environment = :environment
 WHERE id = :id AND state IN ('queued', 'retrying')
"""


def ready(db: Connection, now: int, *, spare: bool = True) -> int | None:
    """The run to start next, None if none may start: highest priority, then longest due, one at a time per job unless
    its overlap allows more, never more of a concurrency group than its limit; nothing that a pause holds back.

    A backfill waits for all other runs of its job, and for a slot to spare.
    """
    row = one(db, READY, {"now": now, "spare": spare})
    return row["id"] if row else None


def next_start(db: Connection, now: int) -> int | None:
    """When the next waiting run becomes due, None if none waits for a time."""
    row = one(
        db,
        "SELECT min(not_before) AS at FROM runs INDEXED BY runs_waiting"
        " WHERE state IN ('queued', 'retrying') AND not_before > :now",
        {"now": now},
    )
    return row["at"] if row else None


def claim(db: Connection, values: dict[str, Any]) -> bool:
    """Take the run; False if someone else was first. `values`: id, now, spec, commit_sha, environment."""
    return run(db, CLAIM, values) == 1


# --- ending ---------------------------------------------------------------------------------------------------------

MOVE = """
UPDATE runs SET state = :new, reason = :reason, message = :message, result = :result, error = :error,
       fingerprint = :fingerprint, not_before = coalesce(:not_before, not_before), tries_used = tries_used - :refund,
       finished_at = :finished_at, progress = CASE WHEN :new = 'retrying' THEN NULL ELSE progress END
 WHERE id = :id AND state = :old AND attempt = :attempt
"""


def change_state(db: Connection, values: dict[str, Any]) -> bool:
    """One move of a run, guarded by its state and attempt; False if it has moved on meanwhile."""
    return run(db, MOVE, values) == 1


def request_cancel(db: Connection, run_id: int, now: int) -> bool:
    """False if the run was asked to stop before, or has ended."""
    return (
        run(
            db,
            "UPDATE runs SET cancel_requested_at = :now WHERE id = :id AND cancel_requested_at IS NULL"
            " AND state IN ('queued', 'retrying', 'running')",
            {"id": run_id, "now": now},
        )
        == 1
    )


def green_before(db: Connection, job_id: str, run_id: int) -> Row | None:
    """The newest run of the job before this one that succeeded and whose code is known."""
    found = many(
        db,
        "SELECT id, commit_sha FROM runs WHERE job_id = :job AND id < :id AND state = 'succeeded'"
        " AND commit_sha IS NOT NULL ORDER BY id DESC LIMIT 1",
        {"job": job_id, "id": run_id},
    )
    return found[0] if found else None


def to_cancel(db: Connection) -> list[int]:
    """Running runs that were asked to stop."""
    rows = many(db, "SELECT id FROM runs WHERE state = 'running' AND cancel_requested_at IS NOT NULL")
    return [row["id"] for row in rows]


def set_progress(db: Connection, run_id: int, attempt: int, progress: dict[str, Any]) -> bool:
    return (
        run(
            db,
            "UPDATE runs SET progress = :progress WHERE id = :id AND attempt = :attempt AND state = 'running'",
            {"id": run_id, "attempt": attempt, "progress": json.dumps(progress)},
        )
        == 1
    )


# --- artifacts ----------------------------------------------------------------------------


def add_artifact(db: Connection, values: dict[str, Any]) -> None:
    run(
        db,
        "INSERT INTO artifacts (run_id, attempt, name, media_type, size, file, created_at)"
        " VALUES (:run_id, :attempt, :name, :media_type, :size, :file, :now)"
        " ON CONFLICT (run_id, attempt, name) DO UPDATE SET"
        " media_type = excluded.media_type, size = excluded.size, file = excluded.file,"
        " created_at = excluded.created_at",
        values,
    )


def artifacts(db: Connection, run_id: int) -> list[Row]:
    return many(db, "SELECT * FROM artifacts WHERE run_id = :id ORDER BY id", {"id": run_id})

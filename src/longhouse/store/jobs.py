"""Jobs as the manifest last described them, and what changes about them without the manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from longhouse.store.database import Connection, Row, many, one, run
from zerg._wire import JobDescription, job_description

COLUMNS = (  # as the fields of Job are
    "id, spec, enabled, cursor, commit_sha, environment, version, added_at, removed_at,"
    " EXISTS (SELECT 1 FROM pauses WHERE pauses.job_id IN ('', jobs.id)) AS paused"
)

UPSERT = """
INSERT INTO jobs (id, spec, enabled, cursor, commit_sha, environment, added_at)
VALUES (:id, :spec, :enabled, :now, :commit, :environment, :now)
ON CONFLICT (id) DO UPDATE SET
    spec = excluded.spec, enabled = excluded.enabled, commit_sha = excluded.commit_sha,
    environment = excluded.environment, version = version + 1, removed_at = NULL
"""


@dataclass(frozen=True)
class Job:
    id: str
    spec: JobDescription
    enabled: bool
    cursor: int
    commit_sha: str
    environment: str
    version: int
    added_at: int
    removed_at: int | None
    paused: bool = False
    """By itself or with the whole instance, as far as the ledger has been told; see longhouse.pauses."""


@lru_cache(maxsize=4096)
def _described(text: str) -> JobDescription:
    """Most of what is read about a thousand jobs, over and over, is what their manifest said long ago. Nobody changes
    one: it is frozen, and its parameters are only ever copied."""
    return job_description(json.loads(text))


def _jobs(db: Connection, where: str, bindings: dict[str, Any]) -> list[Job]:
    """Read without a dict in between: a manifest's hundreds of jobs are compared with what it says now."""
    rows: list[Any] = db.execute(f"SELECT {COLUMNS} FROM jobs WHERE {where}", bindings).fetchall()  # noqa: S608
    return [
        Job(job_id, _described(spec), bool(enabled), cursor, commit, environment, version, added, removed, bool(paused))
        for job_id, spec, enabled, cursor, commit, environment, version, added, removed, paused in rows
    ]


def spec_text(spec: JobDescription) -> str:
    return json.dumps(spec.values(), separators=(",", ":"))


def get(db: Connection, job_id: str, *, removed: bool = False) -> Job | None:
    found = _jobs(db, "id = :id AND (:removed OR removed_at IS NULL)", {"id": job_id, "removed": removed})
    return found[0] if found else None


def all_jobs(db: Connection, *, removed: bool = False) -> list[Job]:
    """In order of their ids; `removed` adds those that left the manifest."""
    return _jobs(db, ":removed OR removed_at IS NULL ORDER BY id", {"removed": removed})


def page(db: Connection, after: str, limit: int) -> list[Job]:
    """At most `limit` jobs of the manifest with an id greater than `after`."""
    return _jobs(db, "removed_at IS NULL AND id > :after ORDER BY id LIMIT :limit", {"after": after, "limit": limit})


def scheduled(db: Connection) -> list[JobDescription]:
    """The enabled jobs of the manifest that have a schedule, in order of their ids."""
    rows = db.execute("SELECT spec FROM jobs WHERE removed_at IS NULL AND enabled ORDER BY id").fetchall()
    specs = [_described(text) for (text,) in rows]
    return [spec for spec in specs if spec.cron is not None or spec.every is not None]


def source_files(db: Connection) -> frozenset[str]:
    """Those that define the functions of the manifest's jobs."""
    rows = db.execute("SELECT spec FROM jobs WHERE removed_at IS NULL").fetchall()
    return frozenset(_described(text).source_file for (text,) in rows)


def counts(db: Connection) -> tuple[int, int]:
    """Jobs of the manifest, and how many of them are enabled."""
    row = one(db, "SELECT count(*) AS known, coalesce(sum(enabled), 0) AS enabled FROM jobs WHERE removed_at IS NULL")
    assert row is not None
    return row["known"], row["enabled"]


def named(db: Connection, text: str, limit: int) -> list[Row]:
    """Jobs of the manifest whose id, description, project or tags hold `text`: id, description, enabled, spec. First
    those whose id begins with it, then those whose id holds it."""
    return many(
        db,
        "SELECT id, coalesce(spec ->> 'description', '') AS description, enabled, spec FROM jobs"
        " WHERE removed_at IS NULL AND instr(lower(id || char(10) || coalesce(spec ->> 'description', '') || char(10)"
        " || coalesce(spec ->> 'project', '') || char(10) || coalesce(spec ->> 'tags', '')), lower(:text))"
        " ORDER BY CASE instr(lower(id), lower(:text)) WHEN 1 THEN 0 WHEN 0 THEN 2 ELSE 1 END, id LIMIT :limit",
        {"text": text, "limit": limit},
    )


def tags(db: Connection) -> list[str]:
    """Of the manifest's jobs, each once."""
    rows = many(
        db,
        "SELECT DISTINCT tag.value AS tag FROM jobs, json_each(jobs.spec, '$.tags') AS tag"
        " WHERE jobs.removed_at IS NULL ORDER BY 1",
    )
    return [row["tag"] for row in rows]


def projects(db: Connection) -> list[str]:
    """Likewise."""
    rows = many(
        db,
        "SELECT DISTINCT spec ->> 'project' AS project FROM jobs"
        " WHERE removed_at IS NULL AND coalesce(spec ->> 'project', '') <> '' ORDER BY 1",
    )
    return [row["project"] for row in rows]


def those(db: Connection, job_ids: list[str]) -> list[Job]:
    """The jobs of the manifest with these ids, in this order."""
    wanted = _jobs(db, "removed_at IS NULL AND id IN (SELECT value FROM json_each(:ids))", {"ids": json.dumps(job_ids)})
    found = {job.id: job for job in wanted}
    return [found[job_id] for job_id in job_ids if job_id in found]


Labelled = tuple[str, str, str | None, str | None, int, str | None, int]


def labels(db: Connection, *, last: bool = False, ran: bool = False) -> list[Labelled]:
    """What lists of jobs are searched and grouped by: id, description, project, tags (JSON), enabled; in order of ids.

    With `last` the state of the run that ended last, None if none has; with `ran` whether there is any run.
    """
    state = (
        "(SELECT state FROM runs INDEXED BY runs_ended WHERE job_id = jobs.id AND finished_at IS NOT NULL"
        " ORDER BY finished_at DESC LIMIT 1)"
    )
    any_run = "EXISTS (SELECT 1 FROM runs WHERE job_id = jobs.id)"
    rows: list[Any] = db.execute(
        "SELECT id, coalesce(spec ->> 'description', ''), spec ->> 'project', spec ->> 'tags', enabled,"  # noqa: S608
        f" {state if last else 'NULL'}, {any_run if ran else '0'} FROM jobs WHERE removed_at IS NULL ORDER BY id"
    ).fetchall()
    return rows


def ahead(db: Connection, now: int) -> list[str]:
    """Jobs whose cursor lies after `now`: the clock was set back."""
    rows = many(db, "SELECT id FROM jobs WHERE removed_at IS NULL AND cursor > :now ORDER BY id", {"now": now})
    return [row["id"] for row in rows]


def put(db: Connection, spec: JobDescription, *, enabled: bool, commit: str, environment: str, now: int) -> None:
    """Insert or renew; the cursor of a job that exists already stays."""
    run(
        db,
        UPSERT,
        {
            "id": spec.id,
            "spec": spec_text(spec),
            "enabled": int(enabled),
            "commit": commit,
            "environment": environment,
            "now": now,
        },
    )


def set_cursor(db: Connection, job_id: str, cursor: int) -> None:
    run(db, "UPDATE jobs SET cursor = :cursor WHERE id = :id", {"id": job_id, "cursor": cursor})


def set_enabled(db: Connection, job_id: str, enabled: bool) -> None:
    run(
        db,
        "UPDATE jobs SET enabled = :enabled, version = version + 1 WHERE id = :id",
        {"id": job_id, "enabled": int(enabled)},
    )


def set_commit(db: Connection, commit: str) -> None:
    """All jobs of the manifest now run `commit`: their settings did not change with it."""
    run(
        db,
        "UPDATE jobs SET commit_sha = :commit WHERE removed_at IS NULL AND commit_sha <> :commit",
        {"commit": commit},
    )


def remove(db: Connection, job_id: str, now: int) -> None:
    run(db, "UPDATE jobs SET removed_at = :now, version = version + 1 WHERE id = :id", {"id": job_id, "now": now})


# --- overrides on their way into jobs.toml --------------------------------------------------------------------------


def put_override(db: Connection, job_id: str, enabled: bool, actor: str, surface: str, now: int) -> None:
    run(
        db,
        "INSERT INTO pending_overrides (job_id, enabled, actor, surface, at)"
        " VALUES (:id, :enabled, :actor, :surface, :at)"
        " ON CONFLICT (job_id) DO UPDATE SET enabled = excluded.enabled, actor = excluded.actor,"
        " surface = excluded.surface, at = excluded.at",
        {"id": job_id, "enabled": int(enabled), "actor": actor, "surface": surface, "at": now},
    )


def overrides(db: Connection) -> list[Row]:
    """Those not yet committed, oldest first: job_id, enabled, actor, surface, at."""
    return many(db, "SELECT job_id, enabled, actor, surface, at FROM pending_overrides ORDER BY at, job_id")


def drop_override(db: Connection, job_id: str, at: int) -> None:
    """It is committed; one that was set again meanwhile (another `at`) stays."""
    run(db, "DELETE FROM pending_overrides WHERE job_id = :id AND at = :at", {"id": job_id, "at": at})


# --- ctx.state ------------------------------------------------------------------------------------------------------


def state(db: Connection, job_id: str) -> dict[str, Any]:
    rows = many(db, "SELECT key, value FROM job_state WHERE job_id = :id", {"id": job_id})
    return {row["key"]: json.loads(row["value"]) for row in rows}


def set_state(db: Connection, job_id: str, key: str, value: Any, now: int) -> None:
    run(
        db,
        "INSERT INTO job_state (job_id, key, value, set_at) VALUES (:id, :key, :value, :now)"
        " ON CONFLICT (job_id, key) DO UPDATE SET value = excluded.value, set_at = excluded.set_at",
        {"id": job_id, "key": key, "value": json.dumps(value), "now": now},
    )


def drop_state(db: Connection, job_id: str, key: str) -> None:
    run(db, "DELETE FROM job_state WHERE job_id = :id AND key = :key", {"id": job_id, "key": key})

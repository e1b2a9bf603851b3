"""The rows of the audit chain; `longhouse.audit` computes the hashes."""

from __future__ import annotations

from typing import Any

from longhouse.store.database import Connection, Row, many, one, run

APPEND = """
INSERT INTO audit (seq, at, actor, surface, verb, subject, before, after, previous_hash, hash)
VALUES (:seq, :at, :actor, :surface, :verb, :subject, :before, :after, :previous_hash, :hash)
"""


def last(db: Connection) -> tuple[int, str]:
    """(seq, hash) of the newest row; (0, "") of an empty chain."""
    row = one(db, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    return (row["seq"], row["hash"]) if row else (0, "")


def append(db: Connection, row: dict[str, Any]) -> None:
    run(db, APPEND, row)


def page(db: Connection, after: int, limit: int) -> list[Row]:
    """At most `limit` rows with a seq above `after`, in order."""
    return many(
        db, "SELECT * FROM audit WHERE seq > :after ORDER BY seq LIMIT :limit", {"after": after, "limit": limit}
    )


ACTS = """
SELECT seq, at, actor, surface, verb, subject, before, after FROM audit
 WHERE verb <> 'run.finish' AND seq < :before
"""
OF_JOB = """
 AND (subject = 'job:' || :job OR (subject >= 'run:' AND subject < 'run;'
      AND EXISTS (SELECT 1 FROM runs WHERE id = CAST(substr(subject, 5) AS INTEGER) AND job_id = :job)))
"""


def acts(
    db: Connection,
    *,
    before: int,
    limit: int,
    actor: str | None = None,
    verbs: tuple[str, ...] = (),
    job: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> list[Row]:
    """What was done, the newest first; the ends of runs left out. None: whatever it is."""
    values: dict[str, Any] = {"before": before, "limit": limit, "actor": actor, "job": job}
    values |= {"since": since, "until": until} | {f"verb{number}": verb for number, verb in enumerate(verbs)}
    parts = [ACTS]
    if actor is not None:
        parts.append(" AND actor = :actor")
    if verbs:
        parts.append(f" AND verb IN ({', '.join(f':verb{number}' for number in range(len(verbs)))})")
    if job is not None:
        parts.append(OF_JOB)
    if since is not None:
        parts.append(" AND at >= :since")
    if until is not None:
        parts.append(" AND at < :until")
    used = {name: value for name, value in values.items() if f":{name}" in "".join(parts) or name == "limit"}
    return many(db, "".join(parts) + " ORDER BY seq DESC LIMIT :limit", used)


EVERYBODY = """
WITH RECURSIVE each (actor) AS (
  SELECT min(actor) FROM audit WHERE verb <> 'run.finish'
  UNION ALL
  SELECT (SELECT min(actor) FROM audit WHERE verb <> 'run.finish' AND actor > each.actor) FROM each
   WHERE each.actor IS NOT NULL
)
"""
"""One step in the index for each, however many acts there are."""
ACTORS = f"{EVERYBODY} SELECT actor FROM each WHERE actor IS NOT NULL LIMIT :limit"  # noqa: S608
CALLED = f"""{EVERYBODY} SELECT actor FROM each WHERE instr(lower(actor), lower(:text))
 ORDER BY instr(lower(actor), lower(:text)) > 1, lower(actor), actor LIMIT :limit
"""  # noqa: S608


def actors(db: Connection, limit: int) -> list[str]:
    """By name, those who have done anything."""
    return [row["actor"] for row in many(db, ACTORS, {"limit": limit})]


def called(db: Connection, text: str, limit: int) -> list[str]:
    """Those whose names hold `text`, first those that begin with it; whether A to Z are capitals does not count."""
    return [row["actor"] for row in many(db, CALLED, {"text": text, "limit": limit})]

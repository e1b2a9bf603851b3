"""Who holds what back, and until when. Job id '' is the whole instance."""

from __future__ import annotations

from dataclasses import dataclass

from longhouse.store.database import Connection, many, one, run

COLUMNS = "job_id, since, until, actor, surface"


@dataclass(frozen=True)
class Pause:
    job_id: str
    since: int
    until: int | None
    """The first moment that is no longer paused; None: until somebody resumes."""
    actor: str
    surface: str


def get(db: Connection, job_id: str) -> Pause | None:
    row = one(db, f"SELECT {COLUMNS} FROM pauses WHERE job_id = :id", {"id": job_id})  # noqa: S608
    return Pause(**row) if row else None


def every(db: Connection) -> list[Pause]:
    return [Pause(**row) for row in many(db, f"SELECT {COLUMNS} FROM pauses")]  # noqa: S608


def over(db: Connection, now: int) -> list[Pause]:
    """Those whose time is up, in the order in which they ended."""
    rows = many(db, f"SELECT {COLUMNS} FROM pauses WHERE until <= :now ORDER BY until, job_id", {"now": now})  # noqa: S608
    return [Pause(**row) for row in rows]


def next_end(db: Connection) -> int | None:
    row = one(db, "SELECT min(until) AS at FROM pauses")
    return row["at"] if row else None


def put(db: Connection, pause: Pause) -> None:
    """One that lasts already keeps its beginning."""
    run(
        db,
        "INSERT INTO pauses (job_id, since, until, actor, surface) VALUES (:job_id, :since, :until, :actor, :surface)"
        " ON CONFLICT (job_id) DO UPDATE SET until = excluded.until, actor = excluded.actor,"
        " surface = excluded.surface",
        {
            "job_id": pause.job_id,
            "since": pause.since,
            "until": pause.until,
            "actor": pause.actor,
            "surface": pause.surface,
        },
    )


def drop(db: Connection, job_id: str) -> None:
    run(db, "DELETE FROM pauses WHERE job_id = :id", {"id": job_id})

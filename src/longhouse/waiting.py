"""Why a run waits, or waited, before it started: in words, and only what is known."""

from __future__ import annotations

from longhouse import pauses
from longhouse.house import House
from longhouse.pauses import INSTANCE
from longhouse.runs.state import ACTIVE, RunState
from longhouse.store import run_place
from longhouse.store import runs as rows
from longhouse.store.runs import Run

BARELY_MS = 1_000
"""A shorter wait needs no reason."""
RIGHT_AFTER_MS = 2_000
"""A run that starts so soon after another has ended waited for that."""
BY_HAND = ("manual", "rerun", "trial")


def reasons(house: House, run: Run) -> list[str]:
    """In the order in which they held it back; empty for a run that started at once, or never had to."""
    found = _until_its_time(run)
    if run.started_at is not None:
        return [*found, *_behind(house, run)]
    return [*found, *_now(house, run)] if run.state in ACTIVE else found


def _until_its_time(run: Run) -> list[str]:
    if run.attempt > 1 or run.state == RunState.RETRYING:
        return []  # its time to start has become that of a retry
    due = run.due if run.trigger in ("schedule", "catch_up") else None
    found = []
    if run.trigger == "later":
        found.append("It was asked for at this time.")
    if run.trigger == "catch_up":
        found.append("Its due time had passed when nobody could start it.")
    elif due is not None and run.created_at - due > BARELY_MS * 5:
        found.append("Its due time was noticed late.")
    jitter = run.spec.get("jitter_minutes")
    start = max(run.created_at, due or 0)
    if due is not None and jitter and run.not_before - start > 0:
        found.append(f"Jitter moved its start, by up to {jitter:g} min.")
    return found


def _behind(house: House, run: Run) -> list[str]:
    """What came between the time it could have started and its start."""
    if run.started_at is None or (run.attempt > 1 and run.trigger == "later"):
        return []
    since = max(run.created_at, run.not_before if run.attempt == 1 else run.due or 0)  # a retry moves not_before
    if run.started_at - since < BARELY_MS:
        return []
    if run.spec.get("overlap") != "allow":
        with house.db.read() as db:
            before = run_place.ended_last(
                db, run.job_id, run.id, max(since, run.started_at - RIGHT_AFTER_MS), run.started_at
            )
        if before is not None:
            return [f"Run {before} of the job had to end first."]
    if run.backfill_id is not None:
        return ["A backfill starts when nothing else waits."]
    return [f"It waited for {_place(run)}."]


def _now(house: House, run: Run) -> list[str]:
    """What it waits for at this moment."""
    now = house.clock.now()
    if run.state == RunState.RUNNING:
        return []
    if run.not_before > now:
        return ["It waits for the time of its next try."] if run.state == RunState.RETRYING else []
    held = pauses.current(house)
    if run.trigger not in BY_HAND and held.keys() & {INSTANCE, run.job_id}:
        return ["It waits until somebody resumes the job." if run.job_id in held else "Everything is paused."]
    with house.db.read() as db:
        in_the_way = [row["id"] for row in rows.in_the_way(db, run.job_id, now) if row["id"] < run.id]
        group = run.spec.get("concurrency_group")
        busy = run_place.in_group(db, group) if group else 0
    if in_the_way and run.spec.get("overlap") != "allow":
        return [f"It waits for run {in_the_way[0]} of the job to end."]
    if group and busy >= run.spec.get("concurrency_limit", 1):
        return [f"It waits for a place in the group {group}, of which {busy} run."]
    return ["It waits for a free slot."]


def _place(run: Run) -> str:
    group = run.spec.get("concurrency_group")
    limit = run.spec.get("concurrency_limit", 1)
    return f"a free slot, or a place in the group {group} (at most {limit} at once)" if group else "a free slot"

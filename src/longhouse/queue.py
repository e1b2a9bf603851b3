"""The durable queue: enqueue, claim, finish, cancel. The only caller of `runs.state.move`.

Functions that take a connection work inside the caller's transaction; the others are one transaction of their own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from longhouse import audit, history
from longhouse.errors import Conflict
from longhouse.house import SYSTEM, By, House
from longhouse.runs import retry
from longhouse.runs.fingerprint import fingerprint
from longhouse.runs.state import TERMINAL, Reason, RunState, move
from longhouse.store import attempts as attempt_rows
from longhouse.store import events
from longhouse.store import jobs as job_rows
from longhouse.store import runs as rows
from longhouse.store.database import Connection
from longhouse.store.jobs import Job
from longhouse.store.runs import Run
from zerg._wire import JobDescription, job_description

LEASE_MS = 30_000
"""How long a claim holds without a heartbeat. One server owns a data directory, so a lease only tells it apart from
the attempts of a server that died."""
BACKFILL_LOWER = 10_000
"""Below the lowest priority that a job can have, which is -1000."""
POISON_LIMIT = 3
"""Attempts of one run that took their supervisor or the server with them before the run is quarantined."""


@dataclass(frozen=True)
class Claimed:
    """One attempt that the caller, and nobody else, may start."""

    run: Run
    attempt: int
    spec: JobDescription
    output: str


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an attempt ended, before retries are considered. `state` is a terminal state or RETRYING (the job asked)."""

    state: RunState
    reason: Reason | None = None
    message: str = ""
    result: Any = None
    error: dict[str, Any] | None = None
    exit_code: int | None = None
    signal: int | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    retry_after_seconds: float | None = None
    free_try: bool = False
    """The attempt does not count against max_attempts: we ended it ourselves by stopping."""


# --- in -------------------------------------------------------------------------------------------------------------


def enqueue(
    house: House,
    db: Connection,
    job: Job,
    *,
    trigger: str,
    by: By,
    due: int | None = None,
    not_before: int | None = None,
    params: dict[str, Any] | None = None,
    pinned: bool = False,
    debug: bool = False,
    rerun_of: int | None = None,
    backfill_id: int | None = None,
    max_attempts: int | None = None,
) -> int:
    """A new queued run of `job`; its id. `pinned`: it runs exactly this spec and commit, whatever is loaded later.

    The runs of a backfill come after everything else, and are one act in the audit trail: its own.
    """
    now, spec = house.clock.now(), job.spec
    house.reserve.refuse(now)
    run_id = rows.enqueue(
        db,
        {
            "job_id": job.id,
            "trigger": trigger,
            "actor": by.name,
            "surface": by.surface,
            "due": due,
            "not_before": now if not_before is None else not_before,
            "priority": spec.priority - (0 if backfill_id is None else BACKFILL_LOWER),
            "overlap": spec.overlap,
            "concurrency_group": spec.concurrency_group,
            "concurrency_limit": spec.concurrency_limit,
            "max_attempts": max_attempts or spec.max_attempts,
            "params": json.dumps(params or {}),
            "spec": job_rows.spec_text(spec) if pinned else None,
            "commit_sha": job.commit_sha,
            "environment": job.environment,
            "pinned": int(pinned),
            "debug": int(debug),
            "rerun_of": rerun_of,
            "backfill_id": backfill_id,
            "now": now,
        },
    )
    if by is not SYSTEM and backfill_id is None:
        after = {"run": run_id, "trigger": trigger, "params": params or {}}
        if debug:
            after["debug"] = True
        if not_before is not None:
            after["at"] = not_before
        audit.record(house, db, by, "run.create", f"job:{job.id}", after=after)
    _tell(house, db, "run.created", run_id, job.id, RunState.QUEUED)
    return run_id


# --- through --------------------------------------------------------------------------------------------------------


def claim(house: House, *, spare: bool = True) -> Claimed | None:
    """Take the run that is to start next, with a lease; None if none may start. Idle calls only read.

    `spare`: a slot stays free for what comes, so a backfill may start, too.
    """
    if house.reserve.full:
        return None  # what was accepted waits: it could neither write nor say what it did
    with house.db.read() as db:
        if rows.ready(db, house.clock.now(), spare=spare) is None:
            return None
    with house.db.write() as db:
        now = house.clock.now()
        run_id = rows.ready(db, now, spare=spare)
        if run_id is None:
            return None
        run = history.in_transaction(db, run_id)
        move(RunState(run.state), RunState.RUNNING)
        run = _renewed(db, run)
        values = {
            "id": run.id,
            "now": now,
            "spec": json.dumps(run.spec),
            "commit_sha": run.commit_sha,
            "environment": run.environment,
        }
        if not rows.claim(db, values):
            return None
        attempt = run.attempt + 1
        output = f"{run.id}/{attempt}.log"
        attempt_rows.begin(
            db,
            {
                "run_id": run.id,
                "attempt": attempt,
                "owner": house.owner,
                "lease_until": now + LEASE_MS,
                "now": now,
                "output": output,
            },
        )
        _tell(house, db, "run.started", run.id, run.job_id, RunState.RUNNING, attempt=attempt)
        return Claimed(history.in_transaction(db, run.id), attempt, job_description(run.spec), output)


def _renewed(db: Connection, run: Run) -> Run:
    """The run with the settings and commit that are loaded now, unless it has started before or is pinned."""
    job = job_rows.get(db, run.job_id, removed=True)
    if run.pinned or run.attempt or job is None:
        return run
    return replace(run, spec=job.spec.values(), commit_sha=job.commit_sha, environment=job.environment)


def started(house: House, run_id: int, attempt: int, *, pid: int, ticks: int, boot_id: str) -> bool:
    """Note the process of the attempt; False if the attempt is no longer ours to run."""
    with house.db.write() as db:
        return attempt_rows.started(db, run_id, attempt, pid, ticks, boot_id, house.clock.now())


def heartbeat(house: House) -> int:
    """Renew the leases of all our living attempts; how many there are."""
    with house.db.write() as db:
        return attempt_rows.renew_leases(db, house.owner, house.clock.now() + LEASE_MS)


# --- out ------------------------------------------------------------------------------------------------------------


def finish(house: House, run_id: int, attempt: int, ending: Ending) -> RunState | None:
    """End an attempt, and with it the run or not: a failure is tried again while tries are left.

    Exactly one call per attempt changes anything; None says that the attempt had ended before, or was not the newest.
    """
    with house.db.write() as db:
        run = history.in_transaction(db, run_id)
        if run.state != RunState.RUNNING or run.attempt != attempt:
            return None
        now = house.clock.now()
        ending = _decided(db, run, ending)
        retry_at = _retry_at(run, ending, now) if ending.state is RunState.RETRYING else None
        state = move(RunState(run.state), ending.state)
        if not attempt_rows.end(db, _attempt_values(run_id, attempt, ending, now, retry_at)):
            return None
        changed = rows.change_state(
            db,
            {
                "id": run_id,
                "old": run.state,
                "new": state,
                "attempt": attempt,
                "reason": ending.reason,
                "message": ending.message,
                "result": None if ending.result is None else json.dumps(ending.result),
                "error": None if ending.error is None else json.dumps(ending.error),
                "fingerprint": _fingerprint(ending) if state is RunState.FAILED else None,
                "not_before": retry_at,
                "refund": int(ending.free_try),
                "finished_at": now if state in TERMINAL else None,
            },
        )
        if not changed:
            raise Conflict(f"run {run_id} moved on while its attempt {attempt} ended")
        if state in TERMINAL:
            audit.record(
                house,
                db,
                SYSTEM,
                "run.finish",
                f"run:{run_id}",
                before={"state": run.state, "attempt": attempt},
                after={"state": state, "reason": ending.reason},
            )
        kind = "run.finished" if state in TERMINAL else "run.retrying"
        if state is RunState.CANCELLED:
            kind = "run.cancelled"
        _tell(house, db, kind, run_id, run.job_id, state, attempt=attempt, reason=ending.reason)
        return state


def _decided(db: Connection, run: Run, ending: Ending) -> Ending:
    """`ending` with retries, cancellation and quarantine taken into account."""
    if ending.state in (RunState.SUCCEEDED, RunState.DEGRADED, RunState.SKIPPED, RunState.CANCELLED):
        return replace(ending, free_try=False)
    if run.cancel_requested_at is not None:
        return replace(ending, state=RunState.CANCELLED, free_try=False)
    if ending.reason is Reason.SECRETS_MISSING:
        return replace(ending, state=RunState.FAILED)
    interrupted = ending.reason is Reason.INTERRUPTED and not ending.free_try
    if interrupted and _interruptions(db, run) + 1 >= POISON_LIMIT:
        message = f"{ending.message} This was the {POISON_LIMIT}rd such attempt: the run is not tried again."
        return replace(ending, state=RunState.FAILED, reason=Reason.QUARANTINED, message=message)
    left = run.max_attempts - run.tries_used
    if ending.free_try and run.max_attempts > 1:
        left += 1
    else:
        ending = replace(ending, free_try=False)
    return replace(ending, state=RunState.RETRYING if left > 0 else RunState.FAILED)


def _interruptions(db: Connection, run: Run) -> int:
    """Earlier attempts of the run that ended with somebody's death: ours, or their supervisor's."""
    return sum(
        1
        for row in attempt_rows.of_run(db, run.id)
        if row["reason"] == Reason.INTERRUPTED and row["signal"] != FREE_SIGNAL
    )


FREE_SIGNAL = -1
"""Stored as the signal of an attempt that a stop of the server ended: it was neither the job's fault nor its try."""


def _retry_at(run: Run, ending: Ending, now: int) -> int:
    if ending.reason is Reason.INTERRUPTED:
        return now
    if ending.retry_after_seconds is not None:
        return now + int(min(ending.retry_after_seconds, retry.MAX_DELAY_SECONDS) * 1000)
    base = float(run.spec.get("retry_delay_seconds", 15))
    spread = retry.spread_of(run.id, run.attempt)
    return now + int(retry.delay_seconds(run.tries_used, base, spread=spread) * 1000)


def _fingerprint(ending: Ending) -> str:
    return fingerprint(
        reason=ending.reason,
        message=ending.message,
        error=ending.error,
        exit_code=ending.exit_code,
        signal=ending.signal,
    )


def _attempt_values(run_id: int, attempt: int, ending: Ending, now: int, retry_at: int | None) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "attempt": attempt,
        "state": RunState.FAILED if ending.state is RunState.RETRYING else ending.state,
        "reason": ending.reason,
        "message": ending.message,
        "exit_code": ending.exit_code,
        "signal": FREE_SIGNAL if ending.free_try else ending.signal,
        "cpu_seconds": ending.cpu_seconds,
        "peak_memory_bytes": ending.peak_memory_bytes,
        "error": None if ending.error is None else json.dumps(ending.error),
        "now": now,
        "retry_at": retry_at,
    }


def cancel(house: House, run_id: int, by: By) -> Run:
    """Ask a run to stop: one that waits is cancelled at once, one that runs when its processes are gone.

    Raises NotFound, and Conflict for a run that has ended.
    """
    with house.db.write() as db:
        run, now = history.in_transaction(db, run_id), house.clock.now()
        if run.state in TERMINAL:
            said = _SAID[RunState(run.state)]
            raise Conflict(f"run {run_id} has ended already: it {said}", hint="There is nothing to cancel.")
        if rows.request_cancel(db, run_id, now):
            audit.record(house, db, by, "run.cancel", f"run:{run_id}", before={"state": run.state})
        if run.state != RunState.RUNNING:
            _cancel_waiting(house, db, run, by, now)
        return history.in_transaction(db, run_id)


_SAID = {
    RunState.SUCCEEDED: "succeeded",
    RunState.DEGRADED: "finished degraded",
    RunState.FAILED: "failed",
    RunState.SKIPPED: "was skipped",
    RunState.CANCELLED: "was cancelled",
}


def _cancel_waiting(house: House, db: Connection, run: Run, by: By, now: int) -> None:
    state = move(RunState(run.state), RunState.CANCELLED)
    rows.change_state(
        db,
        {
            "id": run.id,
            "old": run.state,
            "new": state,
            "attempt": run.attempt,
            "reason": None,
            "message": f"Cancelled by {by.name} before it started.",
            "result": None,
            "error": None,
            "fingerprint": None,
            "not_before": None,
            "refund": 0,
            "finished_at": now,
        },
    )
    _tell(house, db, "run.cancelled", run.id, run.job_id, state)


def _tell(
    house: House,
    db: Connection,
    type: str,
    run_id: int,
    job_id: str,
    state: RunState,
    *,
    attempt: int | None = None,
    reason: str | None = None,
) -> None:
    data = {"run": run_id, "job": job_id, "state": state, "attempt": attempt, "reason": reason}
    events.append(db, type, f"run:{run_id}", {k: v for k, v in data.items() if v is not None}, house.clock.now())

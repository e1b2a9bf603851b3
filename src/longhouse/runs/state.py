"""The life of a run is a table, and one function reads it."""

from __future__ import annotations

from enum import StrEnum

from longhouse.errors import Conflict


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    DEGRADED = "degraded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a run or an attempt ended as it did, beside its state."""

    EXIT = "exit"
    EXCEPTION = "exception"
    TIMED_OUT = "timed_out"
    OOM = "oom"
    RESOURCE_EXCEEDED = "resource_exceeded"
    INTERRUPTED = "interrupted"
    QUARANTINED = "quarantined"
    SECRETS_MISSING = "secrets_missing"
    OVER_CAP = "over_cap"


NEXT: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.RUNNING: frozenset(
        {
            RunState.SUCCEEDED,
            RunState.DEGRADED,
            RunState.SKIPPED,
            RunState.RETRYING,
            RunState.FAILED,
            RunState.CANCELLED,
        }
    ),
    RunState.RETRYING: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.DEGRADED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.SKIPPED: frozenset(),
    RunState.CANCELLED: frozenset(),
}
TERMINAL = frozenset(state for state, after in NEXT.items() if not after)
ACTIVE = frozenset(NEXT) - TERMINAL


class IllegalMove(Conflict):
    code = "run.illegal_move"


def move(old: RunState, new: RunState) -> RunState:
    """`new`, if a run may go there from `old`; the only gate a state change passes. Raises IllegalMove."""
    if new not in NEXT[old]:
        raise IllegalMove(f"a {old} run cannot become {new}", hint="Look at the run again: it has moved on.")
    return new

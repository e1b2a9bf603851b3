"""What the pages call things: states, reasons, ends of firings. Every table is complete; a test holds them to it."""

from __future__ import annotations

from typing import Any

from longhouse.runs.state import Reason, RunState
from longhouse.store.runs import Run
from longhouse.triggers.misfire import End

STATES: dict[str, str] = {
    RunState.QUEUED: "Queued",
    RunState.RUNNING: "Running",
    RunState.RETRYING: "Will retry",
    RunState.SUCCEEDED: "Succeeded",
    RunState.DEGRADED: "Degraded",
    RunState.FAILED: "Failed",
    RunState.SKIPPED: "Skipped",
    RunState.CANCELLED: "Cancelled",
}

REASONS: dict[str, tuple[str, str]] = {
    Reason.EXIT: ("exit", "The process ended with an exit code other than 0."),
    Reason.EXCEPTION: ("exception", "The job raised an exception that it did not catch."),
    Reason.TIMED_OUT: ("timed out", "The job took longer than its timeout allows and was stopped."),
    Reason.OOM: ("out of memory", "The job used more memory than it may, and was stopped."),
    Reason.RESOURCE_EXCEEDED: ("over a limit", "The job went over one of its limits and was stopped."),
    Reason.INTERRUPTED: (
        "interrupted",
        "The process was gone before the job had ended; the job itself is not at fault.",
    ),
    Reason.QUARANTINED: ("quarantined", "It took its process with it too often, so it is not tried again."),
    Reason.SECRETS_MISSING: ("secrets missing", "A secret that the job declares has no value yet."),
    Reason.OVER_CAP: ("over the cap", "It would have cost more than its cap allows."),
}
"""A label and a sentence each."""

TRIGGERS = {
    "schedule": "on schedule",
    "catch_up": "caught up",
    "manual": "by hand",
    "later": "for this time",
    "backfill": "as a backfill",
    "rerun": "again",
    "trial": "as a trial",
    "first_boot": "first start",
}

ENDS: dict[str, tuple[str, str]] = {
    End.RAN: ("Ran", "It started a run."),
    End.SKIPPED_OVERLAP: ("Skipped: overlap", "The run before it had not ended, and the overlap setting says to skip."),
    End.SKIPPED_DISABLED: ("Skipped: disabled", "The job was disabled."),
    End.SKIPPED_PAUSED: ("Skipped: paused", "The job, or the whole instance, was paused."),
    End.MISSED_DOWN: ("Missed: not running", "Longhouse was not running at that time."),
    End.MISSED_LATE: ("Missed: too late", "It was noticed later than the misfire grace allows."),
    End.MISSED_FULL: ("Missed: disk full", "The disk or the database was full."),
    End.HELD_CLOCK: ("Held: clock", "The clock of the machine jumped; the firing was held back."),
    End.CAUGHT_UP_BY: ("Caught up", "A later run stands in for it."),
    End.BLOCKED_APPROVAL: ("Blocked: approval", "It needed an approval that was not given."),
    End.BLOCKED_BUDGET: ("Blocked: budget", "The budget was used up."),
    End.DEDUPLICATED: ("Deduplicated", "The same request had run already."),
}

OVERLAPS = {
    "skip": "a firing is skipped while a run is active",
    "queue": "one run may wait behind the active one",
    "allow": "runs may overlap",
}
CATCH_UPS = {
    "skip": "missed firings are not made up for",
    "latest": "one run makes up for all missed firings",
    "all": "each missed firing gets its run, up to the most recent",
}


def why(run: Run) -> str:
    """`on schedule`, or who asked for it and through what."""
    said = TRIGGERS.get(run.trigger, run.trigger)
    if run.trigger == "rerun" and run.rerun_of is not None:
        said = f"run {run.rerun_of} again"
    if run.surface == "system":
        return said
    return f"{said}, {run.actor} ({SURFACES.get(run.surface, run.surface)})"


SURFACES = {"web": "browser", "api": "API", "cli": "command line", "system": "by itself", "mcp": "agent"}


def sentence(run: Run) -> str:
    """What happened, in one sentence: the run's own message, or what its reason means."""
    if run.message:
        return run.message
    return REASONS[run.reason][1] if run.reason in REASONS else ""


def attempts_said(attempts: list[dict[str, Any]]) -> str:
    return "1 attempt" if len(attempts) == 1 else f"{len(attempts)} attempts"

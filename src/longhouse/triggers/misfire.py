"""What becomes of due times that have passed: fire on time, catch up, or say that they were missed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from longhouse.triggers import Trigger


class End(StrEnum):
    """How a due time ended. Every passed due time has exactly one of these in the ledger."""

    RAN = "ran"
    SKIPPED_OVERLAP = "skipped_overlap"
    SKIPPED_DISABLED = "skipped_disabled"
    SKIPPED_PAUSED = "skipped_paused"
    MISSED_DOWN = "missed_down"
    MISSED_LATE = "missed_late"
    MISSED_FULL = "missed_full"
    HELD_CLOCK = "held_clock"
    CAUGHT_UP_BY = "caught_up_by"
    BLOCKED_APPROVAL = "blocked_approval"
    BLOCKED_BUDGET = "blocked_budget"
    DEDUPLICATED = "deduplicated"


@dataclass(frozen=True)
class Fire:
    """Start a run for this due time."""

    due: int
    late: bool
    """It is a catch-up: beyond the misfire grace."""


@dataclass(frozen=True)
class Missed:
    """`count` due times from `first` to `last` that start no run of their own. For `caught_up_by` the run is that of
    the next `Fire`."""

    first: int
    last: int
    count: int
    end: End


@dataclass(frozen=True)
class Policy:
    """A job's settings that decide about late firings."""

    grace_ms: int
    catch_up: str
    max_catch_up: int


def settle(
    trigger: Trigger, cursor: int, now: int, *, policy: Policy, up_since: int | None = None
) -> list[Fire | Missed]:
    """Every due time in (cursor, now], each in exactly one entry, in order of time.

    Within the grace a due time fires. Later ones follow `catch_up`: skip, latest (one run for the last of them, unless
    a firing within the grace follows anyway), all (a run each for the last `max_catch_up`). What fires not was
    `missed_down` if it was due before `up_since` (when this process took over), else `missed_late`.
    """
    due = trigger.after(cursor)
    edge = now - policy.grace_ms - 1
    late: list[Fire | Missed] = []
    if due is not None and due <= edge:
        followed = trigger.latest(max(edge, cursor), now) is not None
        late = _late(trigger, cursor, edge, policy, up_since, followed=followed)
        due = trigger.after(edge)
    on_time: list[Fire | Missed] = []
    while due is not None and due <= now:
        on_time.append(Fire(due, late=False))
        due = trigger.after(due)
    return late + on_time


def _late(
    trigger: Trigger, low: int, high: int, policy: Policy, up_since: int | None, *, followed: bool
) -> list[Fire | Missed]:
    last = trigger.latest(low, high) if high > low else None
    if last is None:
        return []
    if policy.catch_up == "skip":
        return _missed(trigger, low, high, up_since)
    if policy.catch_up == "latest":
        if followed:
            return _range(trigger, low, high, End.CAUGHT_UP_BY)
        return [*_range(trigger, low, last - 1, End.CAUGHT_UP_BY), Fire(last, late=True)]
    fires = [last]
    while len(fires) < policy.max_catch_up:
        earlier = trigger.latest(low, fires[0] - 1)
        if earlier is None:
            break
        fires.insert(0, earlier)
    return [*_missed(trigger, low, fires[0] - 1, up_since), *(Fire(due, late=True) for due in fires)]


def _missed(trigger: Trigger, low: int, high: int, up_since: int | None) -> list[Fire | Missed]:
    down_until = min(max(low, (up_since or 0) - 1), high)
    return [
        *_range(trigger, low, down_until, End.MISSED_DOWN),
        *_range(trigger, down_until, high, End.MISSED_LATE),
    ]


def _range(trigger: Trigger, low: int, high: int, end: End) -> list[Fire | Missed]:
    """The due times in (low, high] as one entry, or none."""
    last = trigger.latest(low, high) if high > low else None
    first = trigger.after(low)
    if last is None or first is None:
        return []
    return [Missed(first, last, trigger.count(low, last), end)]

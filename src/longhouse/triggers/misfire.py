"""What becomes of due times that have passed: fire on time, catch up, or say that they were missed. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from longhouse.triggers import Trigger
from zerg._wire import JobDescription


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


def policy_of(spec: JobDescription) -> Policy:
    """A grace below a second would call every firing late: that is how long a busy machine may take to look."""
    return Policy(max(1000, int(spec.misfire_grace_seconds * 1000)), spec.catch_up, spec.max_catch_up)


def settle(
    trigger: Trigger,
    cursor: int,
    now: int,
    *,
    policy: Policy,
    up_since: int | None = None,
    held: Sequence[tuple[int, int]] = (),
) -> list[Fire | Missed]:
    """Every due time in (cursor, now], each in exactly one entry, in order of time.

    Within the grace a due time fires. Later ones follow `catch_up`: skip, latest (one run for the last of them, unless
    a firing within the grace follows anyway), all (a run each for the last `max_catch_up`). What fires not was
    `missed_down` if it was due before `up_since` (when this process took over), else `missed_late`.

    `held` are the ranges (low, high] over which the clock was set forward: what was due up to `low` was due then.
    """
    entries: list[Fire | Missed] = []
    for low, high in sorted(held):
        if cursor < high and low < now:
            entries += _settle(trigger, cursor, low, policy, up_since)
            cursor, since = min(high, now), max(cursor, low)
            entries += _range(trigger, since, cursor, End.HELD_CLOCK)
    return entries + _settle(trigger, cursor, now, policy, up_since)


def _settle(trigger: Trigger, cursor: int, now: int, policy: Policy, up_since: int | None) -> list[Fire | Missed]:
    due = trigger.after(cursor)
    edge = now - policy.grace_ms - 1
    late: list[Fire | Missed] = []
    if due is not None and due <= edge:
        followed = trigger.latest(max(edge, cursor), now) is not None
        late = caught_up(trigger, cursor, edge, policy, up_since, followed=followed)
        due = trigger.after(edge)
    on_time: list[Fire | Missed] = []
    while due is not None and due <= now:
        on_time.append(Fire(due, late=False))
        due = trigger.after(due)
    return late + on_time


def caught_up(
    trigger: Trigger, low: int, high: int, policy: Policy, up_since: int | None = None, *, followed: bool = False
) -> list[Fire | Missed]:
    """The due times in (low, high] by the catch-up setting alone; `followed`: one that is on time comes behind."""
    last = trigger.latest(low, high) if high > low else None
    if last is None:
        return []
    if policy.catch_up == "skip":
        return _missed(trigger, low, high, up_since)
    if policy.catch_up == "latest":
        if followed:
            return [*_range(trigger, low, high, End.CAUGHT_UP_BY)]
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


def _range(trigger: Trigger, low: int, high: int, end: End) -> list[Missed]:
    """The due times in (low, high] as one entry, or none."""
    last = trigger.latest(low, high) if high > low else None
    first = trigger.after(low)
    if last is None or first is None:
        return []
    return [Missed(first, last, trigger.count(low, last), end)]


# --- and while an earlier run still goes on --------------------------------------------------------------------------

ROOM: dict[str, float] = {"skip": 1, "queue": 2, "allow": math.inf}
"""Runs of a job that may wait or run at once, by its overlap setting. skip: one; queue: one more may wait behind it."""


@dataclass(frozen=True)
class Overlap:
    """Whether a job may get one more run, by its overlap setting and the runs it has."""

    rule: str
    active: int

    def admits(self) -> bool:
        return self.active < ROOM[self.rule]


@dataclass(frozen=True)
class Start:
    """A run for `fire`, which also makes up for what it covers."""

    fire: Fire
    covers: tuple[Missed, ...] = ()


def admitted(
    entries: Iterable[Fire | Missed],
    overlap: Overlap,
    up_since: int | None,
    known: Callable[[int], bool] = lambda due: False,
) -> Iterator[Start | Missed]:
    """What `settle` found, with the overlap setting heeded: runs to start, and due times that get none, and why.

    `known` says whether a due time has its entry already: then it has what it got, and gets nothing more.
    """
    before, waiting = overlap, list[Missed]()
    for entry in entries:
        if isinstance(entry, Missed):
            if entry.end is End.CAUGHT_UP_BY:
                waiting.append(entry)
            else:
                yield entry
            continue
        was_known = known(entry.due)
        # A catch-up of several is a queue of its own: its runs overlap with what was there before, not with each other.
        if not was_known and (before if entry.late else overlap).admits():
            yield Start(entry, tuple(waiting))
            overlap = replace(overlap, active=overlap.active + 1)
        else:
            yield from (_uncaught(missed, up_since) for missed in waiting)
            if not was_known:
                yield Missed(entry.due, entry.due, 1, End.SKIPPED_OVERLAP)
        waiting.clear()


def _uncaught(missed: Missed, up_since: int | None) -> Missed:
    """A run was to make up for these, but none could be started."""
    return replace(missed, end=End.MISSED_DOWN if missed.first < (up_since or 0) else End.MISSED_LATE)


def without(missed: Missed, trigger: Trigger, known: Collection[int]) -> list[Missed]:
    """`missed` in pieces that leave out the due times in `known`, which have entries of their own."""
    inside = sorted(due for due in known if missed.first <= due <= missed.last)
    if not inside:
        return [missed]
    edges = [missed.first - 1, *inside]
    ends = [*(due - 1 for due in inside), missed.last]
    pieces = []
    for low, high in zip(edges, ends, strict=True):
        pieces += _range(trigger, low, high, missed.end)
    return pieces

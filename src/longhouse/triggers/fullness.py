"""What is said of due times that passed while the disk was full. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from longhouse.triggers import Trigger
from longhouse.triggers.misfire import End, Missed, Start

BLAMED = frozenset({End.MISSED_DOWN, End.MISSED_LATE})


def explained(
    trigger: Trigger, steps: Iterable[Start | Missed], *, full_since: int | None, last: tuple[int, int] | None
) -> Iterator[Start | Missed]:
    """`steps` with `missed_full` where that is the reason.

    While the disk is full (`full_since`) nothing starts. After it (`last`: from, until), what was not caught up with
    was missed because of it, and not because somebody was late.
    """
    for step in steps:
        if full_since is not None:
            yield from _unstarted(step)
        elif isinstance(step, Missed) and step.end in BLAMED and last is not None:
            yield from _parted(trigger, step, *last)
        else:
            yield step


def _unstarted(step: Start | Missed) -> Iterator[Missed]:
    if isinstance(step, Missed):
        yield step if step.end is End.SKIPPED_OVERLAP else replace(step, end=End.MISSED_FULL)
        return
    yield from (replace(missed, end=End.MISSED_FULL) for missed in step.covers)
    yield Missed(step.fire.due, step.fire.due, 1, End.MISSED_FULL)


def _parted(trigger: Trigger, missed: Missed, since: int, until: int) -> Iterator[Missed]:
    """Before, during and after, each if there is any of it."""
    before, during = min(since - 1, missed.last), min(until, missed.last)
    low = missed.first - 1
    for high, end in ((before, missed.end), (during, End.MISSED_FULL), (missed.last, missed.end)):
        if high <= low:
            continue
        first, last = trigger.after(low), trigger.latest(low, high)
        if first is not None and last is not None:
            yield Missed(first, last, trigger.count(low, last), end)
        low = high

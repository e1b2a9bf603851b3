"""When jobs are due over a span: how many at one moment, and where more are due than may run. Pure.

Times are milliseconds since the epoch, UTC; a span is [low, high).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from longhouse.triggers import Trigger

MOST = 150_000
"""Moments that are looked at one by one; what lies behind is planned, but not compared."""
HOT = 500
"""Moments with too many jobs that are told apart."""
NAMED = 12
"""Jobs named in one collision; more are counted."""

Days = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Due:
    """A job that fires by its schedule, from `since` on."""

    job_id: str
    trigger: Trigger
    since: int = 0
    group: str | None = None
    group_limit: int = 1


@dataclass(frozen=True)
class Collision:
    """More jobs due at one moment than may run at once."""

    moments: tuple[int, ...]
    """When the same jobs meet, in order."""
    due: int
    """How many jobs."""
    room: int
    """How many of them may run at once."""
    group: str | None
    """Whose limit it is; None: the slots of the instance."""
    jobs: tuple[str, ...]
    """The first few of them."""


class Plan:
    """What `dues` do in [low, high). Jobs with equal schedules are worked out once."""

    def __init__(self, dues: Sequence[Due], low: int, high: int, slots: int, most: int = MOST) -> None:
        self.low, self.high = low, high
        self._days: dict[Trigger, Days] = {}
        for due in dues:
            if due.trigger not in self._days:
                self._days[due.trigger] = tuple(due.trigger.days(low - 1, high - 1))
        moments = sum(len(offsets) for days in self._days.values() for _, offsets in days)
        self.until = high if moments <= most else low + max(1, (high - low) * most // moments)
        """Up to here the moments of all jobs are compared."""
        alike = Counter((due.trigger, due.since) for due in dues)
        self.at_once = self._meetings(alike)
        """How many jobs are due at each moment before `until`."""
        self.collisions = self._collisions(dues, slots)

    def moments(self, trigger: Trigger, since: int) -> Iterator[int]:
        """The due times of `trigger` that are not before `since`, in order. It must be that of one of the dues."""
        since, before = max(since, self.low), -1
        for start, offsets in self._days[trigger]:
            for offset in offsets[bisect_left(offsets, since - start) :] if start < since else offsets:
                if start + offset >= self.high:  # some triggers tell whole days
                    return
                if start + offset != before:  # a change of the clocks may move one to another
                    yield start + offset
                before = start + offset

    def is_due(self, trigger: Trigger, since: int) -> bool:
        return next(self.moments(trigger, since), None) is not None

    def _meetings(self, alike: Mapping[tuple[Trigger, int], int]) -> dict[int, int]:
        found: dict[int, int] = defaultdict(int)
        for (trigger, since), jobs in alike.items():
            for moment in self.moments(trigger, since):
                if moment >= self.until:
                    break
                found[moment] += jobs
        return dict(sorted(found.items()))

    def _collisions(self, dues: Sequence[Due], slots: int) -> tuple[Collision, ...]:
        groups: dict[tuple[str, int], list[Due]] = defaultdict(list)
        for due in dues:
            if due.group is not None:
                groups[due.group, due.group_limit].append(due)
        found = [*self._of(dues, self.at_once, slots, None)]
        for (group, limit), members in groups.items():
            if len(members) > limit:
                alike = Counter((due.trigger, due.since) for due in members)
                found += self._of(members, self._meetings(alike), limit, group)
        return tuple(sorted(found, key=lambda each: (each.moments, each.group or "")))

    def _of(self, dues: Sequence[Due], met: Mapping[int, int], room: int, group: str | None) -> Iterator[Collision]:
        hot = [moment for moment, jobs in met.items() if jobs > room][:HOT]
        if not hot:
            return
        there: dict[int, list[int]] = {moment: [] for moment in hot}
        members: dict[tuple[Trigger, int], list[str]] = defaultdict(list)
        for due in dues:
            members[due.trigger, due.since].append(due.job_id)
        for number, (trigger, since) in enumerate(members):
            for moment in self.moments(trigger, max(since, hot[0])):
                if moment > hot[-1]:
                    break
                if moment in there:
                    there[moment].append(number)
        same: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for moment, numbers in there.items():
            same[tuple(numbers)].append(moment)
        names = list(members.values())
        for together, moments in same.items():
            jobs = sorted(name for number in together for name in names[number])
            yield Collision(tuple(moments), len(jobs), room, group, jobs=tuple(jobs[:NAMED]))


# --- what has been ----------------------------------------------------------------------------------------------------


def at_once(spans: Sequence[tuple[int, int]], low: int, step: int, count: int) -> list[int]:
    """How many of `spans` (start, end) there were at once, at most, in each of `count` steps from `low` on.

    One that ends as it starts was there for a moment.
    """
    changes = sorted([(start, 1) for start, _ in spans] + [(max(end, start + 1), -1) for start, end in spans])
    found, running, place = [0] * count, 0, 0
    for moment, change in changes:
        while place < count and low + place * step < moment:  # nothing has changed since these began
            found[place] = max(found[place], running)
            place += 1
        running += change
        if change > 0 and 0 <= (inside := (moment - low) // step) < count:
            found[inside] = max(found[inside], running)
    for rest in range(place, count):
        found[rest] = max(found[rest], running)
    return found

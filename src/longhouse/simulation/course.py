"""The course of a span: windows one after the other, each distinct one worked through once.

A window follows from what is under way at its start and from what is due in it. Both recur: most five minutes of a year
are like some before, and cost a look into a table. The result is the same as without the table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from longhouse.runs import retry
from longhouse.simulation.floor import EMPTY, Floor, Started, State, Tally
from longhouse.simulation.timetable import WINDOW, Items, Timetable, Window
from longhouse.triggers import Trigger
from longhouse.triggers.misfire import End, Overlap, Start, admitted, policy_of, settle
from zerg._wire import JobDescription

REMEMBERED = 50_000
"""Windows in the table; beyond that it is begun anew."""
MOST_UNDER_WAY = 250
"""Runs under way at a window's end beyond which it is not looked up: such a crowd is never the same twice."""
CROWD = -1
MOST_WAITING = 20_000
"""Runs in the queue at which the simulation ends: work comes faster than it is done, and the queue only grows."""


@dataclass
class Peak:
    """The most of something, and when it was first reached (milliseconds; None: never any)."""

    most: int = 0
    at: int | None = None

    def note(self, count: int, at: int) -> None:
        if count > self.most:
            self.most, self.at = count, at


@dataclass
class Course:
    """What happened. Lists go by the numbers of the jobs."""

    tallies: list[Tally]
    downtime: list[dict[str, int]]
    """Due times of the downtime of each job by their end."""
    running: Peak = field(default_factory=Peak)
    waiting: Peak = field(default_factory=Peak)
    seen: dict[tuple[int, Items], tuple[int, int, Items]] = field(default_factory=dict)
    """Each distinct set of due times in a window: how often, when first, and the whole of it."""
    overloaded_at: int | None = None
    """When the queue had grown beyond all measure, and the simulation ended."""


@dataclass(frozen=True)
class _Known:
    """A window that was worked through: what it adds, and what was under way at its end."""

    added: tuple[tuple[int, Tally], ...]
    running: tuple[int, int]
    waiting: tuple[int, int]
    after: int


class Walk:
    def __init__(
        self,
        jobs: Sequence[JobDescription],
        triggers: Sequence[Trigger],
        owners: Sequence[Sequence[int]],
        durations: Sequence[int],
        slots: int,
        *,
        trace: list[Started] | None = None,
    ) -> None:
        """`owners`: the numbers of the jobs of each trigger. With a `trace` every window is worked through."""
        self._jobs, self._triggers, self._owners = jobs, triggers, owners
        self._floor = Floor(jobs, durations, slots)
        self._floor.trace = trace
        self._remembers = trace is None
        self._durations = durations
        self._course = Course([Tally() for _ in jobs], [defaultdict(int) for _ in jobs])
        self._states: dict[State, int] = {EMPTY: 0}
        self._by_number = [EMPTY]
        self._table: dict[tuple[int, int, Items], _Known] = {}
        self._uses: dict[tuple[int, int, Items], int] = {}

    def over(self, timetable: Timetable, down: tuple[int, int] | None) -> Course:
        """From the start of the timetable to its end; the instance is down in [down[0], down[1])."""
        course, now, standing = self._course, 0, False
        for window in timetable.windows():
            key = (window.common, window.sparse)
            times, first, items = course.seen.get(key, (0, window.start, window.items))
            course.seen[key] = (times + 1, first, items)
            touched = _touches(window, down)
            known = None if touched else self._table.get((now, *key))
            if known is not None:
                self._uses[now, *key] += 1
                standing = False
            else:
                if not standing:
                    self._floor.load(self._by_number[now], window.start)
                known = self._worked(window, timetable, down if touched else None)
                standing = True
                self._add(known, 1)
                inside = window.start >= timetable.start and window.start + WINDOW <= timetable.end
                if self._remembers and inside and not touched and CROWD not in (now, known.after):
                    self._remember((now, *key), known)
            course.running.note(known.running[0], window.start + known.running[1])
            course.waiting.note(known.waiting[0], window.start + known.waiting[1])
            now = known.after
            if known.waiting[0] > MOST_WAITING:
                course.overloaded_at = window.start
                break
        self._settle_table()
        return course

    # --- the table --------------------------------------------------------------------------------------------------

    def _remember(self, key: tuple[int, int, Items], known: _Known) -> None:
        if len(self._table) >= REMEMBERED:
            self._settle_table()
        self._table[key], self._uses[key] = known, 0

    def _settle_table(self) -> None:
        for key, uses in self._uses.items():
            self._add(self._table[key], uses)
        self._table.clear()
        self._uses.clear()

    def _add(self, known: _Known, times: int) -> None:
        for job, added in known.added:
            tally = self._course.tallies[job]
            tally.runs += added.runs * times
            tally.skipped += added.skipped * times
            tally.waited += added.waited * times
            tally.wait_sum += added.wait_sum * times
            tally.wait_max = max(tally.wait_max, added.wait_max)

    def _number(self, state: State) -> int:
        number = self._states.setdefault(state, len(self._by_number))
        if number == len(self._by_number):
            self._by_number.append(state)
        return number

    # --- one window -------------------------------------------------------------------------------------------------

    def _worked(self, window: Window, timetable: Timetable, down: tuple[int, int] | None) -> _Known:
        """`self._floor` stands at the window's start."""
        low, high = max(window.start, timetable.start), min(window.start + WINDOW, timetable.end)
        floor, added, running, waiting = self._floor, list[tuple[int, Tally]](), (0, 0), (0, 0)
        for since, until in _up(low, high, down):
            restarted = down is not None and since == down[1]
            if down and restarted:
                self._restart(down)
            cut = tuple(
                (number, within)
                for number, offsets in window.items
                # What is due at the very moment of the restart was settled by it.
                if (within := tuple(each for each in offsets if since + restarted <= window.start + each < until))
            )
            passed = floor.window(window.start, until, cut, self._owners, since)
            added += passed.tallies.items()
            running = max(running, (passed.running, passed.running_at), key=lambda each: each[0])
            waiting = max(waiting, (passed.waiting, passed.waiting_at), key=lambda each: each[0])
            if down and until == down[0]:
                self._stop(*down)
        crowded = floor.under_way > MOST_UNDER_WAY
        after = CROWD if crowded else self._number(floor.state(window.start + WINDOW))
        return _Known(tuple(added), running, waiting, after)

    def _stop(self, at: int, back: int) -> None:
        """Runs that are alive are interrupted, and tried again after the restart, unless they had one try only."""
        running, queued = self._floor.state(at)
        again = [(place, job, back - at) for place, job, _ in running if self._jobs[job].max_attempts > 1]
        self._floor.load(State((), tuple(sorted([*again, *queued]))), at)

    def _restart(self, down: tuple[int, int]) -> None:
        """What was due meanwhile follows each job's catch-up setting."""
        since, now = down
        waiting = [
            (due, job, trigger)
            for trigger, owners in zip(self._triggers, self._owners, strict=True)
            if (due := trigger.after(since - 1)) is not None and due <= now
            for job in owners
        ]
        for _, job, trigger in sorted(waiting, key=lambda each: each[:2]):
            spec = self._jobs[job]
            entries = settle(trigger, since - 1, now, policy=policy_of(spec), up_since=now)
            for step in admitted(entries, Overlap(spec.overlap, self._floor.active(job)), now):
                if isinstance(step, Start):
                    self._start(job, step, now)
                else:
                    self._course.downtime[job][step.end] += step.count

    def _start(self, job: int, step: Start, now: int) -> None:
        spec, ends = self._jobs[job], self._course.downtime[job]
        jitter = retry.jitter_ms(spec.id, step.fire.due, spec.jitter_minutes)
        self._floor.enqueue(job, (now if step.fire.late else step.fire.due) + jitter, now)
        ends[End.RAN] += 1
        for missed in step.covers:
            ends[missed.end] += missed.count


def _touches(window: Window, down: tuple[int, int] | None) -> bool:
    return down is not None and window.start <= down[1] and window.start + WINDOW >= down[0]


def _up(low: int, high: int, down: tuple[int, int] | None) -> list[tuple[int, int]]:
    """The parts of [low, high) in which the instance is up."""
    if down is None:
        return [(low, high)]
    parts = [(low, min(high, down[0])), (max(low, down[1]), high)]
    return [(since, until) for since, until in parts if since < until]

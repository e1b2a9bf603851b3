"""The queue and its slots under a virtual clock: who starts when, by the rules of `store.runs.ready`.

At one moment runs end first, then due times are settled in the order of job ids, then what may start is started.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple

from longhouse.runs import retry
from longhouse.simulation.timetable import Items
from longhouse.triggers.misfire import ROOM
from zerg._wire import JobDescription


class State(NamedTuple):
    """What is under way at a moment, in times relative to it."""

    running: tuple[tuple[int, int, int], ...]
    """(place, job, end). The place is a run's number in the order in which all of them were queued."""
    queued: tuple[tuple[int, int, int], ...]
    """(place, job, not before), by place."""


EMPTY = State((), ())


@dataclass
class Tally:
    """What happened to one job."""

    runs: int = 0
    skipped: int = 0
    waited: int = 0
    """Runs that had to wait for a slot, their group or an earlier run."""
    wait_sum: int = 0
    wait_max: int = 0


@dataclass
class Passed:
    """What happened in one window. Moments are relative to its start."""

    tallies: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    running: int = 0
    """The most at once, first reached `running_at`."""
    running_at: int = 0
    waiting: int = 0
    waiting_at: int = 0


class Started(NamedTuple):
    job: int
    not_before: int
    at: int


class Floor:
    def __init__(self, jobs: Sequence[JobDescription], durations: Sequence[int], slots: int) -> None:
        """`durations`: how long a run of each job takes, milliseconds."""
        self._jobs, self._durations, self._slots = jobs, durations, slots
        self._room = [ROOM[job.overlap] for job in jobs]
        self._free = [job.overlap == "allow" for job in jobs]
        self._rank = [-job.priority for job in jobs]
        self._group = [(job.concurrency_group, job.concurrency_limit) for job in jobs]
        self._limits: dict[str, set[int]] = defaultdict(set)
        for job in jobs:
            if job.concurrency_group is not None:
                self._limits[job.concurrency_group].add(job.concurrency_limit)
        self.trace: list[Started] | None = None
        """Set to a list: every start is noted there."""
        self.load(EMPTY, 0)

    # --- between windows --------------------------------------------------------------------------------------------

    def load(self, state: State, at: int) -> None:
        self._active = [0] * len(self._jobs)
        self._all = self._sequence = 0
        self._in_group: dict[str, int] = defaultdict(int)
        self._ends = [(at + end, job, place) for place, job, end in state.running]
        self._ready: list[tuple[int, int, int, int]] = []
        self._asleep: list[tuple[int, int, int]] = []
        self._held: dict[tuple[str, int], list[tuple[int, int, int, int]]] = defaultdict(list)
        """What its group has no room for."""
        self._behind: dict[int, deque[tuple[int, int]]] = defaultdict(deque)
        """What waits for an earlier run of its job."""
        self._passed = Passed()
        for _, job, _ in self._ends:
            self._active[job] += 1
            self._all += 1
            group = self._group[job][0]
            if group is not None:
                self._in_group[group] += 1
        for place, job, not_before in state.queued:
            self._sequence = place - 1
            self.enqueue(job, at + not_before, at)
        self._sequence = max((place for place, *_ in (*state.running, *state.queued)), default=0)

    def state(self, at: int) -> State:
        waiting = [(sequence, job, not_before) for _, not_before, sequence, job in self._ready]
        waiting += [(sequence, job, not_before) for not_before, sequence, job in self._asleep]
        for held in self._held.values():
            waiting += [(sequence, job, not_before) for _, not_before, sequence, job in held]
        for job, behind in self._behind.items():
            waiting += [(sequence, job, not_before) for not_before, sequence in behind]
        order = sorted([*(sequence for _, _, sequence in self._ends), *(each[0] for each in waiting)])
        places = {sequence: place for place, sequence in enumerate(order, 1)}
        running = sorted((places[sequence], job, end - at) for end, job, sequence in self._ends)
        queued = sorted((places[sequence], job, not_before - at) for sequence, job, not_before in waiting)
        return State(tuple(running), tuple(queued))

    def active(self, job: int) -> int:
        return self._active[job]

    @property
    def under_way(self) -> int:
        """Runs that wait or run."""
        return self._all

    def enqueue(self, job: int, not_before: int, now: int) -> None:
        self._sequence += 1
        self._active[job] += 1
        self._all += 1
        if self._free[job] or self._active[job] == 1:
            self._offer(job, not_before, self._sequence, now)
        else:
            self._behind[job].append((not_before, self._sequence))

    def _offer(self, job: int, not_before: int, sequence: int, now: int) -> None:
        if not_before > now:
            heappush(self._asleep, (not_before, sequence, job))
        else:
            heappush(self._ready, (self._rank[job], not_before, sequence, job))

    # --- one window -------------------------------------------------------------------------------------------------

    def window(self, start: int, until: int, items: Items, owners: Sequence[Sequence[int]], since: int) -> Passed:
        """Pass from `since` to `until`; `items` are due at so long after `start`, `owners` the jobs of each trigger."""
        passed = self._passed = Passed()
        active, room, ends, asleep = self._active, self._room, self._ends, self._asleep
        due = {job: offsets for number, offsets in items for job in owners[number]}
        place = dict.fromkeys(due, 0)
        fires = [(start + offsets[0], job) for job, offsets in due.items() if active[job] < room[job]]
        heapify(fires)
        heapify(ends)
        now = since  # something may start at once: after a restart, or what its group had no room for
        while now < until:
            while ends and ends[0][0] <= now:
                job = heappop(ends)[1]
                self._ended(job, now)
                if job in due and active[job] + 1 == room[job]:  # what came meanwhile was skipped
                    offsets = due[job]
                    following = bisect_left(offsets, now - start, place[job])
                    if following > place[job]:
                        passed.tallies[job].skipped += following - place[job]
                        place[job] = following
                    if following < len(offsets):
                        heappush(fires, (start + offsets[following], job))
            while fires and fires[0][0] <= now:
                job = fires[0][1]
                jitter = self._jobs[job].jitter_minutes
                self.enqueue(job, now + (retry.jitter_ms(self._jobs[job].id, now, jitter) if jitter else 0), now)
                passed.tallies[job].runs += 1
                following = place[job] = place[job] + 1
                offsets = due[job]
                if following < len(offsets) and active[job] < room[job]:
                    heapreplace(fires, (start + offsets[following], job))
                else:
                    heappop(fires)
            while asleep and asleep[0][0] <= now:
                not_before, sequence, job = heappop(asleep)
                heappush(self._ready, (self._rank[job], not_before, sequence, job))
            self._start_what_may(now)
            self._note(now - start)
            now = ends[0][0] if ends else until
            if fires and fires[0][0] < now:
                now = fires[0][0]
            if asleep and asleep[0][0] < now:
                now = asleep[0][0]
        for job, offsets in due.items():
            if place[job] < len(offsets):
                passed.tallies[job].skipped += len(offsets) - place[job]
        return passed

    def _ended(self, job: int, now: int) -> None:
        self._active[job] -= 1
        self._all -= 1
        group = self._group[job][0]
        if group is not None:
            self._in_group[group] -= 1
            self._release(group)
        if self._behind.get(job):
            not_before, sequence = self._behind[job].popleft()
            self._offer(job, not_before, sequence, now)

    def _release(self, group: str) -> None:
        """Somebody of the group has room again: the first of each limit may try."""
        for limit in self._limits[group]:
            held = self._held.get((group, limit))
            if held:
                heappush(self._ready, heappop(held))

    def _start_what_may(self, now: int) -> None:
        while self._ready and len(self._ends) < self._slots:
            item = heappop(self._ready)
            _, not_before, sequence, job = item
            group, limit = self._group[job]
            if group is not None:
                if self._in_group[group] >= limit:
                    heappush(self._held[group, limit], item)
                    continue
                self._in_group[group] += 1
                self._release(group)
            heappush(self._ends, (now + self._durations[job], job, sequence))
            if now > not_before:
                tally = self._passed.tallies[job]
                tally.waited += 1
                tally.wait_sum += now - not_before
                tally.wait_max = max(tally.wait_max, now - not_before)
            if self.trace is not None:
                self.trace.append(Started(job, not_before, now))

    def _note(self, offset: int) -> None:
        passed, running = self._passed, len(self._ends)
        if running > passed.running:
            passed.running, passed.running_at = running, offset
        waiting = self._all - running - len(self._asleep)
        if waiting > passed.waiting:
            passed.waiting, passed.waiting_at = waiting, offset

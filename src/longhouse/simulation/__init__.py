"""What a set of jobs would do over a span of time: the real trigger, overlap and catch-up code under a virtual clock.

Pure. Every due time is exact. Assumed are how long runs take, that each succeeds, and that nothing starts late.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from longhouse.simulation.clocks import ClockChange, clock_changes
from longhouse.simulation.course import Course, Walk
from longhouse.simulation.floor import Started
from longhouse.simulation.timetable import Timetable
from longhouse.triggers import Trigger, trigger_of
from longhouse.triggers.cron import Cron
from zerg._wire import JobDescription

BUSIEST = 5
MINUTE = 60_000


@dataclass(frozen=True)
class Work:
    """A job and how long its runs take."""

    spec: JobDescription
    seconds: float
    measured: int = 0
    """Past runs that `seconds` is the median of; 0: it is assumed."""


@dataclass(frozen=True)
class JobCourse:
    """What one job did. `due` = runs + skipped + the due times of the downtime, unless the queue overflowed."""

    work: Work
    due: int
    runs: int
    skipped: int
    waited: int
    mean_wait: float
    """Milliseconds, of the runs that had to wait."""
    longest_wait: int
    downtime: dict[str, int]
    """Due times of the downtime by their end."""


@dataclass(frozen=True)
class Collision:
    """`jobs` start in the same minute, `times` times in the span, first at `first`."""

    starts: int
    jobs: tuple[str, ...]
    times: int
    first: int


@dataclass(frozen=True)
class Simulation:
    start: int
    end: int
    jobs: tuple[JobCourse, ...]
    """By id; only those with a schedule."""
    course: Course
    collisions: tuple[Collision, ...]
    """The minutes with the most starts."""
    together: tuple[tuple[str, ...], ...]
    """Jobs whose due times are all the same."""
    clocks: tuple[ClockChange, ...]
    owners: tuple[tuple[str, ...], ...]
    """Ids of the jobs of each trigger that `clocks` names."""


def simulate(
    works: Sequence[Work],
    *,
    zone: str,
    start: int,
    end: int,
    slots: int,
    down: tuple[int, int] | None = None,
    trace: list[Started] | None = None,
) -> Simulation:
    """The span [start, end) in milliseconds. `zone` is that of jobs that name none; `down`: [from, to) in the span.

    With a `trace` every start is noted there, and every window worked through, which takes long. Raises BadCron.
    """
    triggers: dict[Trigger, int] = {}
    kept, owners = list[Work](), list[list[int]]()
    for work in sorted(works, key=lambda work: work.spec.id):
        trigger = trigger_of(work.spec, zone)
        if trigger is not None:
            number = triggers.setdefault(trigger, len(triggers))
            owners += [[]] * (number == len(owners))
            owners[number] = [*owners[number], len(kept)]
            kept.append(work)
    timetable = Timetable(list(triggers), start, end)
    durations = [max(1, round(work.seconds * 1000)) for work in kept]
    specs = [work.spec for work in kept]
    walk = Walk(specs, list(triggers), owners, durations, slots, trace=trace)
    course = walk.over(timetable, down)
    names = tuple(tuple(kept[job].spec.id for job in jobs) for jobs in owners)
    due = {job: timetable.count(number) for number, jobs in enumerate(owners) for job in jobs}
    return Simulation(
        start,
        end,
        tuple(_course_of(work, due[job], course, job) for job, work in enumerate(kept)),
        course,
        tuple(_collisions(course, names)),
        tuple(_together(timetable, names)),
        tuple(clock_changes([(n, each) for each, n in triggers.items() if isinstance(each, Cron)], start, end)),
        names,
    )


def _course_of(work: Work, due: int, course: Course, job: int) -> JobCourse:
    tally = course.tallies[job]
    mean = tally.wait_sum / tally.waited if tally.waited else 0.0
    downtime = dict(course.downtime[job])
    return JobCourse(work, due, tally.runs, tally.skipped, tally.waited, mean, tally.wait_max, downtime)


def _collisions(course: Course, names: tuple[tuple[str, ...], ...]) -> list[Collision]:
    """The sets of triggers that come together in a minute, most jobs first; of those at one time of day the largest."""
    times, first = Counter[tuple[int, ...]](), dict[tuple[int, ...], int]()
    for count, start, items in course.seen.values():
        minutes = defaultdict[int, dict[int, None]](dict)
        for number, offsets in items:
            for offset in offsets:
                minutes[offset // MINUTE][number] = None
        for minute, numbers in minutes.items():
            key, at = tuple(numbers), start + minute * MINUTE
            times[key] += count
            first[key] = min(first.get(key, at), at)
    found, said = list[Collision](), set[int]()
    ranked = sorted(times, key=lambda key: (-sum(len(names[n]) for n in key), first[key]))
    for key in ranked:
        jobs = tuple(sorted(name for number in key for name in names[number]))
        moment = first[key] % 86_400_000
        if len(jobs) < 2 or len(found) == BUSIEST:
            break
        if moment not in said:
            said.add(moment)
            found.append(Collision(len(jobs), jobs, times[key], first[key]))
    return found


def _together(timetable: Timetable, names: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    same = defaultdict[int, list[str]](list)
    for number, jobs in enumerate(names):
        if timetable.count(number):
            same[timetable.fingerprint(number)] += jobs
    return sorted(tuple(sorted(jobs)) for jobs in same.values() if len(jobs) > 1)


__all__ = ["ClockChange", "Collision", "JobCourse", "Simulation", "Work", "simulate"]

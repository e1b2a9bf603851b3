"""What a change of schedules does, in the lines that its commit carries, and these lines in words. Pure.

Bounded, because a commit waits for it: due times of four weeks, the busiest minute of one week (of a day, where a week
holds very many), clock changes of a year for the jobs that changed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from longhouse.clock import iso
from longhouse.simulation.clocks import clock_changes
from longhouse.triggers import Scheduled, schedule_key, trigger_of
from longhouse.triggers.cron import Cron
from longhouse.triggers.every import Every
from zerg._wire import JobDescription

MINUTE = 60_000
DAY = 86_400_000
WEEK = 7 * DAY
WEEKS = 4
YEAR = 366 * DAY
MANY = 100_000
"""Due times of a week beyond which only a day is looked at for the busiest minute."""
NAMED = 4
"""Jobs named in one line; more are counted."""

Schedules = Mapping[str, Scheduled]
"""By id, the enabled jobs that have a schedule."""

Keys = Mapping[str, tuple[str | int | None, ...]]
"""Of each, what its due times hang on."""

Counted = Counter[Cron | Every]

BROKEN = ("Manifest", "broken")
NO_ENVIRONMENT = ("Environment", "failed")
WHAT = {
    "moved": "its due times in the skipped hour come right after it",
    "once": "its due times in the doubled hour count once",
    "elapsed": "it goes by elapsed time, not by the clock",
}


def scheduled(jobs: Sequence[tuple[JobDescription, bool]]) -> dict[str, JobDescription]:
    """Of (job, whether it is enabled), those that time starts."""
    return {job.id: job for job, enabled in jobs if enabled and (job.cron is not None or job.every is not None)}


def trailers(before: Schedules, after: Schedules, *, zone: str, now: int) -> tuple[tuple[str, str], ...]:
    """What a commit says about the step from `before` to `after`; nothing if the schedules are the same.

    `zone` is that of jobs that name none; `now` in milliseconds. Raises BadCron.
    """
    old = {job_id: schedule_key(job, zone) for job_id, job in before.items()}
    new = {job_id: schedule_key(job, zone) for job_id, job in after.items()}
    if old == new:
        return ()
    added, removed = sorted(set(new) - set(old)), sorted(set(old) - set(new))
    changed = sorted(job_id for job_id in set(old) & set(new) if old[job_id] != new[job_id])
    kinds = (("added", added), ("changed", changed), ("removed", removed))
    was, will = _triggers(before, old, zone), _triggers(after, new, zone)
    return (
        ("Schedules", "; ".join(f"{kind} {_named(ids)}" for kind, ids in kinds if ids)),
        ("Runs-Per-Week", f"{_per_week(was, now)} -> {_per_week(will, now)}"),
        ("Peak-Concurrency", f"{_peak(was, now)} -> {_peak(will, now)}"),
        *(("Clock-Change", line) for line in _clock_lines(after, sorted({*added, *changed}), zone, now)),
    )


def _triggers(jobs: Schedules, keys: Keys, zone: str) -> Counted:
    """How many jobs each has."""
    found = Counted()
    one_of = {key: job_id for job_id, key in keys.items()}
    for key, many in Counter(keys.values()).items():
        trigger = trigger_of(jobs[one_of[key]], zone)
        if isinstance(trigger, Cron | Every):
            found[trigger] += many
    return found


def _per_week(triggers: Counted, now: int) -> str:
    """The mean of the next four weeks."""
    whole = sum(_due_in(trigger, now // DAY) * jobs for trigger, jobs in triggers.items())
    return f"{whole / WEEKS:.1f}".removesuffix(".0")


@lru_cache(maxsize=16_384)
def _due_in(trigger: Cron | Every, day: int) -> int:
    """Due times in the four weeks from a day on (days since the epoch)."""
    return trigger.count(day * DAY - 1, day * DAY + WEEKS * WEEK - 1)


def _peak(triggers: Counted, now: int) -> int:
    """The most runs that start in the same minute."""
    start = now // DAY * DAY
    many = sum(_due_in(trigger, now // DAY) for trigger in triggers) > MANY * WEEKS
    minutes = Counter[int]()
    for trigger, jobs in triggers.items():
        for minute in _minutes(trigger, start, start + (DAY if many else WEEK)):
            minutes[minute] += jobs
    return max(minutes.values(), default=0)


@lru_cache(maxsize=2_048)
def _minutes(trigger: Cron | Every, start: int, end: int) -> tuple[int, ...]:
    """Minutes since the epoch with a due time in [start, end): a job that is due more than once in one counts once."""
    found = {
        (moment + offset) // MINUTE
        for moment, offsets in trigger.days(start - 1, end - 1)
        for offset in offsets
        if start <= moment + offset < end
    }
    return tuple(found)


def _clock_lines(jobs: Schedules, changed: Sequence[str], zone: str, now: int) -> list[str]:
    """`2027-03-28 Europe/Berlin: nightly moved`, for each change of the next year that matters to one of these."""
    crons: dict[Cron, list[str]] = {}
    for job_id in changed:
        trigger = trigger_of(jobs[job_id], zone)
        if isinstance(trigger, Cron):
            crons.setdefault(trigger, []).append(job_id)
    known = list(crons)
    lines = []
    for change in clock_changes(list(enumerate(known)), now, now + YEAR):
        by_effect: dict[str, list[str]] = {}
        for effect in change.effects:
            by_effect.setdefault(effect.what, []).extend(crons[known[effect.trigger]])
        said = "; ".join(f"{what} {_named(sorted(ids))}" for what, ids in sorted(by_effect.items()))
        if said:
            lines.append(f"{_date(change.at)} {change.zone}: {said}")
    return lines


def _date(ms: int) -> str:
    return iso(ms)[:10]


def _named(ids: Sequence[str]) -> str:
    more = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {more} more" if more > 0 else "")


# --- in words ---------------------------------------------------------------------------------------------------------

STEP = re.compile(r"([\d.]+) -> ([\d.]+)\Z")
CLOCK = re.compile(r"(\d{4}-\d\d-\d\d) (\S+): (.+)\Z")


def of_message(body: str) -> tuple[tuple[str, str], ...]:
    """The lines of ours in a commit's message: those of its last paragraph, if that is nothing but such lines."""
    last = body.strip().rpartition("\n\n")[2]
    pairs = [line.partition(": ") for line in last.splitlines()]
    if not all(colon and re.fullmatch(r"[A-Za-z][A-Za-z-]*", name) for name, colon, _ in pairs):
        return ()
    return tuple((name, value) for name, _, value in pairs if name in SAID)


def words(found: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """A sentence for each of these lines."""
    return tuple(SAID[name](value) for name, value in found)


def _step(what: str, value: str) -> str:
    step = STEP.match(value)
    if step is None:
        return f"{what}: {value}."
    if step[1] == step[2]:
        return f"{what}: {step[1]}, as before."
    return f"{what}: {step[2]}; before, {step[1]}."


def _clock(value: str) -> str:
    found = CLOCK.match(value)
    if found is None:
        return f"Change of the clock: {value}."
    effects = []
    for effect in found[3].split("; "):
        what, _, ids = effect.partition(" ")
        effects.append(f"{ids}: {WHAT[what]}" if what in WHAT else effect)
    return f"When the clocks change on {found[1]} in {found[2]}, {'; '.join(effects)}."


SAID: dict[str, Callable[[str], str]] = {
    "Schedules": lambda value: f"Schedules {value}.",
    "Runs-Per-Week": lambda value: _step("Due times in a week", value),
    "Peak-Concurrency": lambda value: _step("Jobs that start in the busiest minute", value),
    "Clock-Change": _clock,
    "Manifest": lambda value: f"The manifest is {value}: the last commit that loaded goes on running.",
    "Environment": lambda value: f"An environment {value}: the last commit that loaded goes on running.",
}

"""What would become of a job if it were due at some moment: nothing is started, nothing written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longhouse import figures, jobs, pauses, secrets
from longhouse.house import House
from longhouse.ledger import Firing
from longhouse.moments import moment_of
from longhouse.pauses import INSTANCE
from longhouse.store import runs as run_rows
from longhouse.store.jobs import Job
from longhouse.store.pauses import Pause
from longhouse.timeline.jobs import Job as Scheduled
from longhouse.timeline.jobs import schedules, slots_of
from longhouse.triggers import trigger_of
from longhouse.triggers.misfire import End, Overlap
from longhouse.triggers.words import seconds_said

MINUTE = 60_000
BESIDE = 20


@dataclass(frozen=True)
class Forecast:
    job: Job
    at: int
    scheduled: bool
    """The job's schedule has it due then."""
    before: int | None
    """The last due time before the moment, none earlier than a year; None if there is none."""
    after: int | None
    entry: Firing | None
    """Of a moment that has passed: what the ledger has."""
    verdict: str
    end: str
    """What the ledger would say; `ran` if a run would start."""
    reasons: tuple[str, ...]
    """Why it would not run, or what may still keep it from running."""
    params: dict[str, Any]
    secrets_missing: tuple[str, ...]
    beside: tuple[str, ...]
    """Other jobs that are due in the same minute, at most BESIDE."""
    slots: int


def forecast(house: House, job_id: str, at: str) -> Forecast:
    """`at` as `moments.moment_of` reads it. Raises NotFound, Invalid (time)."""
    found, now, moment = jobs.get_job(house, job_id), house.clock.now(), moment_of(house, "at", at)
    job, held = found.job, pauses.current(house)
    trigger = trigger_of(job.spec, house.zone)
    before = trigger.latest(moment - 366 * 86_400_000, moment - 1) if trigger else None
    scheduled = trigger is not None and trigger.after(moment - 1) == moment
    entry = _entry(house, job_id, moment) if moment <= now else None
    with house.db.read() as db:
        lacking = tuple(secrets.missing(db, job.spec))
        active = [row["id"] for row in run_rows.in_the_way(db, job_id, now)]
        beside = _beside(house, schedules(house, db, "", now), job_id, moment) if moment > now else ()
    end, because = _held(job, held, moment)
    doubts = _doubts(house, job, moment, before, active) if end is End.RAN else ()
    slots = slots_of(house)
    return Forecast(
        job=job,
        at=moment,
        scheduled=scheduled,
        before=before,
        after=trigger.after(moment) if trigger else None,
        entry=entry,
        verdict=_became(entry, scheduled) if moment <= now else _verdict(end, doubts, lacking),
        end=entry.end if entry else end,
        reasons=() if moment <= now else (*because, *doubts, *_slots(beside, slots)),
        params=job.spec.params,
        secrets_missing=lacking,
        beside=beside[:BESIDE],
        slots=slots,
    )


def _entry(house: House, job_id: str, moment: int) -> Firing | None:
    found = jobs.firings(house, job_id, low=moment, high=moment, limit=1)
    return found[0] if found else None


def _held(job: Job, held: Mapping[str, Pause], moment: int) -> tuple[End, tuple[str, ...]]:
    """The end that the ledger would give a due time then, by the switches of job and instance as they stand."""
    if not job.enabled:
        return End.SKIPPED_DISABLED, ("The job is disabled.",)
    start = pauses.resumes_at(held, job.id, 0)
    if start is None or start > moment:
        what = "The job is paused" if job.id in held else "Everything is paused"
        last = held.get(job.id) or held[INSTANCE]
        return End.SKIPPED_PAUSED, (f"{what} then." if last.until else f"{what} until somebody resumes.",)
    return End.RAN, ()


def _doubts(house: House, job: Job, moment: int, before: int | None, active: list[int]) -> tuple[str, ...]:
    """What the runs of the job that go on, or that come before, may still do to it."""
    found = []
    if job.spec.overlap != "allow" and active:
        many = len(active) > 1
        runs = f"{'runs' if many else 'run'} {', '.join(map(str, active))}"
        still = f"If {runs} of the job {'have' if many else 'has'} not ended by then,"
        room = Overlap(job.spec.overlap, len(active)).admits()
        found.append(f"{still} {'it waits its turn' if room else 'it is skipped: overlap'}.")
    span = figures.figures(house, job.id).spans[-1]
    if job.spec.overlap != "allow" and before is not None and before > house.clock.now() and span.p95 is not None:
        gap = moment - before
        if span.p95 >= gap:
            lead, takes = seconds_said(round(gap / 1000)), seconds_said(max(1, round(span.p95 / 1000)))
            found.append(f"The run due {lead} before it takes up to {takes} as a rule and may still go on.")
    if job.spec.jitter_minutes:
        found.append(f"It begins up to {job.spec.jitter_minutes:g} min later (jitter).")
    return tuple(found)


def _beside(house: House, every: list[Scheduled], job_id: str, moment: int) -> tuple[str, ...]:
    low = moment // MINUTE * MINUTE
    found = []
    for each in every:
        trigger, since = each.facts.trigger, each.since
        if each.row["id"] == job_id or trigger is None or since is None or since >= low + MINUTE:
            continue
        due = trigger.after(max(low, since) - 1)
        if due is not None and due < low + MINUTE:
            found.append(str(each.row["id"]))
    return tuple(found)


def _slots(beside: tuple[str, ...], slots: int) -> tuple[str, ...]:
    if len(beside) < slots:
        return ()
    return (f"{len(beside) + 1} jobs are due in that minute and {slots} runs go at once: some wait for a slot.",)


def _verdict(end: End, doubts: tuple[str, ...], lacking: tuple[str, ...]) -> str:
    if end is not End.RAN:
        return "It would not run."
    if lacking:
        return f"A run would start and fail: {', '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no value."
    return "A run would start, if nothing comes in between." if doubts else "A run would start."


def _became(entry: Firing | None, scheduled: bool) -> str:
    if entry is None:
        return "That time has passed, and it has no entry." if scheduled else "That time has passed; nothing was due."
    if entry.run_id is not None and entry.end == End.RAN:
        return f"That time has passed: run {entry.run_id} was started for it."
    return "That time has passed, and it started no run."

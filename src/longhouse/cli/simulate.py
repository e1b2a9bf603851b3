"""`simulate`: what the jobs would do over a span of time, worked out here and not by the instance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import click

from longhouse.cli.call import Call, aligned, command
from longhouse.cli.following import segment
from longhouse.cli.terminal import line
from longhouse.cli.times import length
from longhouse.clock import SystemClock, iso, millis, moment, parse_iso
from longhouse.errors import NotFound, UsageError
from longhouse.simulation import Simulation, Work, simulate
from longhouse.triggers.cron import zone as zone_of
from longhouse.triggers.words import in_words
from zerg._wire import JobDescription

DAY_MS = 86_400_000
MINUTE_MS = 60_000
NAMED = 6
"""Jobs named in one line."""
FIELDS = set(JobDescription.__annotations__)


@command(name="simulate")
@click.option("--days", type=click.IntRange(1, 3660), default=366, show_default=True, help="How long a span.")
@click.option("--from", "start", metavar="TIME", help="Its beginning: 2027-01-31, or ISO 8601; else the next minute.")
@click.option("--job", "only", multiple=True, metavar="ID", help="Only this job; again for more.")
@click.option(
    "--duration", metavar="TIME", default="60s", show_default=True, help="A run's length, where none is known."
)
@click.option("--slots", type=click.IntRange(1, 10_000), help="Runs at once; else the setting of this instance.")
@click.option("--down", metavar="FROM..TO", help="Assume that the instance is down from one time to another.")
@click.option("--dir", "folder", metavar="DIR", help="Read the manifest of this directory; no instance is needed.")
def simulation(
    call: Call,
    days: int,
    start: str | None,
    only: tuple[str, ...],
    duration: str,
    slots: int | None,
    down: str | None,
    folder: str | None,
) -> None:
    """Simulate the schedule: how often jobs run, when they collide, what clock changes and downtime do.

    Takes the real trigger, overlap and catch-up code through a span of virtual time. Nothing is run or written.
    """
    settings, assumed = call.settings(), seconds(duration)
    if folder is None:
        works, idle = _of_instance(call, assumed)
    else:
        works, idle = _of_directory(call, Path(folder), settings.timezone, assumed)
    if only:
        known = {work.spec.id for work in works} | set(idle)
        for job_id in only:
            if job_id not in known:
                raise NotFound(f"there is no job {job_id!r}", hint="List jobs with: longhouse-jobs jobs list")
        works = [work for work in works if work.spec.id in only]
        idle = [job_id for job_id in idle if job_id in only]
    zone, used = settings.timezone, slots or settings.slots
    now = SystemClock().now()
    begin = when(start, zone, "--from") if start else now - now % MINUTE_MS + MINUTE_MS
    end = begin + days * DAY_MS
    found = simulate(works, zone=zone, start=begin, end=end, slots=used, down=_span(down, zone, begin, end))
    call.show(document(found, zone, used, idle), *report(found, zone, used, idle))


# --- what it starts from ---------------------------------------------------------------------------------------------


def _of_instance(call: Call, assumed: float) -> tuple[list[Work], list[str]]:
    """The enabled jobs that have a schedule, and the ids of the others."""
    items, _ = call.instance.pages("/api/jobs", None)
    works, idle = [], []
    for item in items:
        if not item["enabled"] or (item["cron"] is None and item["every"] is None):
            idle.append(item["id"])
            continue
        job = call.instance.get(f"/api/jobs/{segment(item['id'])}")
        values = {**job["settings"], **{name: value for name, value in job.items() if name in FIELDS}}
        taken = [_seconds(run) for run in job["runs"] if run["state"] in ("succeeded", "degraded")]
        spec = JobDescription(**{n: v for n, v in values.items() if n in FIELDS and n not in ("parameters", "secrets")})
        works.append(Work(spec, median(taken) if taken else assumed, len(taken)))
    return works, idle


def _seconds(run: dict[str, Any]) -> float:
    return (parse_iso(run["finished_at"]) - parse_iso(run["started_at"])) / 1000


def _of_directory(call: Call, tree: Path, zone: str, assumed: float) -> tuple[list[Work], list[str]]:
    """As the manifest in `tree` says, read as an instance would read it. Raises ManifestBroken and UsageError."""
    if not (tree / "manifest.py").is_file():
        raise UsageError(f"--dir: there is no manifest.py in {tree}", hint="Name the directory that holds it.")
    from longhouse.repo.outside import jobs_of

    settings = call.settings()
    installer, builds = settings.installer_environment, settings.allow_source_builds
    jobs = jobs_of(tree.absolute(), zone, installer=installer, source_builds=builds)
    scheduled = [job for job in jobs if job.enabled and (job.cron is not None or job.every is not None)]
    idle = [job.id for job in jobs if job not in scheduled]
    return [Work(job, assumed) for job in scheduled], idle


def seconds(text: str) -> float:
    """`90s`, `5m`, `1h`, `0.5s`. Raises UsageError."""
    units = {"s": 1, "m": 60, "h": 3600}
    try:
        found = float(text[:-1]) * units[text[-1:]]
    except (KeyError, ValueError):
        found = 0.0
    if not 0 < found <= 366 * 86_400:
        raise UsageError(f"--duration: {text!r} is no length of time", hint="Write it as 90s, 5m or 1h.")
    return found


def when(text: str, zone: str, option: str) -> int:
    """Milliseconds of a date or time, in `zone` if it names none. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text)
        return millis(found if found.tzinfo else found.replace(tzinfo=zone_of(zone)))
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{option}: {text!r} is neither a date nor a time", hint="Write it as 2027-01-31 or 2027-01-31T08:00."
        ) from error


def _span(text: str | None, zone: str, begin: int, end: int) -> tuple[int, int] | None:
    if text is None:
        return None
    low, dots, high = text.partition("..")
    if not dots:
        raise UsageError(f"--down: {text!r} is not FROM..TO", hint="Write it as 2027-01-31T08:00..2027-02-01.")
    span = when(low, zone, "--down"), when(high, zone, "--down")
    if not begin <= span[0] < span[1] < end:
        raise UsageError(
            f"--down: {text!r} is not a span within the simulated one",
            hint=f"That goes from {iso(begin)} to {iso(end)}.",
        )
    return span


# --- what it says ----------------------------------------------------------------------------------------------------


def document(found: Simulation, zone: str, slots: int, idle: list[str]) -> dict[str, Any]:
    weeks, course = (found.end - found.start) / (7 * DAY_MS), found.course
    return {
        "from": iso(found.start),
        "to": iso(found.end),
        "timezone": zone,
        "slots": slots,
        "due": sum(job.due for job in found.jobs),
        "runs": sum(job.runs for job in found.jobs),
        "skipped_overlap": sum(job.skipped for job in found.jobs),
        "peak": {"running": course.running.most, "at": _iso(course.running.at)},
        "queue": {"waiting": course.waiting.most, "at": _iso(course.waiting.at)},
        "overloaded_at": _iso(course.overloaded_at),
        "jobs": [
            {
                "id": job.work.spec.id,
                "cron": job.work.spec.cron,
                "every": job.work.spec.every,
                "timezone": job.work.spec.timezone or zone,
                "due": job.due,
                "per_week": round(job.due / weeks, 2),
                "runs": job.runs,
                "skipped_overlap": job.skipped,
                "seconds": job.work.seconds,
                "measured_runs": job.work.measured,
                "waited": job.waited,
                "mean_wait_seconds": round(job.mean_wait / 1000, 3),
                "longest_wait_seconds": job.longest_wait / 1000,
                "downtime": job.downtime,
            }
            for job in found.jobs
        ],
        "idle": idle,
        "collisions": [
            {"starts": each.starts, "first": iso(each.first), "times": each.times, "jobs": list(each.jobs)}
            for each in found.collisions
        ],
        "together": [list(jobs) for jobs in found.together],
        "clock_changes": [
            {
                "at": iso(change.at),
                "timezone": change.zone,
                "shift_minutes": change.shift_minutes,
                "effects": [
                    {"jobs": list(found.owners[each.trigger]), "effect": each.what, "count": each.count}
                    for each in change.effects
                ],
            }
            for change in found.clocks
        ],
    }


def _iso(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)


def report(found: Simulation, zone: str, slots: int, idle: list[str]) -> list[str]:
    def local(ms: int) -> str:
        return moment(ms).astimezone(zone_of(zone)).strftime("%a %Y-%m-%d %H:%M")

    course, weeks = found.course, (found.end - found.start) / (7 * DAY_MS)
    lines = [f"{local(found.start)} to {local(found.end)}, {zone}, {_plural(slots, 'slot')}", ""]
    head = ("JOB", "SCHEDULE", "PER WEEK", "RUNS", "SKIPPED", "LENGTH", "LONGEST WAIT")
    rows = [
        (
            job.work.spec.id,
            job.work.spec.cron or in_words(job.work.spec),
            f"{job.due / weeks:,.1f}",
            f"{job.runs:,}",
            f"{job.skipped:,}",
            length(job.work.seconds) + ("" if job.work.measured else " assumed"),
            length(job.longest_wait / 1000) if job.longest_wait else "-",
        )
        for job in found.jobs
    ]
    due, runs, skipped = (sum(getattr(job, name) for job in found.jobs) for name in ("due", "runs", "skipped"))
    rows.append(("in all", "", f"{due / weeks:,.1f}", f"{runs:,}", f"{skipped:,}", "", ""))
    lines += aligned([head, *rows])
    if idle:
        lines += ["", f"Without a schedule or disabled: {_names(idle)}"]
    lines += ["", "Load"]
    lines.append(f"  {_plural(course.running.most, 'run')} at once at most{_since(course.running.at, local)}")
    lines.append(f"  {_plural(course.waiting.most, 'run')} waiting at most{_since(course.waiting.at, local)}")
    if course.overloaded_at is not None:
        when = local(course.overloaded_at)
        lines.append(f"  OVERLOADED: more comes than is done; the simulation of runs ends on {when}")
    lines += ["", "Busiest minutes"] if found.collisions else []
    for each in found.collisions:
        times = "once" if each.times == 1 else f"{each.times:,} times"
        lines.append(f"  {each.starts} jobs, {times}, first {local(each.first)}: {_names(each.jobs)}")
    lines += ["", "Always due together"] if found.together else []
    lines += [f"  {_names(jobs)}" for jobs in found.together]
    lines += _clock_lines(found)
    lines += _downtime_lines(found)
    return lines


def _clock_lines(found: Simulation) -> list[str]:
    lines = ["", "Changes of the clocks"] if found.clocks else []
    for change in found.clocks:
        at = moment(change.at).astimezone(zone_of(change.zone)).strftime("%a %Y-%m-%d %H:%M")
        which = "forward" if change.shift_minutes > 0 else "back"
        lines.append(f"  {at} {change.zone}: {abs(change.shift_minutes):g} min {which}")
        for effect in change.effects:
            count = f"{effect.count:,}"
            what = {
                "moved": f"{count} skipped by the clock, due right after it",
                "once": f"{count} that the clock repeats, due the first time only",
                "elapsed": f"{count} {'fewer' if change.shift_minutes > 0 else 'more'}, by elapsed time",
            }[effect.what]
            lines.append(f"    {_names(found.owners[effect.trigger])}: {what}")
        if not change.effects:
            lines.append("    no job is due then")
    return lines


def _downtime_lines(found: Simulation) -> list[str]:
    rows = [
        (job.work.spec.id, ", ".join(f"{count:,} {end}" for end, count in sorted(job.downtime.items())))
        for job in found.jobs
        if job.downtime
    ]
    return ["", "After the downtime", *(f"  {text}" for text in aligned(rows))] if rows else []


def _since(at: int | None, local: Callable[[int], str]) -> str:
    return "" if at is None else f", first {local(at)}"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _names(jobs: tuple[str, ...] | list[str]) -> str:
    more = len(jobs) - NAMED
    return line(", ".join(jobs[:NAMED]) + (f" and {more:,} more" if more > 0 else ""))

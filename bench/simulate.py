"""A year of 1,000 jobs under the virtual clock, 23 million due times: what `longhouse-jobs simulate` costs."""

import random
import sys
import time

from longhouse.clock import parse_iso
from longhouse.simulation import Work, simulate
from zerg._wire import JobDescription

JOBS = 1_000
DAYS = 366
SLOTS = 64
MOST_SECONDS = 10.0
PLACE = {"module": "jobs.x", "function": "run", "file": "manifest.py", "line": 1, "source_file": "x", "source_line": 1}


def works(count: int = JOBS, seed: int = 1) -> list[Work]:
    """2 % each minute, 8 % each five minutes, 5 % by interval, 15 % hourly, 50 % daily, 15 % weekly, 5 % monthly."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        share, minute, hour = number / count, chance.randrange(60), chance.randrange(24)
        cron: str | None = f"{minute} {hour} {chance.randrange(1, 29)} * *"
        for limit, text in (
            (0.02, "* * * * *"),
            (0.10, "*/5 * * * *"),
            (0.15, None),
            (0.30, f"{minute} * * * *"),
            (0.80, f"{minute} {hour} * * *"),
            (0.95, f"{minute} {hour} * * {chance.randrange(7)}"),
        ):
            if share < limit:
                cron = text
                break
        every = None if cron else chance.choice([300, 600, 900])
        zone = chance.choice(["Europe/Berlin", "America/New_York", "UTC"])
        spec = JobDescription(id=f"j{number:04}", cron=cron, every=every, timezone=zone, **PLACE)
        found.append(Work(spec, chance.choice([2, 10, 20, 45, 60, 300])))
    return found


def main() -> None:
    start = parse_iso("2026-11-23T00:00:00Z")
    jobs, began = works(), time.process_time()
    found = simulate(jobs, zone="Europe/Berlin", start=start, end=start + DAYS * 86_400_000, slots=SLOTS)
    seconds = time.process_time() - began
    due, runs = sum(job.due for job in found.jobs), sum(job.runs for job in found.jobs)
    print(
        f"{len(found.jobs):,} jobs, {DAYS} days: {due:,} due times, {runs:,} runs, in {seconds:.1f} s of processor time"
    )
    print(f"a year of 1,000 jobs in {MOST_SECONDS:g} s: {'held' if seconds <= MOST_SECONDS else 'MISSED'}")
    if seconds > MOST_SECONDS:
        sys.exit(1)

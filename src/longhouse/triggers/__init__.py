"""When jobs are due. Pure functions of time. A new kind of trigger is one module and one line in TRIGGERS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from longhouse.triggers.cron import BadCron, Cron
from longhouse.triggers.every import Every


class Scheduled(Protocol):
    """What of a job says when it is due."""

    @property
    def cron(self) -> str | None: ...

    @property
    def every(self) -> int | None: ...

    @property
    def timezone(self) -> str | None: ...


class Trigger(Protocol):
    """Times are milliseconds since the epoch, UTC."""

    def after(self, ms: int) -> int | None: ...

    def latest(self, low: int, high: int) -> int | None: ...

    def count(self, low: int, high: int) -> int: ...

    def days(self, low: int, high: int) -> Iterator[tuple[int, tuple[int, ...]]]: ...


TRIGGERS: dict[str, Callable[[Scheduled, str], Trigger]] = {
    "cron": lambda job, zone: Cron(job.cron or "", job.timezone or zone),
    "every": lambda job, zone: Every(job.every or 0),
}


def trigger_of(job: Scheduled, zone: str) -> Trigger | None:
    """The job's trigger, None for a job that only runs by hand. `zone` is the instance's. Raises BadCron."""
    for setting, build in TRIGGERS.items():
        if getattr(job, setting) is not None:
            return build(job, zone)
    return None


def schedule_key(job: Scheduled, zone: str) -> tuple[str | int | None, ...]:
    """Two descriptions with equal keys have the same due times."""
    return (job.cron, job.every, (job.timezone or zone) if job.cron is not None else None)


def upcoming(trigger: Trigger, start: int, limit: int) -> Iterator[int]:
    """At most `limit` due times later than `start`."""
    due = trigger.after(start)
    for _ in range(limit):
        if due is None:
            return
        yield due
        due = trigger.after(due)


__all__ = ["TRIGGERS", "BadCron", "Scheduled", "Trigger", "schedule_key", "trigger_of", "upcoming"]

"""What the ledger has to say, walked once more due time by due time. Shares nothing with the trigger or the ledger."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "America/St_Johns")


@dataclass(frozen=True)
class Settings:
    """A job's settings, as this walk knows them."""

    cron: str | None = "0 8 * * *"
    every: int | None = None
    timezone: str = "UTC"
    catch_up: str = "latest"
    most: int = 10
    overlap: str = "skip"
    grace: int = 60
    jitter: int = 0
    enabled: bool = True

    def values(self) -> dict[str, Any]:
        return {
            "cron": self.cron,
            "every": self.every,
            "timezone": self.timezone,
            "catch_up": self.catch_up,
            "max_catch_up": self.most,
            "overlap": self.overlap,
            "misfire_grace_seconds": self.grace,
            "jitter_minutes": self.jitter,
            "enabled": self.enabled,
            "max_attempts": 1,
        }

    @property
    def times(self) -> tuple[object, ...]:
        return (self.cron, self.every, self.timezone if self.cron else None)


def drawn(chance: random.Random, *, hot: bool = False) -> Settings:
    """`hot`: due each hour or minute, so not for long."""
    found = Settings(
        timezone=chance.choice(ZONES),
        catch_up=chance.choice(("skip", "latest", "all")),
        most=chance.randint(1, 6),
        overlap=chance.choice(("skip", "queue", "allow")),
        grace=chance.choice((0, 10, 60, 3600)),
        jitter=chance.choice((0, 0, 5)),
        enabled=chance.random() < 0.95,
    )
    if hot:
        hourly = f"{chance.randrange(60)} * * * *"
        cron, every = chance.choice((("* * * * *", None), ("*/15 * * * *", None), (hourly, None), (None, 300)))
        return replace(found, cron=cron, every=every)
    if chance.random() < 0.2:
        return replace(found, cron=None, every=chance.choice((6, 7, 11, 12, 24)) * 3600)
    # Hours around which clocks change come often.
    hour = chance.choice((0, 1, 2, 2, 2, 3, chance.randrange(24)))
    weekday = chance.choice(("*", "*", "*", str(chance.randrange(7))))
    return replace(found, cron=f"{chance.randrange(60)} {hour} * * {weekday}")


@cache
def dues(cron: str | None, every: int | None, zone: str, low: int, high: int) -> list[int]:
    """Every due time in (low, high], by the rules of cron(8)."""
    if every is not None:
        return list(range((low // (every * 1000) + 1) * every * 1000, high + 1, every * 1000))
    assert cron is not None
    minute, hour, _, _, weekday = cron.split()
    there = ZoneInfo(zone)
    if hour == "*":
        start = low - low % MINUTE + MINUTE
        wanted = {"*": range(60), "*/15": range(0, 60, 15)}.get(minute) or (int(minute),)
        return [
            at for at in range(start, high + 1, MINUTE) if datetime.fromtimestamp(at / 1000, there).minute in wanted
        ]
    found = []
    day = datetime.fromtimestamp(low / 1000, there).date() - timedelta(days=1)
    last = datetime.fromtimestamp(high / 1000, there).date()
    while day <= last:
        if weekday == "*" or day.isoweekday() % 7 == int(weekday):
            at = _moment(day, time(int(hour), int(minute)), there)
            if low < at <= high:
                found.append(at)
        day += timedelta(days=1)
    return found


def _moment(day: date, wall: time, there: ZoneInfo) -> int:
    """Of two such moments the first; of none the first moment after the gap."""
    naive = datetime.combine(day, wall)
    at = naive.replace(tzinfo=there).astimezone(UTC)
    while at.astimezone(there).replace(tzinfo=None) != naive:
        naive += timedelta(minutes=1)
        at = naive.replace(tzinfo=there).astimezone(UTC)
    return int(at.timestamp()) * 1000


def between(settings: Settings, low: int, high: int) -> list[int]:
    """The due times in (low, high]."""
    size = 2 * DAY if settings.cron and settings.cron.split()[1] == "*" else 32 * DAY
    found = []
    for part in range(low // size, high // size + 1):
        found += dues(settings.cron, settings.every, settings.timezone, part * size - 1, (part + 1) * size - 1)
    return [due for due in found if low < due <= high]


def following(settings: Settings, ms: int, horizon: int) -> int | None:
    low = ms
    while low < horizon:
        found = between(settings, low, min(low + 8 * DAY, horizon))
        if found:
            return found[0]
        low += 8 * DAY
    return None


@dataclass
class Walk:
    """One job's life: what becomes of each due time, as its settings and what was active at each look have it."""

    horizon: int
    settings: Settings | None = None
    """None: the job is not there."""
    cursor: int = 0
    said: dict[int, str] = field(default_factory=dict)
    _next: tuple[object, int | None] = (None, None)

    def next(self) -> int | None:
        """The first due time that is not explained; None if the job does not fire."""
        if self.settings is None or not self.settings.enabled:
            return None
        asked = (self.settings.times, self.cursor)
        if self._next[0] != asked:
            self._next = (asked, following(self.settings, self.cursor, self.horizon))
        return self._next[1]

    def change(self, settings: Settings | None, now: int) -> None:
        """From `now` on; what came before has been looked at, or is explained here: nothing fires while disabled."""
        if self.settings is not None and not self.settings.enabled:
            same = settings is not None and not settings.enabled and settings.times == self.settings.times
            if same:
                self.settings = settings
                return
            self.said |= dict.fromkeys(between(self.settings, self.cursor, now), "skipped_disabled")
            self.cursor = now
        restarts = (
            settings is None
            or self.settings is None
            or settings.times != self.settings.times
            or settings.enabled != self.settings.enabled
        )
        if restarts:
            self.cursor = now
        self.settings = settings

    def look(self, now: int, up_since: int, active: int) -> None:
        """Somebody looks at `now` while `active` runs of the job wait or run."""
        if self.settings is None or not self.settings.enabled:
            return
        new = between(self.settings, self.cursor, now)
        if not new:
            return
        self.cursor = new[-1]
        edge = now - max(1000, self.settings.grace * 1000)
        late, timely = [due for due in new if due < edge], [due for due in new if due >= edge]
        missed = {due: "missed_down" if due < up_since else "missed_late" for due in late}
        chosen = self._chosen(late, bool(timely))
        room = {"skip": 1, "queue": 2, "allow": 10**9}[self.settings.overlap]
        fits = active < room
        started = len(chosen) if fits else 0
        for due in chosen:
            missed[due] = "ran" if fits else "skipped_overlap"
        answers = bool(chosen) and fits
        for due in timely:
            ran = active + started < room
            if due == timely[0] and not chosen:
                answers = ran
            self.said[due] = "ran" if ran else "skipped_overlap"
            started += ran
        if self.settings.catch_up == "latest" and late and answers:
            missed |= {due: "caught_up_by" for due in late if due not in chosen}
        elif self.settings.catch_up == "latest" and late:
            # One entry, named by its first due time.
            rest = [due for due in late if due not in chosen]
            missed |= {due: missed[rest[0]] for due in rest}  # noqa: C420
        self.said |= missed

    def _chosen(self, late: Sequence[int], followed: bool) -> Sequence[int]:
        assert self.settings
        if self.settings.catch_up == "all":
            return late[-self.settings.most :]
        return late[-1:] if self.settings.catch_up == "latest" and not followed else ()

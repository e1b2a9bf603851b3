"""The jobs of a timeline as far as it needs them, and what they plan. Settings are read once for each version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from longhouse import pauses
from longhouse.house import House
from longhouse.outlook import Facts
from longhouse.simulation.plan import Due, Plan
from longhouse.store import timeline as rows
from longhouse.store.database import Connection, Row
from longhouse.store.pauses import Pause
from longhouse.triggers import BadCron, trigger_of

HOUR = 3_600_000
FEWEST_SLOTS = 2
"""Of a house without a server."""


@dataclass(frozen=True)
class _Schedule:
    """What of a row says when its job is due."""

    cron: str | None
    every: int | None
    timezone: str | None


@dataclass(frozen=True)
class Job:
    row: Row
    facts: Facts
    since: int | None
    """The moment from which it fires by its schedule; None: it does not, or nobody knows when."""


def slots_of(house: House) -> int:
    """How many runs may be alive at once: as the server was told, or may have been told since."""
    value = house.setup.values.get("slots")
    return int(value.shown) if value else FEWEST_SLOTS


def schedules(house: House, db: Connection, text: str, now: int) -> list[Job]:
    """The jobs of the manifest that `text` finds."""
    known = [row for row in rows.known(db, now, now + 1, now) if not row["removed"]]
    every = known_jobs(house, db, pauses.current(house), known, now)
    return [each for each in every if text.strip().lower() in each.facts.text]


def known_jobs(house: House, db: Connection, held: Mapping[str, Pause], known: Sequence[Row], now: int) -> list[Job]:
    shelf = house.outlook.facts
    kept = shelf.get_all((row["id"], row["version"]) for row in known)
    facts = {row["id"]: found for row, found in zip(known, kept, strict=True)}
    unread = [job_id for job_id, found in facts.items() if found is None]
    for row in rows.facts(db, unread) if unread else ():
        facts[row["id"]] = fact = _facts(row, house.zone)
        shelf.put((row["id"], row["version"]), fact)
    found = []
    for row in known:
        known_facts = facts[row["id"]]
        assert known_facts is not None
        fires = row["enabled"] and not row["removed"] and known_facts.trigger is not None
        found.append(
            Job(row, known_facts, (pauses.resumes_at(held, row["id"], now) if held else now) if fires else None)
        )
    return found


def _facts(row: Row, zone: str) -> Facts:
    trigger = None
    with suppress(BadCron):  # its zone has gone: it does not fire
        trigger = trigger_of(_Schedule(row["cron"], row["every"], row["timezone"]), zone)
    text = "\n".join((row["id"], row["project"], row["tags"])).lower()
    return Facts(trigger, text, row["concurrency_group"], row["concurrency_limit"])


def plan_of(house: House, jobs: Sequence[Job], low: int, high: int, now: int) -> Plan | None:
    """What is due from this hour on in the span, or None if it has passed. Worked out once an hour."""
    low = max(low, now // HOUR * HOUR)
    if low >= high:
        return None
    # `since` of a job that is not held is now: it must not make each moment's plan another one.
    dues = [
        Due(
            each.row["id"],
            each.facts.trigger,
            0 if each.since <= now else each.since,
            each.facts.group,
            each.facts.group_limit,
        )
        for each in jobs
        if each.since is not None and each.facts.trigger is not None
    ]
    key = (low, high, slots_of(house), tuple(dues))
    return house.outlook.plans.of(key, lambda: Plan(dues, low, high, slots_of(house)))

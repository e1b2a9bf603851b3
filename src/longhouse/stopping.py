"""Stopping the server from outside: at once, or when the runs that go on have ended."""

from __future__ import annotations

from dataclasses import dataclass

from longhouse import audit
from longhouse.house import By, House
from longhouse.runs.state import RunState
from longhouse.store import events, runs


@dataclass(frozen=True)
class Standing:
    draining: bool
    """Nothing new starts; the server stops when the last run has ended."""
    stopping: bool
    """What runs is being ended."""
    running: int
    """Runs that have not ended yet."""


def standing(house: House) -> Standing:
    with house.db.read() as db:
        running = runs.counts(db).get(RunState.RUNNING, 0)
    return Standing(house.feed.draining.is_set(), house.feed.closing.is_set(), running)


def stop(house: House, by: By, *, drain: bool) -> Standing:
    """Have the server end itself; returns before it has. A stop that does not drain ends a drain."""
    with house.db.write() as db:
        audit.record(house, db, by, "server.stop", "server", after={"drain": drain})
        events.append(db, "server.stopping", "server", {"drain": drain}, house.clock.now())
    house.feed.draining.set()
    found = standing(house)
    if drain:
        house.feed.dispatch.ring()  # the engine ends the server when nothing is alive any more
    else:
        house.feed.end()
    return found

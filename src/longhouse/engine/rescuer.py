"""No run stays running without a live process: leases of the living are renewed, the dead are found."""

from __future__ import annotations

import contextlib

from longhouse import queue
from longhouse.engine.capture import seal_leftover
from longhouse.engine.runner import Runner
from longhouse.house import House
from longhouse.launch.local import kill_leftovers
from longhouse.queue import LEASE_MS, Ending
from longhouse.runs.state import Reason, RunState
from longhouse.store import attempts
from longhouse.store.database import Row

INTERVAL_SECONDS = LEASE_MS / 3000


def rescue(house: House) -> int:
    """At the start: end every attempt of a server that is gone, its processes first; how many there were.

    We hold the lock of the data directory, so whoever owned them is dead.
    """
    with house.db.read() as db:
        foreign = attempts.foreign(db, house.owner)
    for row in foreign:
        marker = f"{row['owner']}/{row['run_id']}/{row['attempt']}"
        killed = kill_leftovers(row["pid"] or 0, row["started_ticks"] or 0, row["boot_id"] or "", marker)
        _interrupted(house, row, f"Interrupted: the server died while the job ran.{_ended(killed)}")
    return len(foreign)


def _ended(killed: int) -> str:
    if not killed:
        return ""
    return f" {killed} process{'es' if killed > 1 else ''} of it {'were' if killed > 1 else 'was'} ended."


def _interrupted(house: House, row: Row, message: str) -> None:
    if row["output"]:
        with contextlib.suppress(OSError):
            seal_leftover(house.paths.output / row["output"])
    ending = Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message=message)
    queue.finish(house, row["run_id"], row["attempt"], ending)


def step(house: House, runner: Runner) -> float:
    """While runs are alive: renew their leases, and end what is recorded as ours but is not here."""
    with house.db.read() as db:
        recorded = attempts.own(db, house.owner)
    if recorded:
        queue.heartbeat(house)
        live = runner.live()  # asked after what is recorded, so a claim that was seen there is known here
        for row in recorded:
            if row["run_id"] not in live:
                _interrupted(house, row, "Interrupted: the thread that attended to the job ended.")
    return INTERVAL_SECONDS

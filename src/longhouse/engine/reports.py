"""What is logged of steps that failed: each mistake of ours whole, what passes by itself now and then."""

from __future__ import annotations

from longhouse.errors import LonghouseError, StorageFailed, StorageFull, Unavailable
from longhouse.house import House
from longhouse.logs import Log

log = Log("longhouse.engine")

SAID_SECONDS = 600.0
"""A full disk or a locked database fails every step of every loop, once a second."""


class Reports:
    """Called by a loop with its name and the error of its step; the loop goes on."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._said_at: dict[str, float] = {}

    def __call__(self, loop: str, error: Exception) -> None:
        passing = isinstance(error, (StorageFull, StorageFailed, Unavailable))
        if not passing and not (self._house.reserve.full and isinstance(error, (LonghouseError, OSError))):
            log.error("a step failed and is tried again", loop=loop, error=error)
            return
        now = self._house.clock.monotonic()
        kind = "storage.full" if self._house.reserve.full else getattr(error, "code", "storage")
        if now - self._said_at.get(kind, float("-inf")) >= SAID_SECONDS:
            self._said_at[kind] = now
            log.warning("steps fail and are tried again until it is over", loop=loop, because=str(error))

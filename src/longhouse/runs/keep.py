"""How much history is kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 86_400_000
LOCK_SECONDS = 0.008
"""What one batch may take of the write lock: others wait for it."""
MOST_IN_BATCH = 500


@dataclass(frozen=True)
class Keep:
    """Of each job's ended runs: all of the last `days`, but never fewer than `least` nor more than `most`. The newest
    run that succeeded is kept whatever its age."""

    days: int = 90
    least: int = 50
    most: int = 1000
    ledger_days: int = 400
    """Entries of the ledger are small and say what became of each due time: a year, and some days to compare it."""

    def before(self, now: int) -> int:
        """Runs that ended earlier are old."""
        return now - self.days * DAY_MS

    def ledger_before(self, now: int) -> int:
        return now - max(self.days, self.ledger_days) * DAY_MS


def next_batch(size: int, seconds: float) -> int:
    """How many to take at once when `size` took `seconds`."""
    wanted = size * 2 if seconds * 2 < LOCK_SECONDS else int(size * LOCK_SECONDS / seconds)
    return max(1, min(wanted, MOST_IN_BATCH))

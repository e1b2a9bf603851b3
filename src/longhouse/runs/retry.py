"""When a failed attempt is tried again. Pure."""

from __future__ import annotations

import hashlib

MAX_DELAY_SECONDS = 3600.0


def delay_seconds(attempt: int, base: float, *, spread: float) -> float:
    """Seconds to wait after try `attempt` (from 1): `base`, doubled for each try, at most an hour, plus up to a tenth.

    `spread` in [0, 1) is the share of that tenth; it keeps runs that failed together from coming back together.
    Bounded because growth bundles promise bounded retries (jobforge-integration.md, "Retry semantics").
    """
    doubled: float = base * 2.0 ** min(attempt - 1, 64)
    return min(MAX_DELAY_SECONDS, doubled) * (1 + spread / 10)


def spread_of(*parts: object) -> float:
    """A number in [0, 1) that depends on `parts` alone: a delay is the same wherever it is computed."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def jitter_ms(job_id: str, due: int, minutes: float) -> int:
    """How long after its due time (milliseconds) a firing may start, for a job with so many minutes of jitter."""
    return int(spread_of(job_id, due) * minutes * 60_000) if minutes else 0

"""A change that takes away many jobs at once is more often a mistake than a wish. Pure."""

from __future__ import annotations

from collections.abc import Collection

PART = 0.2


def mass_removal(before: Collection[str], after: Collection[str]) -> tuple[str, ...]:
    """Ids of the jobs that would go, if they are more than one or more than a fifth; else none."""
    gone = tuple(sorted(set(before) - set(after)))
    return gone if len(gone) > 1 or len(gone) > PART * len(before) else ()

"""Randomness that can be had again: every random test prints its seed, and `LONGHOUSE_SEED` replays it."""

from __future__ import annotations

import os
import secrets


def a_seed() -> str:
    seed = os.environ.get("LONGHOUSE_SEED") or secrets.token_hex(4)
    print(f"seed {seed}")
    return seed

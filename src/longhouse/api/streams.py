"""What all streams agree on."""

from __future__ import annotations

RETRY = 2_000
"""Milliseconds after which a client comes back."""
LOOK_SECONDS = 4.0
"""A stream looks this often whether its caller is still let in, when nothing else wakes it."""

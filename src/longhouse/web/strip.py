"""The strip of a job's last runs as SVG: colour is the outcome, height the duration, newest on the right.

Drawn with attributes only (no inline style), about 60 bytes a run. live.js turns the bar under the pointer into a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from longhouse.web.times import duration
from longhouse.web.words import STATES

HEIGHT, STEP, WIDTH = 24, 7, 5
SHORTEST = 5
"""Of a bar that has run at all; those that wait get a stub of 3."""


def strip(recent: Sequence[dict[str, Any]], now: int, room: int) -> Markup:
    """`recent` newest first, as `newest_of_jobs` gives it; space is kept for `room` bars."""
    spans = [_took(run, now) for run in recent]
    longest = max((span for span in spans if span is not None), default=0)
    bars = []
    for place, (run, span) in enumerate(zip(recent, spans, strict=True)):
        tall = 3 if span is None else SHORTEST + round((HEIGHT - SHORTEST) * span / longest) if longest else SHORTEST
        bars.append(
            f'<rect class="s-{run["state"]}" x="{(room - 1 - place) * STEP}" y="{HEIGHT - tall}" width="{WIDTH}"'
            f' height="{tall}" rx="1" data-r="{run["id"]}" data-d="{duration(span) if span is not None else "waits"}"/>'
        )
    gaps = [
        f'<rect class="s-none" x="{(room - 1 - place) * STEP}" y="{HEIGHT - 3}" width="{WIDTH}" height="3" rx="1"/>'
        for place in range(len(recent), room)
    ]
    wide = room * STEP - (STEP - WIDTH)
    svg = f'<svg class="strip" viewBox="0 0 {wide} {HEIGHT}" width="{wide}" height="{HEIGHT}" aria-hidden="true">'
    return Markup(svg + "".join(gaps + bars) + "</svg>")  # noqa: S704  # numbers and our own words only


def said(recent: Sequence[dict[str, Any]]) -> str:
    """The strip for those who cannot see it."""
    if not recent:
        return "No runs yet"
    counts: dict[str, int] = {}
    for run in recent:
        counts[run["state"]] = counts.get(run["state"], 0) + 1
    parts = ", ".join(f"{count} {STATES[state].lower()}" for state, count in counts.items())
    return f"Last {len(recent)} runs: {parts}; newest: {STATES[recent[0]['state']].lower()}"


def _took(run: dict[str, Any], now: int) -> int | None:
    if run["started_at"] is None:
        return None
    return int(max(0, (run["finished_at"] or now) - run["started_at"]))

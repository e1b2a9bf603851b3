"""The strip of a job's last runs as SVG: colour is the outcome, height the duration, newest on the right.

Drawn with one path for each outcome, about 16 bytes a run: a page has three thousand. live.js finds the run under the
pointer from `data-runs`, newest first: the distance to the next newer id, a letter for the outcome, tenths of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from longhouse.web.words import STATES

HEIGHT, STEP, WIDTH = 24, 4, 3
SHORTEST = 5
"""Of a bar that has run at all; those that wait get a stub of 3."""
LETTERS = {
    "succeeded": "S",
    "failed": "F",
    "degraded": "D",
    "skipped": "K",
    "cancelled": "C",
    "running": "R",
    "retrying": "T",
    "queued": "Q",
}
"""The same as in live.js."""


def strip(recent: Sequence[dict[str, Any]], now: int, room: int) -> Markup:
    """`recent` newest first: id, state, started_at, finished_at; space is kept for `room` bars."""
    spans = [_took(run, now) for run in recent]
    longest = max((span for span in spans if span is not None), default=0)
    scale = (HEIGHT - SHORTEST) / longest if longest else 0
    paths: dict[str, list[str]] = {}
    told, newer, x = [], 0, (room - 1) * STEP
    for run, span in zip(recent, spans, strict=True):
        number, state = run["id"], run["state"]
        tall, took = (3, "") if span is None else (SHORTEST + int(span * scale + 0.5), (span + 50) // 100)
        paths.setdefault(state, []).append(f"M{x} 0v-{tall}")
        told.append(f"{newer - number if newer else number}{LETTERS[state]}{took}")
        newer, x = number, x - STEP
    if x >= 0:
        paths["none"] = [f"M-1.5-1.5H{x + 1.5}"]
    wide = room * STEP - (STEP - WIDTH)
    svg = (
        f'<svg class="strip" viewBox="-1.5 -{HEIGHT} {wide} {HEIGHT}" width="{wide}" height="{HEIGHT}"'
        f' aria-hidden="true" data-runs="{" ".join(told)}">'
    )
    drawn = "".join(f'<path class="s-{state}" d="{"".join(bars)}"/>' for state, bars in paths.items())
    return Markup(svg + drawn + "</svg>")  # noqa: S704  # numbers and our own words only


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

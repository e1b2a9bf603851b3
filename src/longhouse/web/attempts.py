"""The attempts of a run: its states one after the other, and bars on one axis of time."""

from __future__ import annotations

from dataclasses import dataclass

from longhouse.runs.state import ACTIVE
from longhouse.store.database import Row
from longhouse.store.runs import Run
from longhouse.web.times import duration

WIDTH = 1000
THINNEST = 4
"""What is too short for the axis is still to be seen."""


FIRST_STEPS, LAST_STEPS = 3, 15
"""Of a run that was tried very often: how it began, and how it goes on."""


@dataclass(frozen=True)
class Step:
    kind: str
    """The state; empty: states in between that are not told."""
    at: int
    """When the run came into it."""
    until: int | None
    """When it left it; None: it is in it, or it is its last."""
    left_out: int = 0


@dataclass(frozen=True)
class Piece:
    kind: str
    """The state whose colour it has: queued while it waits, retrying until the next try."""
    x: int
    width: int
    said: str


@dataclass(frozen=True)
class Bar:
    attempt: int
    pieces: list[Piece]
    said: str


@dataclass(frozen=True)
class Axis:
    start: int
    end: int
    bars: list[Bar]


def states(run: Run, attempts: list[Row]) -> list[Step]:
    """Every state the run was in: `queued`, `running`, `retrying`, `running`, `failed`."""
    began: list[tuple[str, int]] = [("queued", run.created_at)]
    for row in attempts:
        began.append(("running", row["started_at"] or row["claimed_at"]))
        if row["retry_at"] and row["finished_at"]:
            began.append(("retrying", row["finished_at"]))
    if run.state not in ACTIVE:
        began.append((run.state, run.finished_at or run.created_at))
    ends: list[int | None] = [at for _, at in began[1:]]
    steps = [Step(kind, at, end) for (kind, at), end in zip(began, [*ends, None], strict=True)]
    between = steps[FIRST_STEPS:-LAST_STEPS]
    if not between:
        return steps
    return [*steps[:FIRST_STEPS], Step("", between[0].at, None, len(between)), *steps[-LAST_STEPS:]]


def axis(run: Run, attempts: list[Row], now: int) -> Axis | None:
    """From when the run could be known of to its end, or to now; None before there is anything to draw."""
    active = run.state in ACTIVE
    start = min(run.created_at, run.due or run.created_at) if run.trigger == "schedule" else run.created_at
    end = run.finished_at or now
    if active and run.state == "retrying":
        end = max(end, run.not_before)
    if end <= start:
        return None
    bars, since = [], start
    for row in attempts:
        bars.append(_bar(row, since, start, end, now))
        since = row["retry_at"] or row["finished_at"] or end
    if not attempts or (active and run.state in ("queued", "retrying") and run.not_before < now):
        waits = _piece("queued", since, end, start, end, "waits")
        if waits and run.state != "cancelled":
            bars.append(Bar(len(attempts) + 1, [waits], f"waiting for {duration(end - since)}"))
    return Axis(start, end, bars)


def _bar(row: Row, since: int, start: int, end: int, now: int) -> Bar:
    began, over = row["started_at"] or row["claimed_at"], row["finished_at"]
    state = row["state"] or "running"
    waited = began - since
    took = (over or now) - began
    said = [f"waited {duration(waited)}"] if waited >= 1000 else []
    said.append(f"{'running for' if over is None else 'ran'} {duration(took)}")
    pieces = [
        _piece("queued", since, began, start, end, f"waited {duration(waited)}"),
        _piece(state, began, over or end, start, end, said[-1], least=THINNEST),
    ]
    if row["retry_at"] and over is not None and row["retry_at"] > over:
        pause = f"then {duration(row['retry_at'] - over)} until the next try"
        pieces.append(_piece("retrying", over, min(row["retry_at"], end), start, end, pause))
        said.append(pause)
    return Bar(row["attempt"], [each for each in pieces if each is not None], ", ".join(said))


def _piece(kind: str, low: int, high: int, start: int, end: int, said: str, least: int = 0) -> Piece | None:
    x = round((low - start) * WIDTH / (end - start))
    width = max(round((high - start) * WIDTH / (end - start)) - x, least)
    x = max(0, min(x, WIDTH - width))
    return Piece(kind, x, width, said) if width > 0 else None

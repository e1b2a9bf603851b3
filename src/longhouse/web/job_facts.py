"""What a job is set to, what it needs, and how it has been doing: in words."""

from __future__ import annotations

from dataclasses import dataclass

from longhouse import secrets
from longhouse.figures import Figures, Span
from longhouse.house import House
from longhouse.jobs import Overview
from longhouse.store.jobs import Job
from longhouse.triggers.words import seconds_said
from longhouse.web.times import duration
from longhouse.web.words import CATCH_UPS, OVERLAPS

SPANS = {24: "Last 24 hours", 7 * 24: "Last 7 days", 30 * 24: "Last 30 days"}
COUNTS = {"degraded": "degraded", "failed": "failed", "skipped": "skipped", "cancelled": "cancelled"}
FASTEST_DRAWN = 2
"""A chart of one run says nothing."""


@dataclass(frozen=True)
class Card:
    name: str
    rate: str
    counts: str
    times: str


@dataclass(frozen=True)
class Needed:
    """A secret that the job declares."""

    key: str
    said: str
    stored: bool
    required: bool


def cards(figures: Figures) -> list[Card]:
    return [_card(span) for span in figures.spans]


def _card(span: Span) -> Card:
    name = SPANS[span.hours] if not span.cut else f"Newest {span.runs:,} runs"
    if not span.runs:
        return Card(name, "–", "No run ended", "")
    rest = [f"{count:,} {COUNTS[state]}" for state in COUNTS if (count := span.states.get(state, 0))]
    good = f"{span.states.get('succeeded', 0):,} of {span.decided:,} succeeded" if span.decided else ""
    if span.mean is None or span.p50 is None or span.p95 is None:
        times = ""
    elif span.p50 == span.p95:
        times = f"{duration(span.p50)} each"
    else:
        times = f"mean {duration(round(span.mean))}, 19 of 20 within {duration(span.p95)}"
    return Card(name, percent(span.rate), ", ".join(filter(None, (good, *rest))), times)


def percent(rate: float | None) -> str:
    """`100 %` for all and nothing less."""
    if rate is None:
        return "–"
    tenths = int(rate * 1000)
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def drawn_said(figures: Figures) -> str:
    """The chart in one sentence, empty if there is none to draw."""
    took = sorted(row["took"] for row in figures.drawn if row["took"] is not None)
    if len(took) < FASTEST_DRAWN:
        return ""
    half, most = took[(len(took) - 1) // 2], took[-(-len(took) * 19 // 20) - 1]
    return f"The last {len(took)} runs: half took at most {duration(half)}, 19 of 20 at most {duration(most)}."


def needed(house: House, job: Job) -> list[Needed]:
    """Its secrets, those that are missing first."""
    stored = secrets.stored(house, job.spec)
    found = [
        Needed(
            str(each["key"]),
            str(each.get("description") or each.get("label") or ""),
            each["key"] in stored,
            bool(each.get("required", True)),
        )
        for each in job.spec.secrets
    ]
    return sorted(found, key=lambda each: (each.stored, not each.required))


def settings(found: Overview) -> list[tuple[str, str]]:
    spec = found.job.spec
    tries = (
        "1, never again"
        if spec.max_attempts == 1
        else f"{spec.max_attempts}, first wait {seconds_said(spec.retry_delay_seconds)}, doubling"
    )
    rows = [
        ("Timeout", seconds_said(spec.timeout_seconds)),
        ("Attempts", tries),
        ("Overlap", f"{spec.overlap}: {OVERLAPS.get(spec.overlap, '')}"),
        ("Catch up", f"{spec.catch_up}: {CATCH_UPS.get(spec.catch_up, '')}"),
        ("Misfire grace", seconds_said(spec.misfire_grace_seconds)),
    ]
    if spec.jitter_minutes:
        rows.append(("Jitter", f"up to {spec.jitter_minutes:g} min later"))
    if spec.priority:
        rows.append(("Priority", f"{spec.priority} (higher runs first)"))
    if spec.concurrency_group:
        rows.append(("Group", f"{spec.concurrency_group}, at most {spec.concurrency_limit} at once"))
    if spec.memory_mb:
        rows.append(("Memory", f"at most {spec.memory_mb} MB"))
    own = "of its own: the script block of its file" if spec.script_environment else "requirements.txt of the repo"
    key = found.job.environment[:12]
    rows.append(("Packages", f"{own} ({key})" if key else "Python's standard library"))
    return rows

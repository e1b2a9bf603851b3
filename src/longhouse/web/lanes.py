"""The timeline drawn as SVG: a job is a lane, a kind of mark one path. With attributes only, no inline style.

Shape tells kinds apart as well as colour: what failed is taller, what is planned hollow, what did not run crossed.
static/timeline.js reads `data-m` (place, width, kind, link, words of each mark) for the mark under the pointer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from markupsafe import Markup

from longhouse.timeline import PLANNED, Lane, Load, Mark
from longhouse.web.spans import Span, Tick
from longhouse.web.times import duration, local

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WIDE, TALL, LOAD_TALL = 1000, 28, 44
NARROWEST = 4
"""Of a bar, in units of WIDE: more than 3 px where the picture is shown."""
BARS = {
    "succeeded": (7, 14),
    "running": (7, 14),
    "retrying": (7, 14),
    "degraded": (4, 20),
    "failed": (1, 26),
    "queued": (11, 6),
    "skipped": (11, 6),
    "cancelled": (11, 6),
    PLANNED: (8, 12),
}
"""Top and height of each kind; all others are crosses."""
KINDS = (
    *("succeeded", "degraded", "failed", "running", "retrying", "queued", "skipped", "cancelled", PLANNED),
    *("missed_down", "missed_late", "missed_full", "skipped_overlap", "held_clock", "skipped_disabled"),
    *("skipped_paused", "caught_up_by", "blocked_approval", "blocked_budget", "deduplicated"),
)
"""In the order in which they are drawn first to last; `data-m` names a kind by its place here."""


QUARTER_MS = 900_000
"""Clocks change, and zones differ, by quarters of an hour."""


def lane(row: Lane, shown: Span) -> Markup:
    """The marks of one job."""
    paths: dict[str, list[str]] = {}
    said = []
    for mark in row.marks:
        x, width = _place(mark, shown)
        paths.setdefault(mark.kind, []).append(_shape(mark.kind, x, width))
        said.append(f"{x},{width},{KINDS.index(mark.kind)},{reference(mark)},{when(mark, shown)}")
    drawn = "".join(f'<path class="k-{kind}" d="{"".join(paths[kind])}"/>' for kind in KINDS if kind in paths)
    return _drawn(
        f'<svg viewBox="0 0 {WIDE} {TALL}" preserveAspectRatio="none" aria-hidden="true" data-m="{"|".join(said)}">'
        f"{drawn}</svg>"
    )


def _place(mark: Mark, shown: Span) -> tuple[int, int]:
    x = max(0, _x(mark.first, shown))
    width = max(NARROWEST, min(WIDE, _x(mark.last, shown)) - x)
    return min(x, WIDE - NARROWEST), width


def _x(at: int, shown: Span) -> int:
    return (at - shown.low) * WIDE // (shown.high - shown.low)


def _shape(kind: str, x: int, width: int) -> str:
    if kind in BARS:
        top, tall = BARS[kind]
        return f"M{x} {top}h{width}v{tall}h-{width}z"
    line = f"M{x} 14h{width}" if width > NARROWEST else ""
    return f"{line}M{x} 9l4 10m0-10l-4 10"


def sample(kind: str) -> str:
    """The shape of a kind, for the key."""
    return _shape(kind, 4, 6 if kind in BARS else NARROWEST)


def reference(mark: Mark) -> str:
    """Where it leads: r a run, f the ledger up to a moment, z closer to a moment, or nowhere but the job."""
    if mark.count == 1 and mark.run_id is not None:
        return f"r{mark.run_id}"
    if mark.kind not in BARS:
        return f"f{mark.last + 1}"
    return f"z{mark.first}" if mark.count > 1 else ""


def when(mark: Mark, shown: Span) -> str:
    """`08:00 · 2.3 s`, `08:00 to 11:40 · 14`."""
    first = clock(mark.first, shown)
    if mark.count == 1:
        ran = mark.kind not in ("queued", PLANNED) and mark.kind in BARS
        return f"{first} · {duration(mark.last - mark.first)}" if ran else first
    last = clock(mark.last, shown)
    return f"{first} to {last} · {mark.count}" if last != first else f"{first} · {mark.count}"


def clock(at: int, shown: Span) -> str:
    quarter, rest = divmod(at, QUARTER_MS)
    day, hour, minute = _quarter(quarter, shown.zone)
    said = f"{hour:02d}:{minute + rest // 60_000:02d}"
    if shown.view == "hour" and (second := rest % 60_000 // 1000):
        said += f":{second:02d}"
    return f"{day} {said}" if shown.view == "week" else said


@lru_cache(maxsize=8192)
def _quarter(number: int, zone: str) -> tuple[str, int, int]:
    """Day, hour and minute of its beginning: to ask the zone for each mark takes most of a picture's time."""
    there = local(number * QUARTER_MS, zone)
    return WEEKDAYS[there.weekday()], there.hour, there.minute


# --- what all lanes share ---------------------------------------------------------------------------------------------


def grid(marks: Iterable[Tick], shown: Span, now: int, changes: Sequence[tuple[int, str]]) -> Markup:
    """The lines behind all lanes, the moment that is now, and changes of the clocks."""
    lines = "".join(f"M{_x(tick.at, shown)} 0v1" for tick in marks if tick.at > shown.low)
    turned = "".join(f"M{_x(at, shown)} 0v1" for at, _ in changes)
    extra = f'<path class="turn" d="{turned}"/>' if turned else ""
    if shown.low <= now < shown.high:
        extra += f'<path class="now" d="M{_x(now, shown)} 0v1"/>'
    return _drawn(
        f'<svg viewBox="0 0 {WIDE} 1" preserveAspectRatio="none" aria-hidden="true" class="grid">'
        f'<path class="line" d="{lines}"/>{extra}</svg>'
    )


def axis(marks: Iterable[Tick], shown: Span, now: int) -> Markup:
    """The times at the top; in percent, so that letters keep their shape."""
    texts = []
    for tick in marks:
        if tick.label:
            side = "" if shown.view == "week" or tick.at == shown.low else ' class="mid"'
            texts.append(f'<text x="{_percent(tick.at, shown)}" y="13"{side}>{tick.label}</text>')
    if shown.low <= now < shown.high:
        texts.append(f'<circle class="now" cx="{_percent(now, shown)}" cy="20" r="3.5"/>')
    return _drawn(f'<svg class="axis" width="100%" height="24" aria-hidden="true">{"".join(texts)}</svg>')


def _percent(at: int, shown: Span) -> str:
    return f"{(at - shown.low) * 100 / (shown.high - shown.low):.2f}%"


def load(steps: Sequence[Load], step: int, slots: int, shown: Span) -> Markup:
    """How many ran at once, how many are due at once, and how many may run."""
    most = max([slots, *(max(each.running, each.due) for each in steps)])
    paths: dict[str, list[str]] = {"ran": [], "due": [], "over": []}
    width = max(3, step * WIDE // (shown.high - shown.low))
    for each in steps:
        x = _x(each.at, shown)
        for kind, many in (("ran", each.running), ("over" if each.due > slots else "due", each.due)):
            if many:
                tall = max(2, many * (LOAD_TALL - 2) // most)
                paths[kind].append(f"M{x} {LOAD_TALL - tall}h{width}v{tall}h-{width}z")
    drawn = "".join(f'<path class="l-{kind}" d="{"".join(found)}"/>' for kind, found in paths.items() if found)
    level = LOAD_TALL - slots * (LOAD_TALL - 2) // most
    return _drawn(
        f'<svg viewBox="0 0 {WIDE} {LOAD_TALL}" preserveAspectRatio="none" aria-hidden="true" class="load">'
        f'{drawn}<path class="slots" d="M0 {level}h{WIDE}"/></svg>'
    )


def bar(runs: dict[str, int], most: int) -> Markup:
    """The runs of a day in the calendar: as long as they are many, one piece for each outcome."""
    x, pieces = 0, []
    for kind in KINDS:
        if runs.get(kind):
            width = max(2, runs[kind] * 100 // most)
            pieces.append(f'<rect class="s-{kind}" x="{x}" width="{width}" height="6"/>')
            x += width
    box = f'viewBox="0 0 {max(100, x)} 6" preserveAspectRatio="none" aria-hidden="true"'
    return _drawn(f'<svg class="bar" {box}>{"".join(pieces)}</svg>')


def _drawn(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704  # numbers and our own words only

"""Errors: failed runs that failed the same way, as one line and as a page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from markupsafe import Markup

from longhouse import failures, finding, history
from longhouse.doors import TheHouse, needs
from longhouse.failures import DAYS
from longhouse.web.page import page, pages, part
from longhouse.web.words import REASONS

router = pages()

ROWS = 30
RUNS = 20
HEIGHT, STEP, WIDTH = 24, 9, 7
SPANS = (("1", "Today"), ("7", "7 days"), ("14", "14 days"), ("", "All that is kept"))

READ = [Depends(needs("runs:read"))]
Part = Annotated[str, Query(alias="part", max_length=20)]


@router.get("/errors", dependencies=READ)
def errors_page(
    request: Request,
    house: TheHouse,
    job: Annotated[str, Query(max_length=64)] = "",
    days: Literal["", "1", "7", "14"] = "",
    after: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    part_of: Part = "",
) -> Response:
    found, following = failures.list_failures(
        house, days=int(days) if days else None, job_id=job.strip() or None, after=after, limit=ROWS
    )
    query = "".join(f"&{name}={value}" for name, value in (("days", days), ("job", job.strip())) if value)
    shown: dict[str, Any] = {
        "found": found,
        "next": following,
        "after": after,
        "job": job.strip(),
        "days": days,
        "spans": SPANS,
        "query": query,
        **_words(),
    }
    return part(request, "parts/errors.html", **shown) if part_of else page(request, "errors.html", **shown)


@router.get("/errors/{fingerprint}", dependencies=READ)
def error_page(request: Request, fingerprint: str, house: TheHouse, part_of: Part = "") -> Response:
    failure = failures.get_failure(house, fingerprint)
    wanted = finding.runs_wanted(house, fingerprint=fingerprint)
    runs, _ = history.list_runs(house, wanted, limit=RUNS)
    newest = history.get(house, failure.newest)
    shown: dict[str, Any] = {"failure": failure, "runs": runs, "newest": newest, "error": newest.error, **_words()}
    return part(request, "parts/error.html", **shown) if part_of else page(request, "error.html", **shown)


def _words() -> dict[str, Any]:
    return {"title": title, "by_day": by_day, "days_said": days_said, "shown_days": DAYS}


def title(kind: str) -> str:
    """The exception's type, or what the reason is called."""
    return REASONS[kind][0].capitalize() if kind in REASONS else kind or "Failed"


def by_day(days: tuple[int, ...]) -> Markup:
    """A bar for each day, today on the right; a day without a failure has a stub."""
    most = max(days) or 1
    bars = [
        f'<rect class="s-{"failed" if count else "none"}" x="{place * STEP}" y="{HEIGHT - tall}" width="{WIDTH}"'
        f' height="{tall}" rx="1"/>'
        for place, count in enumerate(days)
        for tall in (5 + round((HEIGHT - 5) * count / most) if count else 2,)
    ]
    wide = len(days) * STEP - (STEP - WIDTH)
    svg = f'<svg class="days" viewBox="0 0 {wide} {HEIGHT}" width="{wide}" height="{HEIGHT}" aria-hidden="true">'
    return Markup(svg + "".join(bars) + "</svg>")  # noqa: S704  # numbers and our own words only


def days_said(days: tuple[int, ...]) -> str:
    return f"{sum(days)} in the last {len(days)} days, {days[-1]} of them today"

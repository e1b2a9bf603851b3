"""The Runs page: which runs somebody looks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response

from longhouse import backfills, finding, history
from longhouse.doors import TheHouse, needs
from longhouse.errors import Invalid
from longhouse.runs.state import ACTIVE, Reason, RunState
from longhouse.store.runs import Run
from longhouse.web.page import page, pages, part
from longhouse.web.words import REASONS, TRIGGERS

router = pages()

ROWS = 50
LARGEST = 2**53 - 1
FILTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("All", ()),
    "active": ("Active", tuple(sorted(ACTIVE))),
    "succeeded": ("Succeeded", (RunState.SUCCEEDED,)),
    "failed": ("Failed", (RunState.FAILED,)),
    "degraded": ("Degraded", (RunState.DEGRADED,)),
    "skipped": ("Skipped", (RunState.SKIPPED,)),
    "cancelled": ("Cancelled", (RunState.CANCELLED,)),
}
SPANS = (
    ("", "Any time"),
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
)
FIELDS = (
    "q",
    "job",
    "state",
    "reason",
    "trigger",
    "commit",
    "environment",
    "since",
    "until",
    "fingerprint",
    "backfill",
)

READ = [Depends(needs("runs:read"))]

RunNumber = Annotated[int | None, Query(ge=1, le=LARGEST)]
Text = Annotated[str, Query(max_length=200)]
Word = Annotated[str, Query(max_length=64)]
Part = Annotated[str, Query(alias="part", max_length=20)]


@router.get("/runs", dependencies=READ)
def runs_page(
    request: Request,
    house: TheHouse,
    q: Text = "",
    job: Word = "",
    state: Word = "",
    reason: Word = "",
    trigger: Word = "",
    commit: Word = "",
    environment: Text = "",
    since: Word = "",
    until: Word = "",
    fingerprint: Word = "",
    backfill: RunNumber = None,
    before: RunNumber = None,
    part_of: Part = "",
) -> Response:
    given = {
        "q": q.strip(),
        "job": job.strip(),
        "state": state if state in FILTERS else "",
        "reason": reason if reason in list(Reason) else "",
        "trigger": trigger if trigger in TRIGGERS else "",
        "commit": commit.strip(),
        "environment": environment.strip(),
        "since": since.strip(),
        "until": until.strip(),
        "fingerprint": fingerprint,
        "backfill": str(backfill or ""),
    }
    problem, following = "", None
    found: list[Run] = []
    try:
        wanted = finding.runs_wanted(house, **fields_of(given))
        found, following = history.list_runs(house, wanted, before=before, limit=ROWS)
    except Invalid as error:
        problem = f"{error.message}."
    one = backfills.get(house, backfill) if backfill else None
    shown: dict[str, Any] = {
        "runs": found,
        "next": following,
        "before": before,
        "given": given,
        "problem": problem,
        "looking": any(given.values()),
        "more": any(given[name] for name in ("reason", "trigger", "commit", "environment", "until")),
        "filters": [(name, label) for name, (label, _) in FILTERS.items()],
        "spans": SPANS,
        "reasons": [(name, label) for name, (label, _) in REASONS.items()],
        "triggers": list(TRIGGERS.items()),
        "address": lambda **parts: _address(given, **parts),
        "backfill": one,
        "left": backfills.left(one) if one else 0,
    }
    return part(request, "parts/runs.html", **shown) if part_of else page(request, "runs.html", **shown)


def number(value: object, name: str) -> int | None:
    """Up to LARGEST; None if nothing is given. Raises Invalid, with the field's name, for what is no such number."""
    text = str(value or "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= LARGEST):
        raise Invalid(f"{name} is no whole number up to {LARGEST}")
    return int(text)


def fields_of(given: Mapping[str, str]) -> dict[str, Any]:
    """What a form or address says, as `finding.runs_wanted` takes it; a state that there is not is left out.

    Raises Invalid for a backfill that is no number.
    """
    return {
        "text": given.get("q", ""),
        "job_id": given.get("job", ""),
        "states": FILTERS.get(given.get("state", ""), FILTERS[""])[1],
        "backfill_id": number(given.get("backfill"), "backfill"),
        **{name: given.get(name, "") for name in FIELDS if name not in ("q", "job", "state", "backfill")},
    }


def _address(given: Mapping[str, str], **parts: object) -> str:
    query = urlencode([(name, value) for name, value in {**given, **parts}.items() if value])
    return f"/runs?{query}" if query else "/runs"

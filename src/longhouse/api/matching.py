"""Runs by what they have in common, in the body of a request."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from longhouse import finding
from longhouse.api.paging import LARGEST
from longhouse.house import House
from longhouse.runs.state import Reason, RunState
from longhouse.store.run_search import Wanted

Word = Annotated[str, Field(max_length=100)]
Time = Annotated[str, Field(max_length=64)]


class Matching(BaseModel):
    """As the list of runs is narrowed down; nothing at all is every run."""

    model_config = ConfigDict(extra="forbid")

    job: Word = ""
    state: list[RunState] = []
    backfill: Annotated[int | None, Field(ge=1, le=LARGEST, strict=True)] = None
    reason: Reason | None = None
    trigger: Word = ""
    commit: Word = ""
    environment: Word = ""
    since: Time = ""
    until: Time = ""
    q: Annotated[str, Field(max_length=200)] = ""
    fingerprint: Word = ""


def wanted_of(house: House, asked: Matching) -> Wanted:
    """Raises Invalid naming a time that is none."""
    return finding.runs_wanted(
        house,
        job_id=asked.job,
        states=tuple(str(each) for each in asked.state),
        backfill_id=asked.backfill,
        reason=asked.reason and str(asked.reason),
        trigger=asked.trigger,
        commit=asked.commit,
        environment=asked.environment,
        since=asked.since,
        until=asked.until,
        text=asked.q.strip(),
        fingerprint=asked.fingerprint,
    )

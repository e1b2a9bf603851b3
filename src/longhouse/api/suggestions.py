"""Values that filters could have, while somebody types one."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.house import House
from longhouse.suggestions import suggest

router = routes(tags=["suggestions"])

Text = Annotated[str, Query(max_length=200, description="What has been typed so far.")]


class SuggestionShown(BaseModel):
    value: str
    about: str = Field(description="A word about it; may be empty.")


class Suggestions(BaseModel):
    items: list[SuggestionShown]


@router.get("/api/suggestions/jobs/{field}", dependencies=[Depends(needs("jobs:read"))])
def suggest_of_jobs(field: Literal["job", "tag", "project", "name"], house: TheHouse, text: Text = "") -> Suggestions:
    """At most twenty jobs, tags or projects that hold the text; `name`: any of them."""
    return _shown(house, field, text)


@router.get("/api/suggestions/runs/{field}", dependencies=[Depends(needs("runs:read"))])
def suggest_of_runs(field: Literal["commit", "environment"], house: TheHouse, text: Text = "") -> Suggestions:
    """At most twenty that runs had and whose names begin with the text; without one, those of the newest runs."""
    return _shown(house, field, text)


@router.get("/api/suggestions/activity/{field}", dependencies=[Depends(needs("admin"))])
def suggest_of_activity(field: Literal["actor", "act"], house: TheHouse, text: Text = "") -> Suggestions:
    """At most twenty of those who have done something, or of the acts and their groups."""
    return _shown(house, field, text)


def _shown(house: House, field: str, text: str) -> Suggestions:
    return Suggestions(
        items=[SuggestionShown(value=each.value, about=each.about) for each in suggest(house, field, text)]
    )

"""Who did what, with a link to each thing."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import Depends, Query, Request, Response

from longhouse import activity
from longhouse.activity import Act
from longhouse.doors import TheHouse, needs
from longhouse.errors import Invalid
from longhouse.web.page import page, pages, sentence

router = pages()

LARGEST = 2**53 - 1
ROWS = 50

Text = Annotated[str, Query(max_length=200)]

PLACES = {
    "run": "/runs/{}",
    "job": "/jobs/{}",
    "commit": "/repo/commits/{}",
    "draft": "/repo/drafts/{}",
    "secret": "/secrets?name={}",
    "token": "/tokens",
    "repo": "/repo",
    "settings": "/settings",
}


def place(target: str) -> str:
    """The address of what an act was about; empty if there is none."""
    kind, _, name = target.partition(":")
    return PLACES.get(kind, "").format(quote(name, safe=""))


@router.get("/activity", dependencies=[Depends(needs("admin"))])
def activity_page(
    request: Request,
    house: TheHouse,
    actor: Text = "",
    act: Text = "",
    job: Text = "",
    since: Text = "",
    until: Text = "",
    before: Annotated[int | None, Query(ge=1, le=LARGEST)] = None,
) -> Response:
    chosen = {"actor": actor, "act": act, "job": job.strip(), "since": since, "until": until}
    acts: list[Act] = []
    following, problem = None, ""
    try:
        acts, following = activity.list_acts(house, **chosen, before=before, limit=ROWS)
    except Invalid as error:
        problem = " ".join(filter(None, (sentence(error.message), error.hint)))
    kept = urlencode({name: value for name, value in chosen.items() if value})
    return page(
        request,
        "activity.html",
        status=422 if problem else 200,
        acts=acts,
        place=place,
        given=chosen,
        filtered=bool(kept),
        problem=problem,
        actors=activity.actors(house),
        groups=activity.GROUPS,
        newest=f"/activity?{kept}" if before and kept else "/activity" if before else "",
        older=f"/activity?{'&'.join(filter(None, (kept, f'before={following}')))}" if following else "",
    )

"""The Jobs repo page: how it stands, its history, a commit's diff; and the banner that every page has."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.errors import LonghouseError
from longhouse.house import House
from longhouse.repo import panel
from longhouse.repo.history import Commit
from longhouse.simulation import impact
from longhouse.web import diff
from longhouse.web.page import page, pages, part, standing

router = pages()

ROWS = 30
READ = [Depends(needs("jobs:read"))]
WRITE = [Depends(needs("jobs:write"))]

Before = Annotated[str | None, Query(max_length=64, pattern="^[0-9a-f]+$")]
OnePath = Annotated[str, Query(max_length=1000)]
Part = Annotated[str, Query(alias="part", max_length=20)]


@router.get("/banner", dependencies=READ)
def banner(request: Request, house: TheHouse) -> Response:
    return part(request, "parts/banner.html", **standing(house))


@router.get("/repo", dependencies=READ)
def repo_page(
    request: Request, house: TheHouse, before: Before = None, path: OnePath = "", part_of: Part = ""
) -> Response:
    status = panel.status(house)
    commits, following = _history(house, status.ready, before, path)
    shown = {
        "repo": status,
        "commits": commits,
        "next": following,
        "before": before,
        "path_of": path,
        **standing(house),
    }
    return part(request, "parts/repo.html", **shown) if part_of else page(request, "repo.html", **shown)


def _history(house: House, ready: bool, before: str | None, path: str) -> tuple[tuple[Commit, ...], str | None]:
    """Empty while the repo cannot be read: its status says why."""
    if not ready:
        return (), None
    try:
        return panel.log(house, ROWS, before, path or None)
    except LonghouseError:
        if before:
            raise
        return (), None


@router.get("/repo/commits/{sha}", dependencies=READ)
def commit_page(
    request: Request, sha: str, house: TheHouse, view: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    shown = panel.commit(house, sha)
    files, long = diff.files(shown.diff)
    return page(
        request,
        "commit.html",
        commit=shown.commit,
        new=shown.commit.id,
        impact=impact.words(impact.of_message(shown.commit.body)),
        changes=shown.changes,
        files=files,
        cut=shown.cut or long,
        view=view,
        sides=diff.sides,
    )


@router.post("/repo/init", dependencies=WRITE)
def init(house: TheHouse, caller: TheCaller) -> Response:
    panel.init(house, caller.by)
    return RedirectResponse("/repo", 303)

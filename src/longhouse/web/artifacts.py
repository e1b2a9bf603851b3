"""The artifacts of a run, looked at: each for itself, with no more rights than a picture in a frame."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from longhouse import artifacts, history
from longhouse.doors import ARTIFACT_POLICY, TheHouse, needs
from longhouse.errors import Gone, NotFound
from longhouse.history import Details
from longhouse.house import House
from longhouse.store.database import Row
from longhouse.web import previews
from longhouse.web.page import page, pages, part
from longhouse.web.run_log import LARGEST, RunId

router = pages()

READ = [Depends(needs("runs:read"))]

ArtifactId = Annotated[int, InPath(ge=1, le=LARGEST)]


@router.get("/runs/{run_id}/artifacts/{artifact_id}", dependencies=READ)
def artifact_page(
    request: Request,
    run_id: RunId,
    artifact_id: ArtifactId,
    house: TheHouse,
    part_of: Annotated[str, Query(alias="part", max_length=20)] = "",
) -> Response:
    found = history.details(house, run_id)
    row = artifacts.by_id(found, artifact_id)
    shown: dict[str, Any] = {"run": found.run, "each": row, "preview": _preview(house, row)}
    return part(request, "parts/artifact.html", **shown) if part_of else page(request, "artifact.html", **shown)


@router.get("/runs/{run_id}/artifacts/{artifact_id}/file", dependencies=READ)
def artifact_file(run_id: RunId, artifact_id: ArtifactId, house: TheHouse) -> Response:
    """A picture, or HTML for a frame, under a policy that lets it do nothing."""
    row = artifacts.by_id(history.details(house, run_id), artifact_id)
    kind = previews.kind_of(row["name"], row["media_type"])
    media_type = previews.media_type_of(kind, row["media_type"])
    if media_type is None:
        raise NotFound(f"artifact {artifact_id} of run {run_id} is nothing to look at as it is", hint="Download it.")
    headers = {"Content-Security-Policy": ARTIFACT_POLICY, "Content-Disposition": "inline"}
    return FileResponse(artifacts.file_of(house, row), headers=headers, media_type=media_type)


def shown(house: House, found: Details) -> dict[str, Any]:
    """All of them, the first opened."""
    first = found.artifacts[0] if found.artifacts else None
    return {"artifacts": found.artifacts, "preview": _preview(house, first) if first else None}


def _preview(house: House, row: Row) -> previews.Preview:
    try:
        path = artifacts.file_of(house, row)
    except Gone as error:
        return previews.Preview("", said=f"{error.message[:1].upper()}{error.message[1:]}.")
    return previews.preview(path, row["name"], row["media_type"], row["size"])

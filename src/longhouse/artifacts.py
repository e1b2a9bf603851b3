"""The files that runs leave behind, found again."""

from __future__ import annotations

from pathlib import Path

from longhouse.errors import Gone, NotFound
from longhouse.history import Details
from longhouse.house import House
from longhouse.store.database import Row


def by_name(found: Details, name: str, attempt: int | None = None) -> Row:
    """The newest of this name, or that of one attempt. Raises NotFound."""
    rows = [row for row in found.artifacts if row["name"] == name and attempt in (None, row["attempt"])]
    return _newest(rows, found.run.id, "of this name")


def by_id(found: Details, artifact_id: int) -> Row:
    """Raises NotFound."""
    rows = [row for row in found.artifacts if row["id"] == artifact_id]
    return _newest(rows, found.run.id, f"with the number {artifact_id}")


def _newest(rows: list[Row], run_id: int, which: str) -> Row:
    if not rows:
        raise NotFound(f"run {run_id} has no artifact {which}", hint=f"GET /api/runs/{run_id} lists them.")
    return max(rows, key=lambda each: (each["attempt"], each["id"]))


def file_of(house: House, row: Row) -> Path:
    """Raises Gone if it is no longer kept."""
    path = house.paths.artifacts / str(row["file"])
    if not path.is_file() or not path.resolve().is_relative_to(house.paths.artifacts.resolve()):
        raise Gone(f"the file of this artifact of run {row['run_id']} is no longer kept")
    return path

"""The output on a run's page: which part of it, what is searched for in it, and more of it on demand."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from fastapi import Path as InPath

from longhouse import history, logsearch
from longhouse.doors import TheHouse, needs
from longhouse.errors import NotFound
from longhouse.frames import Stream
from longhouse.history import Details
from longhouse.house import House
from longhouse.logsearch import LONGEST_TEXT
from longhouse.runs.state import ACTIVE
from longhouse.store.database import Row
from longhouse.web import log
from longhouse.web.page import pages, part

router = pages()

LARGEST = 2**53 - 1
STREAMS: dict[str, tuple[str, frozenset[int] | None]] = {
    "": ("Everything", None),
    "out": ("Output (stdout)", frozenset({Stream.OUT})),
    "err": ("Error output (stderr)", frozenset({Stream.ERR})),
    "log": ("Log (ctx.log)", frozenset({Stream.LOG})),
}

READ = [Depends(needs("runs:read"))]

RunId = Annotated[int, InPath(ge=1, le=LARGEST)]
LineNumber = Annotated[int | None, Query(ge=1, le=LARGEST)]


@dataclass
class Asked:
    """What of the output is wanted; the address of a page and that of more lines say it alike."""

    attempt: Annotated[int | None, Query(ge=1, le=LARGEST)] = None
    line: LineNumber = None
    stream: Annotated[str, Query(max_length=10)] = ""
    q: Annotated[str, Query(max_length=LONGEST_TEXT)] = ""


@router.get("/runs/{run_id}/log", dependencies=READ)
def log_part(
    request: Request,
    run_id: RunId,
    house: TheHouse,
    asked: Annotated[Asked, Depends()],
    since: LineNumber = None,
    before: LineNumber = None,
    style: Annotated[str, Query(max_length=40)] = "",
    jump: bool = False,
) -> Response:
    """More of the output: around a line, what came since one, or what stands before one."""
    found = history.details(house, run_id)
    row, path = _output(house, found, asked.attempt)
    growing, view = _growing(row), _view(house, row, asked)
    if before is not None:
        window = log.before(path, before, view=view)
    elif since is not None:
        window = log.since(path, since, style, growing=growing, jump=jump, view=view)
    elif asked.line is not None:
        window = log.around(path, asked.line, growing=growing, view=view)
    else:
        window = log.tail(path, growing=growing, view=view)
    _placed(window, found, row, path)
    return part(request, "parts/log.html", run=found.run, active=found.run.state in ACTIVE, log=window)


def opened(house: House, found: Details, asked: Asked) -> dict[str, Any]:
    """The output as a page shows it first: its end, or where the address points."""
    row, path = _output(house, found, asked.attempt)
    growing, view = _growing(row), _view(house, row, asked)
    search = _search(path, asked, view) if asked.q else None
    line = search["line"] if search else asked.line
    if line:
        window = log.around(path, line, growing=growing, view=view)
    else:
        window = log.opening(path, growing=growing, view=view)
    _placed(window, found, row, path)
    kinds = [(name, label) for name, (label, _) in STREAMS.items()]
    return {"log": window, "stream": asked.stream, "kinds": kinds, "q": asked.q, "search": search}


def _search(path: Path | None, asked: Asked, view: log.View) -> dict[str, Any]:
    """For readers without scripts, too: the match that is shown, and the addresses of its neighbours."""
    found = logsearch.search(path, asked.q, view.streams)
    if not found.lines:
        return {"total": 0, "line": None, "place": 0, "earlier": "", "later": ""}
    at = min(bisect_left(found.lines, asked.line or 1), len(found.lines) - 1)

    def address(place: int) -> str:
        line = found.lines[place % len(found.lines)]
        said = {"q": asked.q, "stream": asked.stream, "attempt": asked.attempt, "line": line}
        return f"?{urlencode({name: value for name, value in said.items() if value})}#L{line}"

    return {
        "total": found.total,
        "line": found.lines[at],
        "place": at + 1,
        "earlier": address(at - 1),
        "later": address(at + 1),
    }


def _view(house: House, row: Row | None, asked: Asked) -> log.View:
    streams = STREAMS[asked.stream][1] if asked.stream in STREAMS else None
    started = (row["started_at"] or row["claimed_at"]) if row else None
    return log.View(streams, started, house.zone)


def _output(house: House, found: Details, wanted: int | None) -> tuple[Row | None, Path | None]:
    """The attempt that is shown and its file; the newest that there is if none is named. Raises NotFound."""
    rows = [row for row in found.attempts if wanted is None or row["attempt"] == wanted]
    if wanted is not None and not rows:
        raise NotFound(f"run {found.run.id} has no attempt {wanted}")
    row = rows[-1] if rows else None
    return row, house.paths.output / row["output"] if row and row["output"] else None


def _growing(row: Row | None) -> bool:
    return row is None or row["state"] is None


def _placed(window: log.Window, found: Details, row: Row | None, path: Path | None) -> None:
    window.attempt = row["attempt"] if row else 0
    window.follows = found.run.state in ACTIVE and _growing(row) and not window.more_after
    window.over = not _growing(row) and not window.more_after
    window.position = log.end_of(path)
    window.nothing = not window.total or (window.from_end and not window.html)
    if row is not None and window.total:
        window.download = f"/api/runs/{found.run.id}/logs?format=raw&attempt={window.attempt}"

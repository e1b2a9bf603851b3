"""What runs printed, in pages, as a download and live; and the files they left behind."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Depends, Header, Query
from fastapi import Path as InPath
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from longhouse import artifacts, history, logsearch, output
from longhouse.api.paging import LARGEST, Cursor, link_next, number
from longhouse.api.runs import RunId
from longhouse.api.streams import LOOK_SECONDS, RETRY
from longhouse.doors import ARTIFACT_POLICY, LOG_POLICY, Caller, TheCaller, TheHouse, needs, still_here
from longhouse.doors.routes import routes
from longhouse.errors import Invalid, NotFound
from longhouse.frames import Stream
from longhouse.house import House
from longhouse.runs.state import TERMINAL
from longhouse.store.database import Row

router = routes(tags=["runs"])

StreamName = Literal["out", "err", "log", "system", "gap"]
STREAMS: dict[StreamName, Stream] = {
    "out": Stream.OUT,
    "err": Stream.ERR,
    "log": Stream.LOG,
    "system": Stream.SYSTEM,
}
NAMES: dict[Stream, StreamName] = {stream: name for name, stream in STREAMS.items()}
NAMES[Stream.GAP] = "gap"
PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,15})")

Attempt = Annotated[int | None, Query(ge=1, le=LARGEST, description="Which attempt; the newest if left out.")]
OneStream = Literal["out", "err", "log", "system"]
Streams = Annotated[list[OneStream] | None, Query(max_length=4, description="Only these streams.")]


class LineShown(BaseModel):
    number: int = Field(description="From 1; 0 where something was dropped.")
    ms: int = Field(description="Milliseconds since the attempt started.")
    stream: StreamName
    text: str
    continues: bool = Field(description="When following: goes on with the line of this number that came before.")


class LogPage(BaseModel):
    items: list[LineShown]
    next: str | None
    run_id: int
    attempt: int = Field(description="0 before the first attempt.")
    total: int = Field(description="Lines so far, dropped ones included.")
    dropped_bytes: int
    more_before: bool


@router.get(
    "/api/runs/{run_id}/logs",
    response_model=LogPage,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=[Depends(needs("runs:read"))],
)
def get_log(
    run_id: RunId,
    request: Request,
    response: Response,
    house: TheHouse,
    attempt: Attempt = None,
    stream: Streams = None,
    tail: Annotated[int | None, Query(ge=1, le=10_000, description="The last so many lines.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="How many lines at most; also at most 1 MiB.")] = 1_000,
    cursor: Cursor = None,
    format: Annotated[Literal["json", "raw"], Query(description="raw: the bytes as they came, to download.")] = "json",
) -> Any:
    """A page of lines; the cursor is a line's number. With format=raw the whole output as a file."""
    streams = None if not stream else {STREAMS[each] for each in stream}
    row = _attempt_row(history.details(house, run_id).attempts, run_id, attempt)
    path = None if row is None else _output_file(house, row)
    if format == "raw":
        return _download(path, streams, f"run-{run_id}-attempt-{row['attempt'] if row else 0}.log")
    first = number(cursor) or 1
    page = _page(path, first, None if cursor is not None else tail, streams)
    lines, following = page.lines[:limit] if tail is None else page.lines, None
    if len(lines) < len(page.lines) or page.more_after:
        following = str(max((line.number for line in lines), default=first) + 1)
    return LogPage(
        items=[line_shown(line) for line in lines],
        next=link_next(request, response, following),
        run_id=run_id,
        attempt=row["attempt"] if row else 0,
        total=page.total,
        dropped_bytes=page.dropped_bytes,
        more_before=page.more_before,
    )


class LogMatches(BaseModel):
    run_id: int
    attempt: int = Field(description="0 before the first attempt.")
    lines: list[int] = Field(description="Numbers of the lines with the text, the first 10,000 of them.")
    total: int = Field(description="How many lines have it.")


@router.get("/api/runs/{run_id}/logs/search", dependencies=[Depends(needs("runs:read"))])
def search_log(
    run_id: RunId,
    house: TheHouse,
    q: Annotated[str, Query(min_length=1, max_length=logsearch.LONGEST_TEXT, description="Capital or small.")],
    attempt: Attempt = None,
    stream: Streams = None,
) -> LogMatches:
    """Which lines of the whole output have a text in what a reader sees of them."""
    row = _attempt_row(history.details(house, run_id).attempts, run_id, attempt)
    streams = None if not stream else {STREAMS[each] for each in stream}
    found = logsearch.search(None if row is None else _output_file(house, row), q, streams)
    return LogMatches(run_id=run_id, attempt=row["attempt"] if row else 0, lines=found.lines, total=found.total)


def _page(path: Path | None, first: int, tail: int | None, streams: set[Stream] | None) -> output.Page:
    if path is not None:
        try:
            return output.read_lines(path, from_line=first, from_end=tail, streams=streams)
        except FileNotFoundError:
            pass
    return output.Page([], False, False, 0, 0)


def _attempt_row(attempts: list[Row], run_id: int, wanted: int | None) -> Row | None:
    """The attempt that was asked for, or the newest; None before the first."""
    found = [row for row in attempts if wanted is None or row["attempt"] == wanted]
    if wanted is not None and not found:
        raise NotFound(f"run {run_id} has no attempt {wanted}")
    return found[-1] if found else None


def _output_file(house: House, row: Row) -> Path | None:
    return house.paths.output / row["output"] if row["output"] else None


def _download(path: Path | None, streams: set[Stream] | None, name: str) -> Response:
    headers = {"Content-Disposition": attachment(name), "Content-Security-Policy": LOG_POLICY}
    body: Iterator[bytes] = iter(())
    if path is not None and path.exists():
        body = output.raw(path, streams=streams)
    return StreamingResponse(body, headers=headers, media_type="text/plain")


def attachment(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"


def line_shown(line: output.Line) -> LineShown:
    return LineShown(
        number=line.number, ms=line.ms, stream=NAMES[line.stream], text=line.text, continues=line.continues
    )


# --- live -----------------------------------------------------------------------------------------------------------


@dataclass
class Place:
    """Where a reader of a run's output is."""

    run_id: int
    attempt: int
    position: int = 0
    only_this_attempt: bool = False


@dataclass(frozen=True)
class News:
    lines: list[output.Line]
    attempt: int
    position: int
    ended: dict[str, Any] | None
    """Set when nothing more will come: how it ended."""


def news(house: House, place: Place) -> News:
    """What has been printed since `place`, which moves. The states are read first: what has ended is all written."""
    found = history.details(house, place.run_id)
    rows = {row["attempt"]: row for row in found.attempts}
    while True:
        row = rows.get(place.attempt)
        path = _output_file(house, row) if row else None
        try:
            followed = output.follow(path, place.position) if path else output.Followed([], place.position)
        except FileNotFoundError:
            followed = output.Followed([], place.position)
        place.position = followed.position
        over = row is not None and row["finished_at"] is not None
        if followed.lines or not over or place.only_this_attempt or place.attempt + 1 not in rows:
            break
        place.attempt, place.position = place.attempt + 1, 0
    ended = None
    if not followed.lines and (found.run.state in TERMINAL or (over and place.only_this_attempt)):
        ended = {"state": found.run.state, "reason": found.run.reason, "attempt": found.run.attempt}
    return News(followed.lines, place.attempt, place.position, ended)


async def _place(
    run_id: RunId,
    house: TheHouse,
    attempt: Attempt = None,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=40, description="attempt:offset, the id of an event.")
    ] = None,
) -> Place:
    run = await run_in_threadpool(history.get, house, run_id)
    if attempt is not None and attempt > run.attempt:
        raise NotFound(f"run {run_id} has no attempt {attempt}")
    if last_event_id is None:
        return Place(run_id, attempt or 1, only_this_attempt=attempt is not None)
    match = PLACE.fullmatch(last_event_id)
    if match is None:
        message = "this is not the id of an event of this stream, attempt:offset"
        raise Invalid(message, errors=[{"in": "header", "pointer": "/Last-Event-ID", "message": message}])
    return Place(run_id, int(match[1]), int(match[2]), only_this_attempt=attempt is not None)


@router.get(
    "/api/runs/{run_id}/logs/stream",
    response_class=EventSourceResponse,
    dependencies=[Depends(needs("runs:read"))],
)
async def stream_log(
    house: TheHouse, caller: TheCaller, place: Annotated[Place, Depends(_place)]
) -> AsyncIterator[ServerSentEvent]:
    """The output as it comes: events `run.log` with lines, each with an id to resume from, and at last `end`."""
    with house.feed.listen(f"log:{place.run_id}", "events") as listener:
        yield ServerSentEvent(retry=RETRY)
        while not house.feed.closing.is_set():
            found = await run_in_threadpool(_news_for, house, caller, place)
            if found is None:
                return
            if found.lines:
                yield log_event(place.run_id, found, named=True)
            elif found.ended is not None:
                yield ServerSentEvent(event="end", data={"run_id": place.run_id, **found.ended})
                return
            else:
                await listener.wait(LOOK_SECONDS)


def _news_for(house: House, caller: Caller, place: Place) -> News | None:
    """None when the caller's session or token has ended, or somebody deleted the run."""
    try:
        return news(house, place) if still_here(house, caller) else None
    except NotFound:
        return None


def log_event(run_id: int, found: News, *, named: bool) -> ServerSentEvent:
    """`named`: with an id to resume from; a stream of many things has the ids of its own events."""
    data = {
        "run_id": run_id,
        "attempt": found.attempt,
        "position": found.position,
        "lines": [line_shown(line).model_dump() for line in found.lines],
    }
    return ServerSentEvent(event="run.log", data=data, id=f"{found.attempt}:{found.position}" if named else None)


# --- artifacts ------------------------------------------------------------------------------------------------------


@router.get(
    "/api/runs/{run_id}/artifacts/{name:path}",
    response_class=Response,
    responses={200: {"description": "The file", "content": {"*/*": {}}}},
    dependencies=[Depends(needs("runs:read"))],
)
def get_artifact(
    run_id: RunId,
    name: Annotated[str, InPath(max_length=255, description="The artifact's name.")],
    house: TheHouse,
    attempt: Attempt = None,
) -> Response:
    """A file that the run left behind, to download; shown nowhere with the rights of a page."""
    row = artifacts.by_name(history.details(house, run_id), name, attempt)
    path = artifacts.file_of(house, row)
    headers = {"Content-Disposition": attachment(name), "Content-Security-Policy": ARTIFACT_POLICY}
    return FileResponse(path, headers=headers, media_type=_media_type(row["media_type"]))


def _media_type(given: str) -> str:
    """What the job said, if it can stand in a header."""
    return given if re.fullmatch(r"[A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+-]{1,60}", given) else "application/octet-stream"

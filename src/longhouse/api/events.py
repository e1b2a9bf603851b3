"""One stream of everything that happens, for one browser or client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from longhouse import history
from longhouse.api.logs import Place, log_event, news
from longhouse.api.paging import LARGEST
from longhouse.api.streams import RETRY
from longhouse.api.tail import BATCH, TOPIC, Event, Tail, event, framed
from longhouse.doors import Caller, TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.errors import Invalid, NotFound
from longhouse.house import House
from longhouse.store import events as rows

router = routes(tags=["events"])

MOST_LOGS = 16
PING_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
KIND = re.compile(r"[a-z]{1,20}(\.[a-z_]{1,20})?")
LOG = re.compile(r"run\.log:([1-9][0-9]{0,14})(?:@([1-9][0-9]{0,8}):([0-9]{1,15}))?")


def install(app: FastAPI) -> None:
    app.state.tail = Tail()


@dataclass
class Subscription:
    after: int | None
    """The last event that the client has seen; None: it wants what comes from now on."""
    kinds: frozenset[str]
    """`run` or `run.created`; empty for all."""
    logs: list[Place] = field(default_factory=list)

    def wants(self, kind: str) -> bool:
        return not self.kinds or kind in self.kinds or kind.partition(".")[0] in self.kinds


def _problem(where: str, pointer: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"in": where, "pointer": pointer, "message": message}])


async def _subscription(
    house: TheHouse,
    topics: Annotated[
        str | None,
        Query(
            max_length=1000,
            description="Separated by commas: `run`, `job.changed`, …, and `run.log:<id>` or"
            " `run.log:<id>@attempt:offset` for the output of a run. All events and no output if left out.",
        ),
    ] = None,
    after: Annotated[int | None, Query(ge=0, le=LARGEST, description="Begin after this event.")] = None,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=20, description="The same, as browsers send it.")
    ] = None,
) -> Subscription:
    if last_event_id is not None:
        if not (last_event_id.isascii() and last_event_id.isdigit()) or int(last_event_id) > LARGEST:
            raise _problem("header", "/Last-Event-ID", "this is not the id of an event of this stream")
        after = int(last_event_id)
    kinds, logs = set(), []
    for topic in (each.strip() for each in (topics or "").split(",") if each.strip()):
        if match := LOG.fullmatch(topic):
            logs.append(Place(int(match[1]), int(match[2] or 1), int(match[3] or 0)))
        elif KIND.fullmatch(topic):
            kinds.add(topic)
        else:
            raise _problem("query", "/topics", f"{topic!r} is no topic; they look like run, job.changed or run.log:7")
    if len(logs) > MOST_LOGS:
        raise _problem("query", "/topics", f"one stream carries the output of at most {MOST_LOGS} runs")
    for place in logs:
        try:
            await run_in_threadpool(history.get, house, place.run_id)
        except NotFound:
            if not kinds:  # else it is told as its end: a browser's one stream goes on when a run was deleted
                raise
    return Subscription(after, frozenset(kinds or ({"none"} if logs else ())), logs)


class EventStream(StreamingResponse):
    """Of bytes that are framed already: once for all streams."""

    media_type = "text/event-stream"


@router.get("/api/events", response_class=EventStream, dependencies=[Depends(needs("runs:read"))])
async def stream_events(
    request: Request,
    house: TheHouse,
    caller: TheCaller,
    subscription: Annotated[Subscription, Depends(_subscription)],
) -> EventStream:
    """Everything that happens, as it happens; an event's id is where to resume, over a restart of the server too.

    `missed` says that events between are gone: load afresh what you show.
    """
    return EventStream(_told(house, request.app.state.tail, caller, subscription), headers=HEADERS)


async def _told(house: House, tail: Tail, caller: Caller, wanted: Subscription) -> AsyncIterator[bytes]:
    topics = [f"log:{place.run_id}" for place in wanted.logs]
    with house.feed.listen(TOPIC, *topics) as listener, tail.followed(house, caller):
        yield format_sse_event(retry=RETRY)
        await tail.ready.wait()
        if wanted.after is None:
            wanted.after = tail.newest
        while not house.feed.closing.is_set() and not tail.ended(caller):
            told = await _events(house, tail, wanted)
            if wanted.logs:
                told += await run_in_threadpool(_printed, house, wanted)
            if told:
                yield b"".join(told)
            elif not await listener.wait(PING_SECONDS):
                yield KEEPALIVE_COMMENT


async def _events(house: House, tail: Tail, wanted: Subscription) -> list[bytes]:
    """What came after the last look. Out of the database for who comes back after a while."""
    after = wanted.after or 0
    if tail.floor <= after <= tail.newest:
        found = tail.after(after)
        wanted.after = tail.newest
    else:
        found, wanted.after = await run_in_threadpool(_earlier, house, after)
    return [each.text for each in found if each.kind == "missed" or wanted.wants(each.kind)]


def _earlier(house: House, after: int) -> tuple[list[Event], int]:
    """At most a batch of events after `after`, and the last of them."""
    with house.db.read() as db:
        newest = rows.newest(db)
        first = rows.after(db, 0, 1)
        if after > newest or (first and first[0]["id"] > after + 1):
            return [Event(newest, "missed", framed("missed", {"after": after}, newest))], newest
        found = [event(row) for row in rows.after(db, after, BATCH)]
    return found, found[-1].id if found else after


def _printed(house: House, wanted: Subscription) -> list[bytes]:
    """What runs have printed since the last look."""
    found = []
    for place in list(wanted.logs):
        try:
            printed = news(house, place)
        except NotFound:  # somebody deleted the run
            found.append(framed("run.log_end", {"run_id": place.run_id}))
            wanted.logs.remove(place)
            continue
        if printed.lines:
            told = log_event(place.run_id, printed, named=False)
            found.append(framed(told.event or "", told.data))
        elif printed.ended is not None:
            found.append(framed("run.log_end", {"run_id": place.run_id, **printed.ended}))
            wanted.logs.remove(place)
    return found

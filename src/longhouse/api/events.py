"""One stream of everything that happens, for one browser or client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from longhouse import history
from longhouse.api.logs import Place, log_event, news
from longhouse.api.paging import LARGEST
from longhouse.api.streams import LOOK_SECONDS, RETRY
from longhouse.clock import iso
from longhouse.doors import Caller, TheCaller, TheHouse, needs, still_here
from longhouse.errors import Invalid
from longhouse.house import House
from longhouse.store import events as rows
from longhouse.store.database import Row

router = APIRouter(tags=["events"])

BATCH = 200
MOST_LOGS = 8
KIND = re.compile(r"[a-z]{1,20}(\.[a-z_]{1,20})?")
LOG = re.compile(r"run\.log:([1-9][0-9]{0,14})(?:@([1-9][0-9]{0,8}):([0-9]{1,15}))?")


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
            max_length=400,
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
        await run_in_threadpool(history.get, house, place.run_id)
    return Subscription(after, frozenset(kinds or ({"none"} if logs else ())), logs)


@router.get("/api/events", response_class=EventSourceResponse, dependencies=[Depends(needs("runs:read"))])
async def stream_events(
    house: TheHouse, caller: TheCaller, subscription: Annotated[Subscription, Depends(_subscription)]
) -> AsyncIterator[ServerSentEvent]:
    """Everything that happens, as it happens; an event's id is where to resume, over a restart of the server too.

    `missed` says that events between are gone: load afresh what you show.
    """
    topics = [f"log:{place.run_id}" for place in subscription.logs]
    with house.feed.listen("events", *topics) as listener:
        yield ServerSentEvent(retry=RETRY)
        while not house.feed.closing.is_set():
            found = await run_in_threadpool(_news, house, caller, subscription)
            if found is None:
                return
            for event in found:
                yield event
            if not found:
                await listener.wait(LOOK_SECONDS)


def _news(house: House, caller: Caller, subscription: Subscription) -> list[ServerSentEvent] | None:
    """Events and output since the last call; None when the caller's session or token has ended."""
    if not still_here(house, caller):
        return None
    found = []
    with house.db.read() as db:
        newest = rows.newest(db)
        if subscription.after is None:
            subscription.after = newest
        first = rows.after(db, 0, 1)
        if subscription.after > newest or (first and first[0]["id"] > subscription.after + 1):
            found.append(ServerSentEvent(event="missed", id=str(newest), data={"after": subscription.after}))
            subscription.after = newest
        fresh = rows.after(db, subscription.after, BATCH)
    if fresh:
        subscription.after = fresh[-1]["id"]
    found += [_event(row) for row in fresh if subscription.wants(row["type"])]
    for place in list(subscription.logs):
        printed = news(house, place)
        if printed.lines:
            found.append(log_event(place.run_id, printed, named=False))
        elif printed.ended is not None:
            found.append(ServerSentEvent(event="run.log_end", data={"run_id": place.run_id, **printed.ended}))
            subscription.logs.remove(place)
    return found


def _event(row: Row) -> ServerSentEvent:
    data = {"at": iso(row["at"]), "subject": row["subject"], **row["data"]}
    return ServerSentEvent(event=row["type"], id=str(row["id"]), data=data)

"""Idempotency-Key: a repeated request that creates something is answered again, not done again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from longhouse import accounts
from longhouse.doors import Caller, TheCaller, TheHouse
from longhouse.errors import Conflict, Invalid
from longhouse.house import House
from longhouse.store import idempotency as rows
from longhouse.store.database import Row

KEPT_MS = 24 * 60 * 60 * 1000


class KeyReused(Invalid):
    """The Idempotency-Key was sent before with another request body."""

    code = "idempotency.key_reused"


class StillRunning(Conflict):
    """The request that came first with this Idempotency-Key has not been answered yet."""

    code = "idempotency.still_running"


@dataclass(frozen=True)
class Replies:
    """Answers one POST that creates something."""

    house: House
    caller: Caller
    key: str | None
    route: str
    body_hash: str

    def once(
        self,
        status: int,
        act: Callable[[House], BaseModel],
        *,
        kept: Callable[[BaseModel], BaseModel] = lambda document: document,
    ) -> Response:
        """`act` in one transaction with its key, so that there is no moment at which one exists without the other.

        `act` uses the house it is given. `kept` is what a repetition gets, if that is not the same document.
        """
        if self.key is None:
            return _reply(status, act(self.house))
        with self.house.db.write() as db:
            now = self.house.clock.now()
            rows.prune(db, now - KEPT_MS)
            before = rows.get(db, self.key, self.route)
            if before is not None:
                return self._repeat(before)
            rows.begin(db, self.key, self.route, self.body_hash, now)
            document = act(replace(self.house, db=rows.Joined(db, self.house.db)))
            rows.finish(db, self.key, self.route, status, kept(document).model_dump_json())
        return _reply(status, document)

    def once_slowly(self, act: Callable[[], tuple[int, BaseModel]]) -> Response:
        """For acts that are more than one transaction. One that a crash cut short is done again: it must bear that."""
        if self.key is None:
            return _reply(*act())
        with self.house.db.write() as db:
            now = self.house.clock.now()
            rows.prune(db, now - KEPT_MS)
            before = rows.get(db, self.key, self.route)
            if before is not None and (before["status"] is not None or before["created_at"] >= self.house.up_since):
                return self._repeat(before)
            rows.begin(db, self.key, self.route, self.body_hash, now)
        try:
            status, document = act()
        except BaseException:
            with self.house.db.write() as db:
                rows.drop(db, self.key, self.route)
            raise
        with self.house.db.write() as db:
            rows.finish(db, self.key, self.route, status, document.model_dump_json())
        return _reply(status, document)

    def _repeat(self, before: Row) -> Response:
        if before["body_hash"] != self.body_hash:
            raise KeyReused(
                "this Idempotency-Key was used for another request body", hint="Use a new key for a new request."
            )
        if before["status"] is None:
            raise StillRunning("the first request with this key is still at work", hint="Ask again in a moment.")
        headers = {"Idempotency-Replayed": "true"}
        return Response(before["reply"], before["status"], headers, "application/json")


def _reply(status: int, document: BaseModel) -> Response:
    return Response(document.model_dump_json(), status, media_type="application/json")


async def _replies(
    request: Request,
    house: TheHouse,
    caller: TheCaller,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=200,
            pattern=r"^[\x21-\x7e]+$",
            description="A value of your own: the same key with the same body gets the same reply for 24 hours.",
        ),
    ] = None,
) -> Replies:
    # By name for the machine's own token: it is a new one after each start, and a repeated request is still the same.
    own = caller.name == accounts.MACHINE
    who = caller.name if own else caller.key if caller.kind == "token" else caller.kind
    query = f"?{request.url.query}" if request.url.query else ""
    body: bytes = request.state.body
    return Replies(
        house, caller, key, f"{who} {request.method} {request.url.path}{query}", hashlib.sha256(body).hexdigest()
    )


TheReplies = Annotated[Replies, Depends(_replies)]

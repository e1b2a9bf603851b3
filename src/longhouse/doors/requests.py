"""The outermost door: every request gets an id, an unexpected error ends in a document and in the log."""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from longhouse.doors import problems
from longhouse.logs import Log

log = Log("longhouse.doors")


class RequestIds:
    """`request.state.request_id`, also sent as X-Request-Id. What a client sends under that name is not used."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        begun = False

        async def named(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, named)
        except Exception as error:
            full = problems.full_disk(error)
            if full is not None and not begun and scope["type"] == "http":
                await problems.answer(scope, full)(scope, receive, named)
                return
            log.error(
                "request failed",
                request_id=request_id,
                method=scope.get("method", "WEBSOCKET"),
                path=scope["path"],
                error=error,
            )
            if begun or scope["type"] != "http":
                raise
            await problems.answer(scope, problems.Unexpected("unexpected"))(scope, receive, named)

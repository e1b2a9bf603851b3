"""The application: every surface over one open house, with its doors in front and its engine behind."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from longhouse import api, doors, web
from longhouse.engine import Engine
from longhouse.house import House

GRACEFUL_SECONDS = 2
"""How long open requests may take to end; streams end by themselves."""


def create_app(
    house: House,
    *,
    engine: Engine | None = None,
    allowed_hosts: tuple[str, ...] = (),
    trusted_proxies: tuple[str, ...] = (),
    testing: bool = False,
) -> FastAPI:
    """The whole application over an open house. The scheduler starts with it.

    `testing=True` leaves the scheduler out. It is an argument of this function and nothing else: no flag, variable or
    setting reaches it. `engine` is one that has been started already.
    """
    power = engine or Engine(house, slots=2, scheduled=not testing)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        power.start()
        power.start_timer(asyncio.get_running_loop())
        try:
            yield
        finally:
            power.stop_timer()
            await asyncio.to_thread(power.stop)

    app = FastAPI(
        title="Longhouse Jobs",
        version=house.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.engine = power
    api.install(app)
    app.state.readiness.lag = power.scheduler.lag_seconds
    app.state.readiness.engine = lambda: [why] if (why := power.scheduler.hangs()) and not testing else []
    web.install(app)
    doors.install(app, house=house, allowed_hosts=allowed_hosts, trusted_proxies=trusted_proxies)
    return app


def uvicorn_config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


class Server(uvicorn.Server):
    """Begins to end streams and jobs with the signal, not after the last request."""

    def __init__(self, settings: uvicorn.Config, engine: Engine) -> None:
        super().__init__(settings)
        self._engine = engine

    def give_up(self) -> None:
        """Somebody asked for the end, or nothing can be acknowledged any more. From any thread."""
        self._engine.begin_stop()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:
        self._engine.begin_stop()
        super().handle_exit(sig, frame)

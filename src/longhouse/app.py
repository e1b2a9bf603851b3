"""The only place that builds things: open the house, start the engine, mount the surfaces, serve."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import sys
import types
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from longhouse import accounts, api, boot, config, doors, logs, web
from longhouse.clock import SystemClock
from longhouse.config import Config
from longhouse.engine import Engine, rescuer
from longhouse.errors import CannotStart, UsageError
from longhouse.house import SYSTEM, House
from longhouse.paths import Paths

log = structlog.get_logger("longhouse")
GRACEFUL_SECONDS = 2
"""How long open requests may take to end; streams end by themselves."""


def create_app(
    house: House,
    *,
    slots: int = 2,
    allowed_hosts: tuple[str, ...] = (),
    trusted_proxies: tuple[str, ...] = (),
    testing: bool = False,
) -> FastAPI:
    """The whole application over an open house. The scheduler starts with it.

    `testing=True` leaves the scheduler out. It is an argument of this function and nothing else: no flag, variable or
    setting reaches it.
    """
    engine = Engine(house, slots=slots, scheduled=not testing)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine.start(asyncio.get_running_loop())
        try:
            yield
        finally:
            await asyncio.to_thread(engine.begin_stop)
            engine.stop()

    app = FastAPI(
        title="Longhouse Jobs",
        version=house.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.engine = engine
    api.install(app)
    app.include_router(api.router)
    web.install(app)
    app.include_router(web.router)
    doors.install(app, house=house, allowed_hosts=allowed_hosts, trusted_proxies=trusted_proxies)
    return app


def serve(settings: Config) -> int:
    """Run the instance until SIGINT or SIGTERM; the exit code. Raises CannotStart and UsageError."""
    os.umask(0o077)
    logs.configure(settings.log_format)
    paths = Paths(settings.data_dir)
    boot.make_data_dir(paths)
    with ExitStack() as closing:
        closing.enter_context(boot.locked(paths))
        config.write_first(paths.config, settings.timezone)
        house = boot.open_house(
            paths,
            SystemClock(),
            settings.timezone,
            grace_seconds=settings.stop_grace_seconds,
            installer=settings.installer_environment,
            source_builds=settings.allow_source_builds,
        )
        closing.callback(house.db.close)
        closing.callback(house.launcher.close)
        _refuse_open_door(house, settings.host)
        listener = closing.enter_context(_listener(settings.host, settings.port))
        rescued = rescuer.rescue(house)
        if rescued:
            log.warning("ended what an earlier server left behind", attempts=rescued)
        app = create_app(
            house,
            slots=settings.slots,
            allowed_hosts=(*settings.allowed_hosts, settings.host),
            trusted_proxies=settings.trusted_proxies,
        )
        engine: Engine = app.state.engine
        engine.scheduler.catch_up()
        boot.load_repo(house)
        url = f"http://{_shown(settings.host)}:{listener.getsockname()[1]}"
        closing.callback(boot.announce(paths, url, accounts.machine_token(house)))
        _greet(house, url)
        Server(_uvicorn(app), engine).run(sockets=[listener])
    return 0


def _uvicorn(app: FastAPI) -> uvicorn.Config:
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

    def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:
        self._engine.begin_stop()
        super().handle_exit(sig, frame)


def _refuse_open_door(house: House, host: str) -> None:
    if not _is_loopback(host):
        if not accounts.has_password(house):
            raise UsageError(
                f"{host} can be reached from other machines, and no password is set",
                hint="Set one first (longhouse-jobs password set, while it runs on 127.0.0.1), or drop --host.",
            )
        house.notices.append(f"The instance listens on {host}: everybody who reaches this address sees the login page.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotStart(
            f"{host}:{port} cannot be listened on: {error.strerror}", hint="Choose another port with --port."
        ) from error
    listener.listen(256)
    listener.set_inheritable(False)
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _greet(house: House, url: str) -> None:
    """Where to look, on standard output: a person reads it, and `make run` is all they typed."""
    link = accounts.login_link(house, url, SYSTEM)
    lines = [
        f"Longhouse Jobs {house.version}: {url}",
        f"  jobs repo   {house.paths.tree}",
        f"  time zone   {house.zone}",
        f"  log in      {link}",
        "              (once, within 15 minutes; another one: longhouse-jobs login-link)",
        *(f"  note        {notice}" for notice in house.notices),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()

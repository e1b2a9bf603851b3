"""Running the instance: open the house, start the engine, then load the surfaces and serve them.

The engine is at work before the pages are even imported: what was interrupted goes on, and the first run of a fresh
instance is green by the time the first page can be shown.
"""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from longhouse import accounts, boot, config, logs, secrets
from longhouse.clock import SystemClock
from longhouse.config import Config
from longhouse.engine import Engine, rescuer
from longhouse.errors import CannotStart, Invalid, UsageError
from longhouse.house import SYSTEM, House
from longhouse.logs import Log
from longhouse.outward import Outward
from longhouse.paths import Paths
from longhouse.runs.keep import Keep
from longhouse.setup import Value

log = Log("longhouse")

SWITCH_SECONDS = 0.0005
"""How long a thread computes while another waits. Python's 5 ms are for each thread that is before the event loop: a
thousand due jobs being settled were 100 ms in which nobody was answered."""


def serve(settings: Config) -> int:
    """Run the instance until SIGINT or SIGTERM; the exit code. Raises CannotStart and UsageError."""
    os.umask(0o077)
    logs.configure(settings.log_format)
    sys.setswitchinterval(SWITCH_SECONDS)
    paths = Paths(settings.data_dir)
    boot.make_data_dir(paths)
    with ExitStack() as closing:
        closing.enter_context(boot.full_disk_said(paths))
        closing.enter_context(boot.locked(paths))
        config.write_first(paths.config, settings.timezone)
        house = closing.enter_context(opened(settings))
        _say_unreadable(house)
        _refuse_open_door(house, settings.host)
        listener = closing.enter_context(_listener(settings.host, settings.port))
        rescued = rescuer.rescue(house)
        if rescued:
            log.warning("ended what an earlier server left behind", attempts=rescued)
        engine = Engine(house, slots=settings.slots)
        follow(house, settings, engine.runner.resize)
        closing.callback(engine.stop)
        house.db.failed = engine.begin_stop  # what runs is ended; the server follows
        engine.scheduler.catch_up()
        boot.load_repo(house)
        engine.start()
        url = f"http://{_shown(settings.host)}:{listener.getsockname()[1]}"
        closing.callback(boot.announce(paths, url, accounts.machine_token(house)))
        _greet(house, url)
        from longhouse import app

        hosts = (*settings.allowed_hosts, settings.host)
        whole = app.create_app(house, engine=engine, allowed_hosts=hosts, trusted_proxies=settings.trusted_proxies)
        server = app.Server(app.uvicorn_config(whole), engine)
        gc.freeze()  # what is loaded by now stays: to look through all of it again would stop everybody for 70 ms
        gc.enable()
        house.db.failed = house.feed.end = server.give_up
        if house.db.failure is None:
            server.run(sockets=[listener])
        if house.db.failure is not None:
            raise house.db.failure
    return 0


@contextmanager
def opened(settings: Config) -> Iterator[House]:
    """The house of a data directory, made if it is new; closed at the end. Raises CannotStart."""
    paths = Paths(settings.data_dir)
    boot.make_data_dir(paths)
    house = boot.open_house(
        paths,
        SystemClock(),
        settings.timezone,
        grace_seconds=settings.stop_grace_seconds,
        process_limit=settings.process_limit,
        keep=_keep(settings),
        outward=_outward(settings),
        installer=settings.installer_environment,
        source_builds=settings.allow_source_builds,
    )
    try:
        yield house
    finally:
        house.launcher.close()
        house.db.close()


def _say_unreadable(house: House) -> None:
    """Jobs without secrets go on with the wrong keyring, so this is no reason not to start."""
    wrong = secrets.check(house)
    if wrong:
        house.notices.append(f"{wrong} Put back the keys/master.json that belongs to this database, and start again.")
        log.error("stored secrets cannot be read", because=wrong)


def follow(house: House, settings: Config, resize: Callable[[int], None]) -> None:
    """Show these settings, and follow the changes that somebody makes to them while the house is open."""
    now = settings

    def change(wanted: Mapping[str, Any]) -> dict[str, Value]:
        nonlocal now
        fresh = config.changed(now, wanted)
        try:
            keep = _keep(fresh)
        except UsageError as error:
            errors = [{"pointer": "/keep_runs_least", "message": error.message}]
            raise Invalid(error.message, hint=error.hint, errors=errors) from error
        config.store(
            house.paths.config, {name: None if wanted[name] is None else getattr(fresh, name) for name in wanted}
        )
        house.follow(keep, _outward(fresh))
        resize(fresh.slots)
        now = fresh
        return _values(fresh)

    house.setup.values, house.setup.change = _values(settings), change


def _values(settings: Config) -> dict[str, Value]:
    own = str(Paths(settings.data_dir).config)
    return {
        name: Value(
            shown, "config.toml" if settings.sources[name] == own else settings.sources[name], settings.fixed(name)
        )
        for name, shown in settings.shown().items()
    }


def _keep(settings: Config) -> Keep:
    least, most = settings.keep_runs_least, settings.keep_runs_most
    if least > most:
        raise UsageError(
            f"keep_runs_least ({least}) is more than keep_runs_most ({most})",
            hint="Each job keeps at least the one and at most the other number of runs.",
        )
    return Keep(settings.keep_days, least, most)


def _outward(settings: Config) -> Outward:
    return Outward(
        github_url=settings.github_url,
        github_api=settings.github_api_url,
        client_id=settings.github_client_id,
        app_slug=settings.github_app_slug,
        client_secret=settings.github_client_secret,
        proxy=settings.proxy,
        ca_file=settings.ca_file,
    )


def _refuse_open_door(house: House, host: str) -> None:
    if not _is_loopback(host):
        if not accounts.has_password(house):
            raise UsageError(
                f"{host} can be reached from other machines, and no password is set",
                hint="Set one first (longhouse-jobs password set, while it runs on 127.0.0.1), or drop --host.",
            )
        house.notices.append(
            f"The instance listens on {host}: everybody who reaches this address sees the login page. "
            "The connection is not encrypted unless a proxy with TLS is before it."
        )


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
    with suppress(OSError):  # into a file on a full disk
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

"""A thousand jobs due in the same second, on a real server: when each was decided, and whether it answers meanwhile."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

from tests.instance import STARTER, Instance

GIVE_UP_SECONDS = 60.0
QUIET = "def run():\n    pass\n"


@dataclass
class Burst:
    lags: list[float]
    """Seconds from the due time until each run was there to be seen: committed, not only decided."""
    loop: list[float]
    """Seconds that /livez took, which needs nothing but the event loop."""
    api: list[float]
    """Seconds of a page of the API's jobs, which reads the database."""
    missing: int
    """Jobs that have no run for the due time, or more than one."""
    started: float
    """Seconds until the first process was claimed."""


def burst(one: Instance, jobs: int, *, lead: float) -> Burst:
    """`lead` seconds from the writing of the manifest to the due time; one minute more if it is not loaded by then."""
    due = int(time.time() + lead)
    job = f"id=f'job-{{n}}', cron='{due % 60} * * * * *', timezone='UTC', overlap='allow', func=run"
    register = f"job_registry.register(JobConfig({job}))"
    one.manifest(f"{STARTER}from jobs.quiet import run\nfor n in range({jobs}):\n    {register}\n", quiet=QUIET)
    while time.time() > due - 1.5:
        due += 60
    time.sleep(due - 1 - time.time())
    with asking(one, "/livez", 0.005) as loop, asking(one, "/api/jobs?limit=50", 0.05) as api, reader(one) as db:
        at, lags = due * 1000, []
        while len(lags) < jobs and time.time() < due + GIVE_UP_SECONDS:
            time.sleep(0.005)
            seen = db.execute("SELECT count(*) FROM firings WHERE due = ?", (at,)).fetchone()[0]
            lags += [time.time() - due] * (seen - len(lags))
        time.sleep(1)
        first = db.execute("SELECT min(started_at) FROM runs WHERE due = ?", (at,)).fetchone()[0]
        whole = db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM runs AS r JOIN firings AS f ON f.run_id = r.id AND f.due = r.due"
            " WHERE r.due = ? GROUP BY r.job_id HAVING count(*) = 1)",
            (at,),
        ).fetchone()[0]
    return Burst(lags, loop, api, jobs - whole, (first - at) / 1000)


@contextmanager
def reader(one: Instance) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{one.data}/longhouse.db?mode=ro", uri=True)) as db:
        yield db


@contextmanager
def asking(one: Instance, path: str, pause: float) -> Iterator[list[float]]:
    """How long each of many requests in a row took; the next one `pause` seconds after the answer."""
    waits: list[float] = []
    over = threading.Event()

    def ask(connection: HTTPConnection, headers: dict[str, str]) -> None:
        while not over.wait(pause):
            began = time.perf_counter()
            connection.request("GET", path, headers=headers)
            connection.getresponse().read()
            waits.append(time.perf_counter() - began)

    connection, headers = one.connection()
    with closing(connection):
        thread = threading.Thread(target=ask, args=(connection, headers))
        thread.start()
        try:
            yield waits
        finally:
            over.set()
            thread.join()

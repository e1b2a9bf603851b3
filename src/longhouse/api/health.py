"""Whether the instance lives and can work, and its figures."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, FastAPI, Query
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from longhouse import held, jobs
from longhouse.doors import TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.errors import LonghouseError, StorageFull
from longhouse.house import House
from longhouse.repo import sync
from longhouse.runs.state import ACTIVE
from longhouse.store import attempts as attempt_rows
from longhouse.store import jobs as job_rows
from longhouse.store import runs as run_rows

router = routes(tags=["health"])

KEPT_SECONDS = 2.0
"""Strangers may ask: an answer serves everybody for this long."""
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


class Alive(BaseModel):
    status: str


class Ready(BaseModel):
    ready: bool
    reasons: list[str] = Field(description="Why it is not ready; only for callers with a login who ask ?verbose.")
    warnings: list[str] = Field(description="What does not keep it from working; likewise.")


@dataclass
class Readiness:
    """The last answer, in `app.state.readiness`."""

    engine: Callable[[], list[str]] = list
    """What is wrong with the loops, one sentence each; the app sets it when it has started them."""
    lag: Callable[[], float] = float
    """Seconds that the earliest due time has waited for its ledger entry; likewise."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _at: float = float("-inf")
    _reasons: list[str] = field(default_factory=list)

    def reasons(self, house: House) -> list[str]:
        """Empty: ready."""
        if house.feed.closing.is_set():
            return ["the server is stopping"]
        if house.feed.draining.is_set():
            return ["the server is draining: it stops when the runs that go on have ended"]
        with self._lock:
            if house.clock.monotonic() - self._at >= KEPT_SECONDS:
                self._reasons = [*_of_storage(house), *self.engine()]
                self._at = house.clock.monotonic()
            return self._reasons


def _of_storage(house: House) -> Iterator[str]:
    try:
        with house.db.write():
            pass
    except LonghouseError as error:
        yield error.message
    try:
        house.reserve.refuse(house.clock.now())
    except StorageFull as error:
        yield error.message
    except OSError:
        yield "the data directory cannot be read"
    for name, path in (("jobs", house.paths.tree), ("jobs.git", house.paths.git_dir)):
        if not os.access(path, os.R_OK | os.X_OK):
            yield f"the jobs repo cannot be read: {name} is missing or closed to us"


def install(app: FastAPI) -> None:
    app.state.readiness = Readiness()


@router.get("/livez")
async def livez() -> Alive:
    """The process answers. Open to everybody."""
    return Alive(status="ok")


@router.head("/livez", include_in_schema=False)
async def livez_head() -> Response:
    return Response()


@router.get(
    "/readyz",
    responses={503: {"model": Ready, "description": "Not ready"}},
)
def readyz(
    request: Request,
    response: Response,
    house: TheHouse,
    verbose: Annotated[str | None, Query(max_length=20, description="Say why.")] = None,
) -> Ready:
    """The database takes writes, the scheduler ticks, the jobs repo can be read. Open to everybody.

    A manifest that is broken is a warning: the last good set of jobs runs.
    """
    readiness: Readiness = request.app.state.readiness
    reasons = readiness.reasons(house)
    if reasons:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    told = verbose is not None and request.state.caller is not None
    return Ready(ready=not reasons, reasons=reasons if told else [], warnings=list(_warnings(house)) if told else [])


@router.head("/readyz", include_in_schema=False)
def readyz_head(request: Request, house: TheHouse) -> Response:
    readiness: Readiness = request.app.state.readiness
    return Response(status_code=503 if readiness.reasons(house) else 200)


def _warnings(house: House) -> Iterator[str]:
    manifest = jobs.manifest(house)
    if not manifest.ok:
        place = f"{manifest.file}:{manifest.line}" if manifest.line else manifest.file or "manifest.py"
        yield f"the manifest is broken at {place}: {manifest.error}"
    yield from held.sentences(house)
    state = sync.state(house)
    if state.last_error is not None:
        yield f"sync with the remote fails: {state.last_error.sentence}"
    yield from house.notices


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    dependencies=[Depends(needs("jobs:read"))],
)
def metrics(request: Request, house: TheHouse) -> Response:
    """Figures in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(house, request.app.state.readiness.lag()))
    return Response(generate_latest(registry), headers={"Content-Type": TEXT_FORMAT})


@dataclass(eq=False)
class Figures(Collector):
    """Computed when they are asked for; nothing is counted in between."""

    house: House
    lag_seconds: float

    def collect(self) -> Iterator[Metric]:
        house, now, synced = self.house, self.house.clock.now(), sync.state(self.house)
        with house.db.read() as db:
            states, stuck = run_rows.counts(db), attempt_rows.stuck(db, house.owner, now)
            known = job_rows.all_jobs(db)
        yield InfoMetricFamily("longhouse", "The program.", value={"version": house.version})
        runs = GaugeMetricFamily("longhouse_runs", "Unfinished runs by state.", labels=["state"])
        for state in sorted(ACTIVE):
            runs.add_metric([state], states.get(state, 0))
        yield runs
        by_enabled = GaugeMetricFamily("longhouse_jobs", "Jobs of the manifest.", labels=["enabled"])
        enabled = sum(1 for job in known if job.enabled)
        by_enabled.add_metric(["true"], enabled)
        by_enabled.add_metric(["false"], len(known) - enabled)
        yield by_enabled
        for name, text, value in (
            ("queue_depth", "Runs that wait.", states.get("queued", 0) + states.get("retrying", 0)),
            ("stuck_runs", "Runs that should be alive and give no sign of life.", stuck),
            (
                "scheduler_lag_seconds",
                "How long the earliest due time waits for its ledger entry.",
                self.lag_seconds,
            ),
            ("manifest_ok", "1 if what is on disk is what runs.", int(jobs.manifest(house).ok)),
            (
                "sync_ok",
                "1 if the last sync of the jobs repo worked, or there is no remote.",
                int(not synced.last_error),
            ),
            ("sync_ahead", "Commits that the remote does not have.", synced.ahead),
            ("sync_behind", "Commits of the remote that are not here.", synced.behind),
            ("sync_last_seconds", "Epoch seconds of the last sync, 0 for none.", (synced.last_sync_at or 0) / 1000),
            ("up_seconds", "Since this process took over.", (now - house.up_since) / 1000),
        ):
            yield GaugeMetricFamily(f"longhouse_{name}", text, value=value)

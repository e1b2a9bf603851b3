"""Jobs: list, look, run now, enable, disable, try."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse import finding, jobs, pauses, trials
from longhouse.api.paging import Cursor, Limit, link_next
from longhouse.api.pauses import PauseShown, Until, pause_shown
from longhouse.api.replies import TheReplies
from longhouse.api.runs import RunShown, run_shown, when
from longhouse.clock import iso
from longhouse.doors import Caller, TheCaller, TheHouse, needs
from longhouse.doors.problems import Stale
from longhouse.doors.routes import routes
from longhouse.finding import Looked
from longhouse.house import House
from longhouse.jobs import Overview
from longhouse.store.database import Row
from longhouse.store.idempotency import Joined
from longhouse.triggers.words import in_words

router = routes(tags=["jobs"])

JobId = Annotated[str, Path(json_schema_extra={"pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}, description="The job's id.")]
UPCOMING = 10
RUNS = 20
"""Of a job in a list."""


class ManifestShown(BaseModel):
    """Whether what is on disk is what runs."""

    ok: bool
    file: str | None
    line: int | None
    error: str | None
    broken_since: str | None
    loaded_commit: str | None


class ParameterShown(BaseModel):
    name: str
    kind: str = Field(description="str, int, float, bool, date, datetime, choice or list")
    required: bool
    default: Any
    choices: list[str]
    nullable: bool


class RunOfJob(BaseModel):
    """A run in a job's strip."""

    id: int
    state: str
    reason: str | None
    trigger: str
    due: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class JobShown(BaseModel):
    id: str
    description: str
    cron: str | None
    every: int | None = Field(description="Seconds between two due times.")
    timezone: str
    cron_text: str = Field(description="The schedule in words.")
    enabled: bool
    paused: bool = Field(description="It does not fire now: by its own pause or by that of the instance.")
    pause: PauseShown | None = Field(description="Its own.")
    project: str | None
    tags: list[str]
    parameters: list[ParameterShown]
    version: int = Field(description="Grows with every change; also the ETag.")
    next_due: str | None = Field(
        description="null for a disabled or manual job, and while nobody knows when a pause ends"
    )
    last_run: RunOfJob | None
    runs: list[RunOfJob] = Field(description="The newest runs, newest first.")


class SecretShown(BaseModel):
    key: str
    label: str | None
    description: str | None
    required: bool


class SettingsShown(BaseModel):
    module: str
    function: str
    file: str
    line: int
    source_file: str
    source_line: int
    params: dict[str, Any]
    timeout_seconds: float
    max_attempts: int
    retry_delay_seconds: float
    overlap: str
    catch_up: str
    max_catch_up: int
    misfire_grace_seconds: float
    jitter_minutes: float
    priority: int
    concurrency_group: str | None
    concurrency_limit: int
    memory_mb: int | None
    secrets: list[SecretShown]


class ClockChange(BaseModel):
    """A change of the clocks of the job's zone that does something to its due times."""

    at: str
    date: str = Field(description="Where the job lives.")
    effect: str = Field(description="moved, left_out or twice")
    sentence: str


class JobDetail(JobShown):
    settings: SettingsShown
    commit: str
    environment: str
    upcoming: list[str] = Field(description="The next due times, whether the job is enabled or not.")
    clock_changes: list[ClockChange] = Field(
        description="The next two changes of the clocks, within two years, that move due times, leave some out or make"
        " them come twice."
    )


class JobPage(BaseModel):
    items: list[JobShown]
    next: str | None
    manifest: ManifestShown
    pause: PauseShown | None = Field(description="Of the whole instance.")


class Trial(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    params: dict[str, Any] = {}
    text: Annotated[
        bool, Field(description="Values are text, as typed at a command line: read them by their kinds.")
    ] = False


class RunNow(Trial):
    at: Annotated[
        str | None,
        Field(max_length=64, description="Not now, but then: ISO 8601; without a zone, in that of the instance."),
    ] = None
    debug: Annotated[bool, Field(description="`logging` shows everything, and `ctx.debug` is true.")] = False


@router.get("/api/jobs", dependencies=[Depends(needs("jobs:read"))])
def list_jobs(
    request: Request,
    response: Response,
    house: TheHouse,
    q: Annotated[str, Query(max_length=200, description="All these words, in id, description, project or tags.")] = "",
    show: Annotated[
        Literal["", "on", "off", "paused", "failing", "never"],
        Query(description="Only these; failing: the run that ended last failed; never: it has no run."),
    ] = "",
    project: Annotated[str, Query(max_length=200, description="Only jobs of this project.")] = "",
    tag: Annotated[str, Query(max_length=200, description="Only jobs with this tag.")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobPage:
    """The jobs of the manifest in order of their ids, and whether the manifest on disk is the one that runs."""
    looked = Looked(text=q, show=show, project=project, tag=tag)
    among = finding.ids(house, looked) if looked.any else None
    found, following = jobs.list_jobs(house, after=cursor or "", limit=limit, among=among, recent=RUNS)
    return JobPage(
        items=[JobShown(**_shown(house, overview)) for overview in found],
        next=link_next(request, response, following),
        manifest=manifest_shown(jobs.manifest(house)),
        pause=pause_shown(pauses.of_instance(house)),
    )


@router.get("/api/jobs/{job_id}", dependencies=[Depends(needs("jobs:read"))])
def get_job(job_id: JobId, response: Response, house: TheHouse) -> JobDetail:
    """One job with its settings and next due times."""
    return _detail(house, jobs.get_job(house, job_id), response)


@router.post(
    "/api/jobs/{job_id}/run",
    status_code=202,
    response_model=RunShown,
    dependencies=[Depends(needs("runs:write"))],
)
def run_now(job_id: JobId, caller: TheCaller, replies: TheReplies, body: RunNow | None = None) -> Response:
    """Start a run at once or, with `at`, within the next 366 days; of a disabled or paused job too."""
    asked = body or RunNow()

    def act(house: House) -> RunShown:
        run = jobs.run_now(
            house, job_id, caller.by, params=asked.params, text=asked.text, at=asked.at, debug=asked.debug
        )
        return run_shown(run)

    return replies.once(202, act)


@router.post(
    "/api/jobs/{job_id}/test",
    status_code=202,
    response_model=RunShown,
    dependencies=[Depends(needs("runs:write"))],
)
def try_job(
    job_id: JobId, house: TheHouse, caller: TheCaller, replies: TheReplies, body: Trial | None = None
) -> Response:
    """Run the job once as the files stand now, committed or not, without a retry: a trial."""
    asked = body or Trial()
    return replies.once_slowly(
        lambda: (202, run_shown(trials.trial(house, job_id, caller.by, params=asked.params, text=asked.text)))
    )


IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=100, description="The ETag the change is based on; another one answers 412."),
]


@router.post("/api/jobs/{job_id}/enable", dependencies=[Depends(needs("jobs:write"))])
def enable(
    job_id: JobId, response: Response, house: TheHouse, caller: TheCaller, if_match: IfMatch = None
) -> JobDetail:
    """Let the job run on its schedule; follows into jobs.toml as a commit."""
    return _set_enabled(house, job_id, True, caller, if_match, response)


@router.post("/api/jobs/{job_id}/disable", dependencies=[Depends(needs("jobs:write"))])
def disable(
    job_id: JobId, response: Response, house: TheHouse, caller: TheCaller, if_match: IfMatch = None
) -> JobDetail:
    """Stop the job's schedule at once; follows into jobs.toml as a commit."""
    return _set_enabled(house, job_id, False, caller, if_match, response)


@router.post("/api/jobs/{job_id}/pause", dependencies=[Depends(needs("jobs:write"))])
def pause(
    job_id: JobId, response: Response, house: TheHouse, caller: TheCaller, body: Until | None = None
) -> JobDetail:
    """Hold the job's schedule back at once, until a time or until somebody resumes; what is due then is skipped."""
    jobs.pause(house, job_id, caller.by, until=(body or Until()).until)
    return _detail(house, jobs.get_job(house, job_id), response)


@router.post("/api/jobs/{job_id}/resume", dependencies=[Depends(needs("jobs:write"))])
def resume(job_id: JobId, response: Response, house: TheHouse, caller: TheCaller) -> JobDetail:
    """End the job's own pause; nothing is made up for. It stays held back while the instance is paused."""
    jobs.resume(house, job_id, caller.by)
    return _detail(house, jobs.get_job(house, job_id), response)


class Cancelled(BaseModel):
    """The runs that were asked to stop. Those that waited have ended; the others end when their processes are gone."""

    items: list[RunShown]


@router.post("/api/jobs/{job_id}/cancel", status_code=202, dependencies=[Depends(needs("runs:write"))])
def cancel_runs(job_id: JobId, house: TheHouse, caller: TheCaller) -> Cancelled:
    """Ask every run of the job that has not ended to stop: running, queued, waiting for a retry or for its time."""
    return Cancelled(items=[run_shown(run) for run in jobs.cancel_runs(house, job_id, caller.by)])


def _set_enabled(
    house: House, job_id: str, enabled: bool, caller: Caller, if_match: str | None, response: Response
) -> JobDetail:
    with house.db.write() as db:
        inside = replace(house, db=Joined(db, house.db))
        if if_match is not None and if_match.strip() not in ("*", _etag(jobs.get_job(inside, job_id))):
            raise Stale(f"{job_id} has changed since then", hint="Fetch the job again and look at its new ETag.")
        jobs.set_enabled(inside, job_id, enabled, caller.by)
    house.feed.replan()  # once more: the first time was before the commit
    house.feed.repo.ring()
    return _detail(house, jobs.get_job(house, job_id), response)


# --- showing --------------------------------------------------------------------------------------------------------


def manifest_shown(manifest: jobs.Manifest) -> ManifestShown:
    return ManifestShown(
        ok=manifest.ok,
        file=manifest.file,
        line=manifest.line,
        error=manifest.error,
        broken_since=when(manifest.broken_since),
        loaded_commit=manifest.loaded_commit,
    )


def _shown(house: House, overview: Overview) -> dict[str, Any]:
    job, spec = overview.job, overview.job.spec
    recent = [_run_of_job(row) for row in overview.recent[:RUNS]]
    return {
        "id": job.id,
        "description": spec.description,
        "cron": spec.cron,
        "every": spec.every,
        "timezone": spec.timezone or house.zone,
        "cron_text": in_words(spec),
        "enabled": job.enabled,
        "paused": overview.held,
        "pause": pause_shown(overview.pause),
        "project": spec.project,
        "tags": list(spec.tags),
        "parameters": [ParameterShown(**{**each.values(), "choices": list(each.choices)}) for each in spec.parameters],
        "version": job.version,
        "next_due": when(overview.next_due),
        "last_run": recent[0] if recent else None,
        "runs": recent,
    }


def _run_of_job(row: Row) -> RunOfJob:
    created_at = when(row["created_at"])
    assert created_at is not None
    return RunOfJob(
        id=row["id"],
        state=row["state"],
        reason=row["reason"],
        trigger=row["trigger"],
        due=when(row["due"]),
        created_at=created_at,
        started_at=when(row["started_at"]),
        finished_at=when(row["finished_at"]),
    )


def _detail(house: House, overview: Overview, response: Response) -> JobDetail:
    job, spec = overview.job, overview.job.spec
    response.headers["ETag"] = _etag(overview)
    plain = {name: getattr(spec, name) for name in SettingsShown.model_fields if name != "secrets"}
    secrets = [
        SecretShown(
            key=str(each.get("key", "")),
            label=each.get("label"),
            description=each.get("description"),
            required=bool(each.get("required", True)),
        )
        for each in spec.secrets
    ]
    return JobDetail(
        **_shown(house, overview),
        settings=SettingsShown(**plain, secrets=secrets),
        commit=job.commit_sha,
        environment=job.environment,
        upcoming=[when(due) or "" for due in jobs.upcoming_of(house, job, UPCOMING)],
        clock_changes=[
            ClockChange(at=iso(turn.at), date=turn.date, effect=turn.effect, sentence=turn.sentence)
            for turn in jobs.clock_changes(house, job)
        ],
    )


def _etag(overview: Overview) -> str:
    return f'"{overview.job.version}"'

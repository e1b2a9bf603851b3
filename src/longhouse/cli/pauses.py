"""`pause` and `resume`, of the whole instance or of one job."""

from __future__ import annotations

import click

from longhouse.cli import following
from longhouse.cli.call import Call, command
from longhouse.cli.jobs import JOB, jobs, paused_said
from longhouse.cli.terminal import line
from longhouse.cli.times import away, from_now

UNTIL = click.option("--until", metavar="TIME", help="2026-02-04 08:00 in the instance's zone, or with one of its own.")
FOR = click.option("--for", "span", metavar="TIME", help="So long from now: 30m, 2h, 3d.")


@command()
@UNTIL
@FOR
def pause(call: Call, until: str | None, span: str | None) -> None:
    """Hold back all schedules and everything that waits; runs that have begun go on, `run` still works."""
    found = call.instance.post("/api/pause", {"until": _end(until, span)})
    call.show(found, f"the instance is {paused_said(found['pause'])}; nothing fires")


@command()
def resume(call: Call) -> None:
    """End the pause of the instance. What was due meanwhile is not made up for."""
    found = call.instance.post("/api/resume")
    call.show(found, "the instance is not paused; jobs fire when they are due")


@command(jobs, "pause")
@JOB
@UNTIL
@FOR
def pause_job(call: Call, job_id: str, until: str | None, span: str | None) -> None:
    """Hold back a job's schedule and its runs that wait; `run` still works."""
    job = call.instance.post(f"/api/jobs/{following.segment(job_id)}/pause", {"until": _end(until, span)})
    call.show(job, f"{line(job['id'])} is {paused_said(job['pause'])}")


@command(jobs, "resume")
@JOB
def resume_job(call: Call, job_id: str) -> None:
    """End a job's pause. What was due meanwhile is not made up for."""
    job = call.instance.post(f"/api/jobs/{following.segment(job_id)}/resume")
    why = "the whole instance is paused" if job["paused"] else "it is disabled" if not job["enabled"] else ""
    due = f"; next run {away(job['next_due'])}" if job["next_due"] else ""
    call.show(job, f"{line(job['id'])} is not paused by itself" + (f", but {why}" if why else due))


def _end(until: str | None, span: str | None) -> str | None:
    if until and span:
        raise click.UsageError("--until and --for say the same thing: give one of them")
    if span is None:
        return until
    found = from_now(span)
    if found is None:
        raise click.BadParameter(f"{span!r} is not a time such as 30m, 2h or 3d", param_hint="--for")
    return found

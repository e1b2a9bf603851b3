"""`run`, and `runs list|errors|show|changes|logs|cancel|rerun`."""

from __future__ import annotations

import sys
from typing import Any

import click

from longhouse.cli import following, terminal
from longhouse.cli.call import Call, aligned, command
from longhouse.cli.fitting import STATES, as_asked, fitting, refuse_empty
from longhouse.cli.jobs import JOB, PARAMS, TIMEOUT, job_ids, values
from longhouse.cli.repo import diff_lines
from longhouse.cli.terminal import line, plain
from longhouse.cli.times import away, between, from_now, local

RUN = click.argument("run_id", metavar="RUN", type=click.IntRange(min=1))
WAIT = click.option("--wait", is_flag=True, help="Wait for the end; the exit code is the run's outcome.")
FOLLOW = click.option("--follow", "-f", is_flag=True, help="Show the output while it comes, and wait for the end.")


@click.group()
def runs() -> None:
    """Look at runs, read what they printed, cancel and repeat them."""


@command()
@JOB
@PARAMS
@click.option(
    "--at", metavar="TIME", help="Not now, but at this time: 2026-02-04 08:00 in the instance's zone, or 90m from now."
)
@click.option("--debug", is_flag=True, help="With all that logging has to say; ctx.debug is True.")
@WAIT
@FOLLOW
@TIMEOUT
def run(
    call: Call,
    job_id: str,
    params: tuple[str, ...],
    at: str | None,
    debug: bool,
    wait: bool,
    follow: bool,
    timeout: float | None,
) -> int:
    """Start a run of a job, now or later, also of a disabled or paused one."""
    body: dict[str, Any] = {"params": values(params), "text": True}
    if debug:
        body["debug"] = True
    if at is not None:
        body["at"] = from_now(at) or at
    started = call.instance.post(f"/api/jobs/{following.segment(job_id)}/run", body)
    return _after(call, started, wait=wait, follow=follow, timeout=timeout)


def _after(call: Call, started: dict[str, Any], *, wait: bool, follow: bool, timeout: float | None) -> int:
    if follow:
        return following.follow(call, started, timeout)
    if wait:
        return following.wait(call, started, timeout)
    said = f"run {started['id']} of {line(started['job_id'])}"
    if started["trigger"] == "later":
        call.show(started, f"{said} waits until {local(started['not_before'])} ({away(started['not_before'])})")
        call.note(f"Cancel it: longhouse-jobs runs cancel {started['id']}")
        return 0
    call.show(started, f"{said} is {started['state']}")
    call.note(f"Its output: longhouse-jobs runs logs -f {started['id']}")
    return 0


@command(runs, "list")
@fitting(STATES)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
def list_runs(call: Call, limit: int, **which: Any) -> None:
    """List runs, newest first."""
    items, cursor = call.instance.pages("/api/runs", limit, **as_asked(which))
    rows = [
        (
            each["id"],
            each["job_id"],
            each["state"],
            each["reason"] or "",
            each["trigger"],
            away(each["created_at"]),
            between(each["started_at"], each["finished_at"]),
            (each["commit"] or "")[:7],
        )
        for each in items
    ]
    head = ("RUN", "JOB", "STATE", "REASON", "BY", "CREATED", "TOOK", "COMMIT")
    call.table({"items": items, "next": cursor}, head, rows, empty="No runs.")


@command(runs)
@click.option("--job", metavar="ID", help="Only runs of this job.", shell_complete=job_ids)
@click.option("--days", type=click.IntRange(1, 3650), metavar="N", help="Only errors seen in the last N days.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many at most.")
def errors(call: Call, job: str | None, days: int | None, limit: int) -> None:
    """List what fails: runs that failed the same way are one line, the one seen last first."""
    items, cursor = call.instance.pages("/api/errors", limit, job=job, days=days)
    rows = [
        (
            each["count"],
            away(each["last_seen"]),
            away(each["first_seen"]),
            each["newest_run"],
            ", ".join(list(each["jobs"])[:3]) + (" …" if len(each["jobs"]) > 3 else ""),
            " ".join(filter(None, (f"{each['kind']}:" if each["kind"] else "", each["message"])))[:100],
        )
        for each in items
    ]
    head = ("RUNS", "LAST SEEN", "FIRST SEEN", "NEWEST", "JOBS", "ERROR")
    call.table({"items": items, "next": cursor}, head, rows, empty="No errors.")


def _made_up(each: dict[str, Any]) -> str:
    times = f"{each['count']} due times" if each["count"] > 1 else "1 due time"
    return f"{times} from {local(each['first'])} to {local(each['last'])} that passed unstarted"


@command(runs)
@RUN
def show(call: Call, run_id: int) -> None:
    """Show one run: its attempts, parameters, commit and result."""
    found = call.instance.get(f"/api/runs/{run_id}")
    facts = [
        ("State", found["state"] + (f", {found['reason']}" if found["reason"] else "")),
        ("Started by", f"{found['trigger']} ({found['actor']}, {found['surface']})"),
        ("Due", local(found["due"]) or "-"),
        *(("Makes up for", _made_up(each)) for each in found["firings"] if each["end"] == "caught_up_by"),
        *([("Waits until", f"{local(at)} ({away(at)})")] if (at := _ahead(found)) else []),
        ("Started", local(found["started_at"]) or "-"),
        ("Took", between(found["started_at"], found["finished_at"]) or "-"),
        ("Commit", found["commit"] or "-"),
        ("Environment", found["environment"] or "standard library"),
        *([("Repeats", f"run {found['rerun_of']}")] if found["rerun_of"] else []),
        *([("Logging", "everything (debug)")] if found["debug"] else []),
        *([("Backfill", found["backfill_id"])] if found["backfill_id"] else []),
        *((f"-p {name}", value) for name, value in found["params"].items()),
        *([("Result", terminal.compact(found["result"]))] if found["result"] is not None else []),
    ]
    lines = [f"run {found['id']} of {line(found['job_id'])}"]
    lines += [f"  {plain(text)}" for text in found["message"].splitlines()]
    lines += [f"  {text}" for text in aligned(facts)]
    if found["attempts"]:
        lines += ["  Attempts", *(f"    {text}" for text in aligned([_attempt(each) for each in found["attempts"]]))]
    if found["artifacts"]:
        rows = [(each["name"], each["media_type"], f"{each['size']} bytes") for each in found["artifacts"]]
        lines += ["  Artifacts", *(f"    {text}" for text in aligned(rows))]
    if found["error"] and found["error"].get("traceback"):
        lines += [f"    {text}" for text in plain(found["error"]["traceback"]).splitlines()]
    call.show(found, *lines)


@command(runs)
@RUN
def changes(call: Call, run_id: int) -> None:
    """What is different about a run's code since the last run of its job that succeeded."""
    found = call.instance.get(f"/api/runs/{run_id}/changes")
    if found["same"] is not False:
        call.show(found, found["why"] or f"Nothing: run {found['since']} succeeded with the same code.")
        return
    count = len(found["changes"])
    head = f"{count} file{'' if count == 1 else 's'} changed since run {found['since']} succeeded"
    files = (f"  {each['kind']} {line(each['path'])}" for each in found["changes"])
    call.show(found, head, *files, "", *diff_lines(call, found))


def _ahead(run: dict[str, Any]) -> str | None:
    """The time that a run for later waits for."""
    waits = run["trigger"] == "later" and run["state"] == "queued"
    return str(run["not_before"]) if waits else None


def _attempt(each: dict[str, Any]) -> tuple[Any, ...]:
    ended = f"exit code {each['exit_code']}" if each["exit_code"] is not None else ""
    if each["signal"]:
        ended = f"signal {each['signal']}"
    took = between(each["started_at"], each["finished_at"])
    return each["attempt"], each["state"] or "running", each["reason"] or "", ended, local(each["started_at"]), took


@command(runs)
@RUN
@FOLLOW
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="The output of this attempt; else the newest.")
@click.option("--stream", "streams", multiple=True, type=click.Choice(following.STREAMS), help="Only this; repeatable.")
@click.option("--timestamps", "-t", is_flag=True, help="Put the time since the attempt's start before each line.")
@click.option("--tail", type=click.IntRange(1, 10_000), metavar="N", help="Only the last N lines.")
@click.option("--raw", is_flag=True, help="The bytes as they came, terminal sequences included.")
@TIMEOUT
def logs(
    call: Call,
    run_id: int,
    follow: bool,
    attempt: int | None,
    streams: tuple[str, ...],
    timestamps: bool,
    tail: int | None,
    raw: bool,
    timeout: float | None,
) -> int:
    """Show what a run printed. Other terminal sequences than colours are left out, unless --raw."""
    if raw:
        if follow or call.json or timestamps or tail:
            raise click.UsageError("--raw goes with none of --follow, --json, --timestamps and --tail")
        for piece in following.raw(call, run_id, attempt, streams):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return 0
    printer = following.Printer(call, timestamps=timestamps, streams=streams)
    if follow:
        if tail:
            raise click.UsageError("--tail does not go with --follow")
        return following.follow(
            call, call.instance.get(f"/api/runs/{run_id}"), timeout, printer=printer, attempt=attempt
        )
    following.page(call, run_id, printer, attempt=attempt, streams=streams, tail=tail)
    return 0


@command(runs)
@click.argument("run_id", metavar="[RUN]", type=click.IntRange(min=1), required=False)
@click.option("--job", metavar="ID", help="All runs of this job that have not ended.", shell_complete=job_ids)
@WAIT
@TIMEOUT
def cancel(call: Call, run_id: int | None, job: str | None, wait: bool, timeout: float | None) -> int:
    """Stop a run, or all of a job: TERM, some seconds of grace, then KILL, for all processes."""
    if (run_id is None) == (job is None):
        raise click.UsageError("name a run, or a job with --job")
    if job is not None:
        asked = call.instance.post(f"/api/jobs/{following.segment(job)}/cancel")
        if wait:
            asked = {"items": [following.ended(call, each, timeout) for each in asked["items"]]}
        ended = sum(each["state"] == "cancelled" for each in asked["items"])
        more = f", {len(asked['items']) - ended} asked to stop" if ended < len(asked["items"]) else ""
        call.show(
            asked, f"{line(job)}: {ended} cancelled{more}" if asked["items"] else f"{line(job)} has no run to cancel"
        )
        return 0
    found = call.instance.post(f"/api/runs/{run_id}/cancel")
    if wait:
        found = following.ended(call, found, timeout)
    asked = "is cancelled" if found["state"] == "cancelled" else f"is asked to stop; it is {found['state']}"
    call.show(found, f"run {found['id']} of {line(found['job_id'])} {asked}")
    return 0


@command(runs)
@click.argument("run_id", metavar="[RUN]", type=click.IntRange(min=1), required=False)
@click.option("--error", metavar="ERROR", help="All runs that failed in this way, as `runs errors --json` names it.")
@PARAMS
@click.option("--same-commit", "commit", flag_value="same", default="same", help="With the code the run had (default).")
@click.option("--latest", "commit", flag_value="latest", help="With the code that is loaded now.")
@click.option(
    "--debug/--no-debug", default=None, help="With all that logging has to say, or not; else as the run had it."
)
@click.option("--yes", is_flag=True, help="With --error: do not ask.")
@WAIT
@FOLLOW
@TIMEOUT
def rerun(
    call: Call,
    run_id: int | None,
    error: str | None,
    params: tuple[str, ...],
    commit: str,
    debug: bool | None,
    yes: bool,
    wait: bool,
    follow: bool,
    timeout: float | None,
) -> int:
    """Run again with the same parameters, or with some of them changed; or all runs that failed in one way."""
    if (run_id is None) == (error is None):
        raise click.UsageError("name a run, or an error with --error")
    if error is not None:
        refuse_empty("error", error)
        if params or debug is not None or wait or follow:
            raise click.UsageError("--error goes with --latest, --same-commit and --yes alone")
        return _rerun_all(call, error, commit, yes)
    body: dict[str, Any] = {"commit": commit}
    if params:
        body |= {"params": values(params), "text": True}
    if debug is not None:
        body["debug"] = debug
    started = call.instance.post(f"/api/runs/{run_id}/rerun", body)
    return _after(call, started, wait=wait, follow=follow, timeout=timeout)


def _rerun_all(call: Call, error: str, commit: str, yes: bool) -> int:
    found = call.instance.get(f"/api/errors/{following.segment(error)}")
    said = "1 run" if found["count"] == 1 else f"{found['count']:,} runs"
    if not yes and not call.agree(f"Rerun {said} that failed with {plain(found['kind'])}?", "--yes"):
        call.note("Nothing was started.")
        return 1
    body = {"do": "rerun", "matching": {"fingerprint": error}, "commit": commit}
    done = call.instance.post("/api/runs/bulk", body)
    refused = [f"  run {each['id']}: {plain(each['error']['detail'])}" for each in done["items"] if each["error"]]
    more = f"; {len(refused)} refused" if refused else ""
    call.show(done, f"{done['done']} of {said} started again{more}", *refused)
    return 1 if refused else 0

"""`jobs list|show|test|enable|disable|forecast|state`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click

from longhouse.cli import following
from longhouse.cli.call import Call, aligned, command
from longhouse.cli.terminal import line, plain
from longhouse.cli.times import away, from_now, length, local
from longhouse.errors import NotFound

SHOWS = ("on", "off", "paused", "failing", "never")


@click.group()
def jobs() -> None:
    """Look at jobs, try them, switch them on and off."""


def job_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion; nothing if no instance runs."""
    try:
        call = Call(context.params.get("data_dir"), json=True, quiet=True, no_color=True, no_input=True)
        items, _ = call.instance.pages("/api/jobs", None)
        return [item["id"] for item in items if item["id"].startswith(incomplete)]
    except Exception:
        return []


def offered(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """For the shell's completion: values of a filter, `kind` as in the address of the API's suggestions."""

    def found(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        try:
            call = Call(context.params.get("data_dir"), json=True, quiet=True, no_color=True, no_input=True)
            items = call.instance.get(f"/api/suggestions/{kind}", text=incomplete)["items"]
            return [item["value"] for item in items if item["value"].startswith(incomplete)]
        except Exception:
            return []

    return found


JOB = click.argument("job_id", metavar="ID", shell_complete=job_ids)
PARAMS = click.option(
    "--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; again for more, or for a list."
)
TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop waiting after this time, with exit code 124.",
)


def values(params: tuple[str, ...]) -> dict[str, str]:
    """`-p a=1 -p b=2` as a dict; a name that comes again makes a list, one text to a line."""
    found: dict[str, list[str]] = {}
    for each in params:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{each!r} is not NAME=VALUE", param_hint="--param")
        found.setdefault(name, []).append(value)
    return {name: "\n".join(texts) for name, texts in found.items()}


@command(jobs, "list")
@click.option("--search", metavar="TEXT", help="Only jobs with all these words in id, description, project or tags.")
@click.option("--show", type=click.Choice(SHOWS), help="Only these; failing: the run that ended last failed.")
@click.option("--project", metavar="NAME", help="Only jobs of this project.", shell_complete=offered("jobs/project"))
@click.option("--tag", metavar="TAG", help="Only jobs with this tag.", shell_complete=offered("jobs/tag"))
def list_jobs(call: Call, search: str | None, **wanted: str | None) -> None:
    """List the jobs of the manifest."""
    items, _ = call.instance.pages("/api/jobs", None, q=search, **wanted)
    first = call.instance.get("/api/jobs", limit=1)
    manifest = first["manifest"]
    say_if_broken(call, manifest)
    if first["pause"]:
        call.warn(f"the instance is {paused_said(first['pause'])}; nothing fires. End it: longhouse-jobs resume")
    rows = [
        (
            job["id"],
            _schedule(job),
            "disabled" if not job["enabled"] else "paused" if job["paused"] else "enabled",
            away(job["next_due"]),
            job["last_run"]["state"] if job["last_run"] else "",
            away(job["last_run"]["created_at"]) if job["last_run"] else "",
            job["description"],
        )
        for job in items
    ]
    head = ("ID", "SCHEDULE", "ENABLED", "NEXT", "LAST RUN", "STARTED", "DESCRIPTION")
    document = {"items": items, "next": None, "manifest": manifest, "pause": first["pause"]}
    looked = search or any(wanted.values())
    none = "No job fits." if looked else "The manifest registers no job yet; see AGENTS.md in the jobs repo."
    call.table(document, head, rows, empty=none)


def say_if_broken(call: Call, manifest: dict[str, Any]) -> None:
    if not manifest["ok"]:
        place = f"{manifest['file']}:{manifest['line']}" if manifest["line"] else manifest["file"] or "manifest.py"
        since = f" since {local(manifest['broken_since'])}" if manifest["broken_since"] else ""
        call.warn(plain(f"the manifest is broken{since}: {place}: {manifest['error']}"))
        call.note("The last set of jobs that loaded goes on; mend the file and save it.")


def paused_said(pause: dict[str, Any]) -> str:
    """`paused by this machine since …, until …`."""
    until = f"until {local(pause['until'])} ({away(pause['until'])})" if pause["until"] else "until somebody resumes"
    return f"paused by {line(pause['actor'])} since {local(pause['since'])}, {until}"


def _schedule(job: dict[str, Any]) -> str:
    return str(job["cron"] or job["cron_text"])


@command(jobs)
@JOB
def show(call: Call, job_id: str) -> None:
    """Show one job: its settings, parameters, next and last runs."""
    job = call.instance.get(f"/api/jobs/{following.segment(job_id)}")
    settings = job["settings"]
    facts = [
        ("Schedule", f"{job['cron']} ({job['cron_text']}), {job['timezone']}" if job["cron"] else job["cron_text"]),
        ("Enabled", "yes" if job["enabled"] else "no"),
        *([("Paused", _paused(job))] if job["paused"] else []),
        ("Next", f"{local(job['next_due'])} ({away(job['next_due'])})" if job["next_due"] else "-"),
        ("Code", f"{settings['source_file']}:{settings['source_line']} {settings['function']}()"),
        ("Commit", job["commit"][:12]),
        ("Limits", f"{length(settings['timeout_seconds'])} a try, at most {settings['max_attempts']} tries"),
        ("Overlap", settings["overlap"]),
        (
            "Missed",
            settings["catch_up"] + (f", at most {settings['max_catch_up']}" if settings["catch_up"] == "all" else ""),
        ),
        ("Secrets", ", ".join(secret["key"] for secret in settings["secrets"]) or "-"),
        ("Tags", ", ".join(job["tags"]) or "-"),
    ]
    lines = [line(job["id"]), *([f"  {line(job['description'])}"] if job["description"] else [])]
    lines += [f"  {text}" for text in aligned(facts)]
    lines += _table("Parameters", [_parameter(each, settings["params"]) for each in job["parameters"]])
    lines += _table("Last runs", [_run(run) for run in job["runs"][:5]])
    lines += _table("Clock changes", [(turn["sentence"],) for turn in job["clock_changes"]])
    lines += _table("Upcoming", [(local(due), away(due)) for due in job["upcoming"][:5]])
    call.show(job, *lines)


def _paused(job: dict[str, Any]) -> str:
    return paused_said(job["pause"]) if job["pause"] else "with the whole instance"


def _table(title: str, rows: list[tuple[Any, ...]]) -> list[str]:
    return [f"  {title}", *(f"    {text}" for text in aligned(rows))] if rows else []


def _parameter(each: dict[str, Any], given: dict[str, Any]) -> tuple[Any, ...]:
    kind = " | ".join(each["choices"]) if each["choices"] else each["kind"]
    if each["name"] in given:
        return each["name"], kind, f"{given[each['name']]!r} by the manifest"
    return each["name"], kind, "needed" if each["required"] else f"default {each['default']!r}"


def _run(run: dict[str, Any]) -> tuple[Any, ...]:
    return run["id"], run["state"], run["trigger"], local(run["created_at"]), run["reason"] or ""


SEVERAL = click.argument("job_ids", metavar="ID...", nargs=-1, required=True, shell_complete=job_ids)


@command(jobs)
@SEVERAL
def enable(call: Call, job_ids: tuple[str, ...]) -> int:
    """Let a job, or several, run on their schedules."""
    if len(job_ids) > 1:
        return _many(call, "enable", job_ids)
    job = call.instance.post(f"/api/jobs/{following.segment(job_ids[0])}/enable")
    due = f"; next run {away(job['next_due'])}" if job["next_due"] else ""
    call.show(job, f"{line(job['id'])} is enabled{due}")
    return 0


@command(jobs)
@SEVERAL
def disable(call: Call, job_ids: tuple[str, ...]) -> int:
    """Stop the schedule of a job, or of several. Runs that have begun go on; `run` still works."""
    if len(job_ids) > 1:
        return _many(call, "disable", job_ids)
    job = call.instance.post(f"/api/jobs/{following.segment(job_ids[0])}/disable")
    call.show(job, f"{line(job['id'])} is disabled")
    return 0


def _many(call: Call, do: str, job_ids: tuple[str, ...]) -> int:
    """Each with its line; exit code 1 if one was refused."""
    found = call.instance.post("/api/jobs/bulk", {"do": do, "jobs": list(job_ids)})
    already = {True: f"is {do}d", False: f"was {do}d already"}
    call.show(
        found,
        *(
            f"{line(each['id'])} {already[each['changed']]}" if each["ok"] else f"{line(each['error']['detail'])}"
            for each in found["items"]
        ),
    )
    return 1 if found["refused"] else 0


@command(jobs)
@JOB
@PARAMS
@TIMEOUT
def test(call: Call, job_id: str, params: tuple[str, ...], timeout: float | None) -> int:
    """Run a job once as the files stand now, committed or not, and show its output.

    Exit code 0 if the trial succeeded, 1 if not, 7 if the manifest cannot be read (file and line are named).
    """
    body = {"params": values(params), "text": True}
    run = call.instance.post(f"/api/jobs/{following.segment(job_id)}/test", body)
    return following.follow(call, run, timeout)


@command(jobs)
@JOB
@click.argument("moment", metavar="TIME")
def forecast(call: Call, job_id: str, moment: str) -> None:
    """Say what would become of a job if it were due at TIME: `2026-02-04 08:00`, or `90m` from now. Starts nothing."""
    found = call.instance.get(f"/api/jobs/{following.segment(job_id)}/forecast", at=from_now(moment) or moment)
    facts = [
        ("Moment", f"{local(found['at'])} ({away(found['at'])})"),
        ("Schedule", "due then" if found["scheduled"] else "not due then"),
        ("Due before", local(found["before"]) or "-"),
        ("Due after", local(found["after"]) or "-"),
        ("Ledger", found["firing"]["end"] if found["firing"] else "-"),
        ("Commit", found["commit"][:12]),
        *((f"-p {name}", line(str(value))) for name, value in found["params"].items()),
        *([("In that minute", ", ".join(found["beside"]))] if found["beside"] else []),
    ]
    said = [found["verdict"], *(f"  {line(text)}" for text in found["reasons"])]
    call.show(found, *said, *(f"  {text}" for text in aligned(facts)))


@command(jobs)
@JOB
@click.option("--clear", is_flag=True, help="Forget it: all, or the one KEY.")
@click.argument("key", required=False)
def state(call: Call, job_id: str, clear: bool, key: str | None) -> None:
    """Show what a job keeps in `ctx.state` between its runs, or the value of one KEY; with --clear, forget it."""
    path = f"/api/jobs/{following.segment(job_id)}/state"
    if clear:
        done = call.instance.delete(path + (f"?key={quote(key, safe='')}" if key is not None else ""))
        call.show(done, f"{line(job_id)}: {done['cleared']} key{'' if done['cleared'] == 1 else 's'} cleared")
        return
    found = call.instance.get(path)
    values = {name: value for name, value in found["state"].items() if key in (None, name)}
    if key is not None and not values:
        raise NotFound(f"{job_id} keeps nothing under {key!r}", hint=f"See: longhouse-jobs jobs state {job_id}")
    rows = [(line(name), line(json.dumps(value, ensure_ascii=False))) for name, value in sorted(values.items())]
    call.show({**found, "state": values}, *aligned(rows), f"{found['bytes']:,} of {found['limit']:,} bytes")

"""`backfill`, and `backfills list|show|cancel`."""

from __future__ import annotations

from typing import Any

import click

from longhouse.cli import following
from longhouse.cli.call import Call, aligned, command
from longhouse.cli.jobs import JOB, PARAMS, job_ids, values
from longhouse.cli.terminal import line
from longhouse.cli.times import away, local

BACKFILL = click.argument("backfill_id", metavar="N", type=click.IntRange(min=1))


@command()
@JOB
@click.option("--from", "low", required=True, metavar="TIME", help="Begin with what was due then.")
@click.option("--to", "high", required=True, metavar="TIME", help="End with what was due then.")
@PARAMS
@click.option("--yes", is_flag=True, help="Do not ask.")
def backfill(call: Call, job_id: str, low: str, high: str, params: tuple[str, ...], yes: bool) -> int:
    """Run past due times of a job: one run for each between --from and --to, after everything else."""
    path = f"/api/jobs/{following.segment(job_id)}/backfill"
    body: dict[str, Any] = {"from": low, "to": high}
    found = call.instance.post(path, {**body, "dry_run": True})
    if yes:
        call.note(_said(found))
    elif not call.agree(f"{line(job_id)}: {_said(found)}. Run?", "--yes"):
        call.note("Nothing was started.")
        return 1
    body |= {"confirm": found["count"], "params": values(params), "text": True}
    made = call.instance.post(path, body)
    call.show(made, f"backfill {made['id']} of {line(made['job_id'])} has {_times(made['count'])}")
    call.note(f"Watch it: longhouse-jobs runs list --backfill {made['id']}")
    call.note(f"Cancel it: longhouse-jobs backfills cancel {made['id']}")
    return 0


def _said(found: dict[str, Any]) -> str:
    said = f"{_times(found['count'])}, from {local(found['first'])} to {local(found['last'])}"
    before = found["ran_before"]
    return said + (
        f"; {before} of them {'has' if before == 1 else 'have'} run before, and will run again" if before else ""
    )


def _times(count: int) -> str:
    return "1 due time" if count == 1 else f"{count} due times"


@click.group()
def backfills() -> None:
    """Look at backfills, and cancel one with all its runs."""


@command(backfills, "list")
@click.option("--job", metavar="ID", help="Only those of this job.", shell_complete=job_ids)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
def list_backfills(call: Call, job: str | None, limit: int) -> None:
    """List backfills, newest first."""
    items, cursor = call.instance.pages("/api/backfills", limit, job=job)
    rows = [
        (
            each["id"],
            each["job_id"],
            local(each["first"]),
            local(each["last"]),
            each["count"],
            each["left"],
            away(each["created_at"]),
        )
        for each in items
    ]
    head = ("BACKFILL", "JOB", "FIRST", "LAST", "TIMES", "LEFT", "CREATED")
    call.table({"items": items, "next": cursor}, head, rows, empty="No backfills.")


@command(backfills)
@BACKFILL
def show(call: Call, backfill_id: int) -> None:
    """Show one backfill and how far it is."""
    found = call.instance.get(f"/api/backfills/{backfill_id}")
    facts = [
        ("Due times", f"{found['count']}, from {local(found['first'])} to {local(found['last'])}"),
        ("Asked for", f"{local(found['created_at'])} by {found['actor']} ({found['surface']})"),
        ("Runs", ", ".join(f"{count} {state}" for state, count in sorted(found["runs"].items())) or "-"),
        *([("Cancelled", local(found["cancelled_at"]))] if found["cancelled_at"] else []),
    ]
    lines = [f"backfill {found['id']} of {line(found['job_id'])}", *(f"  {text}" for text in aligned(facts))]
    call.show(found, *lines)


@command(backfills)
@BACKFILL
def cancel(call: Call, backfill_id: int) -> None:
    """Cancel a backfill: all its runs that have not ended."""
    found = call.instance.post(f"/api/backfills/{backfill_id}/cancel")
    more = f"; {found['left']} of its runs are asked to stop" if found["left"] else ""
    call.show(found, f"backfill {found['id']} of {line(found['job_id'])} is cancelled{more}")

"""`activity`: who did what."""

from __future__ import annotations

import click

from longhouse.cli.call import Call, command
from longhouse.cli.jobs import job_ids, offered
from longhouse.cli.times import local


@command()
@click.option(
    "--actor",
    metavar="NAME",
    help="Only what this person, token or part of the instance did.",
    shell_complete=offered("activity/actor"),
)
@click.option(
    "--act",
    metavar="ACT",
    help="Only this, such as run.create, or a group: runs, jobs, repo, secrets, access.",
    shell_complete=offered("activity/act"),
)
@click.option("--job", metavar="ID", help="Only what was done to this job and its runs.", shell_complete=job_ids)
@click.option("--since", metavar="TIME", help="Not before this time.")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 10_000), default=50, help="At most so many; 50.")
def activity(
    call: Call, actor: str | None, act: str | None, job: str | None, since: str | None, until: str | None, limit: int
) -> None:
    """Show who did what, the newest first. The ends of runs are in `runs list`."""
    wanted = {"actor": actor, "act": act, "job": job, "since": since, "until": until}
    items, cursor = call.instance.pages("/api/activity", limit, **wanted)
    rows = [(local(each["at"]), each["surface"], each["sentence"]) for each in items]
    call.table({"items": items, "next": cursor}, ("TIME", "FROM", "WHAT"), rows, empty="Nothing of that kind was done.")

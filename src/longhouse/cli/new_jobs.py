"""`jobs new` and `jobs templates`: a job from a template."""

from __future__ import annotations

import click

from longhouse.cli.call import Call, command
from longhouse.cli.jobs import PARAMS, jobs, values
from longhouse.cli.terminal import line

__all__ = ["jobs"]
"""The group, with these commands in it."""


@command(jobs)
def templates(call: Call) -> None:
    """List what new jobs are made from, and what each asks for."""
    found = call.instance.get("/api/job-templates")
    rows = [
        (
            each["name"],
            each["about"],
            " ".join(f"{one['name']}{'' if one['required'] else '?'}" for one in each["parameters"]),
            " ".join(f"{one['key']}{'' if one['required'] else '?'}" for one in each["secrets"]),
        )
        for each in found["items"]
    ]
    call.table(found, ("NAME", "WHAT IT DOES", "PARAMETERS", "SECRETS"), rows, empty="")


@command(jobs)
@click.argument("job_id", metavar="ID")
@click.option(
    "--template", default="empty", show_default=True, metavar="NAME", help="See: longhouse-jobs jobs templates"
)
@click.option("--cron", default=None, metavar="TEXT", help="Else the template's; an empty text: by hand only.")
@click.option("--every", type=int, metavar="SECONDS", help="A fixed interval, instead of a cron text.")
@click.option("--timezone", default="", metavar="ZONE", help="Such as Europe/Berlin; else the instance's.")
@click.option("--description", metavar="TEXT", help="Else the template's.")
@click.option("--disabled", is_flag=True, help="It waits until somebody enables it.")
@click.option("--dry-run", is_flag=True, help="Check everything, show the code, change nothing.")
@PARAMS
def new(
    call: Call,
    job_id: str,
    template: str,
    cron: str | None,
    every: int | None,
    timezone: str,
    description: str | None,
    disabled: bool,
    dry_run: bool,
    params: tuple[str, ...],
) -> None:
    """Make a job from a template: its file and its registration, as one commit.

    `longhouse-jobs jobs new shop --template http-check -p url=https://example.org`
    """
    known = {each["name"]: each for each in call.instance.get("/api/job-templates")["items"]}
    usual = known.get(template, {})
    body = {
        "template": template,
        "id": job_id,
        "description": usual.get("description", "") if description is None else description,
        "cron": (usual.get("cron", "") if every is None else "") if cron is None else cron,
        "every": every,
        "timezone": timezone,
        "params": values(params),
        "text": True,
        "enabled": not disabled,
        "dry_run": dry_run,
    }
    made = call.instance.post("/api/jobs", body)
    lines = [f"{line(made['path'])} and manifest.py are commit {made['commit'][:12]}"] if made["commit"] else []
    if dry_run:
        lines = [f"# {made['path']}", *made["code"].splitlines(), "", "# manifest.py"]
        lines += [*made["imports"].splitlines(), "", *made["registration"].splitlines()]
    call.show(made, *(line(each) for each in lines))
    stored = {each["name"] for each in call.instance.get("/api/secrets")["items"] if each["stored"]} if usual else set()
    for secret in usual.get("secrets", []):
        if secret["key"] not in stored:
            need = "needs" if secret["required"] else "may need"
            call.note(f"it {need} a secret: longhouse-jobs secrets set {secret['key']}   ({secret['about']})")
    if not dry_run:
        call.note(f"try it: longhouse-jobs run {made['id']} --follow")

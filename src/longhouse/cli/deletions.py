"""`runs delete`."""

from __future__ import annotations

from typing import Any

import click

from longhouse.cli.call import Call, command
from longhouse.cli.fitting import ENDED, as_asked, fitting
from longhouse.cli.runs import runs

__all__ = ["runs"]


@command(runs)
@click.argument("run_ids", metavar="[RUN]...", type=click.IntRange(min=1), nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every run, or with the options below all that fit.")
@fitting(ENDED)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(
    call: Call,
    run_ids: tuple[int, ...],
    everything: bool,
    dry_run: bool,
    yes: bool,
    **which: Any,
) -> int:
    """Delete runs that have ended, with attempts, output and artifacts: some by number, or all that fit."""
    wanted = as_asked(which)
    if bool(run_ids) == bool(wanted or everything):
        raise click.UsageError("name runs, or say with options which; with --all every one")
    if len(run_ids) == 1 and not dry_run:
        return _told(call, call.instance.delete(f"/api/runs/{run_ids[0]}"))
    body: dict[str, Any] = {"runs": list(run_ids)} if run_ids else {"matching": wanted}
    if run_ids and not dry_run:
        return _told(call, call.instance.post("/api/runs/delete", body))
    found = call.instance.post("/api/runs/delete", {**body, "dry_run": True})
    if dry_run:
        call.show(found, f"{_runs(found['count'])} would go{_others(found)}")
        return 0
    said = f"{_runs(found['count'])} with attempts, output and artifacts{_others(found)}"
    if not found["count"]:
        call.show(found, f"There is nothing to delete{_others(found)}")
        return 0
    if not yes and not call.agree(f"Delete {said}?", "--yes"):
        call.note("Nothing was deleted.")
        return 1
    # `ended_by`: a distance in `since` and `until` moves on while somebody thinks, but nothing that is new fits
    body = {"matching": {**wanted, "ended_by": found["ended_by"]}, "confirm": found["count"]}
    return _told(call, call.instance.post("/api/runs/delete", body))


def _told(call: Call, found: dict[str, Any]) -> int:
    freed = f", {found['freed_bytes']:,} bytes freed" if found["freed_bytes"] else ""
    left = f"; {found['left']:,} more go in the background" if found["left"] else ""
    call.show(found, f"{_runs(found['count'] - found['left'])} deleted{freed}{left}{_others(found)}")
    return 0


def _others(found: dict[str, Any]) -> str:
    active, gone = found["active"], found["gone"]
    stays = f"; {active:,} {'has' if active == 1 else 'have'} not ended and {'stays' if active == 1 else 'stay'}"
    return (stays if active else "") + (f"; {gone:,} {'was' if gone == 1 else 'were'} gone already" if gone else "")


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"

"""`repo status|log|init|restore`: the repository that the jobs live in."""

from __future__ import annotations

import click

from longhouse.cli.call import Call, aligned, command
from longhouse.cli.instance import Unreachable
from longhouse.cli.jobs import say_if_broken
from longhouse.cli.terminal import line, plain
from longhouse.cli.times import away, local
from longhouse.errors import Conflict, NotFound
from longhouse.paths import Paths


@click.group()
def repo() -> None:
    """The git repository that the jobs live in."""


@command(repo)
def status(call: Call) -> None:
    """Where the repository is, what runs, and what is not committed yet."""
    found = call.instance.get("/api/jobs/repo")
    facts = [
        ("Path", found["path"]),
        ("Branch", found["branch"] or "-"),
        ("Newest commit", found["head"] or "-"),
        ("Running commit", found["loaded_commit"] or "-"),
        ("Uncommitted", "yes" if found["dirty"] else "no"),
        ("Remote", found["remote"] or "none"),
        ("Last sync", local(found["last_sync_at"]) or "never"),
        *([("Sync error", found["last_sync_error"])] if found["last_sync_error"] else []),
    ]
    call.show(found, *aligned(facts))
    if found["blocked"]:
        call.warn(plain(f"nothing is committed now: {found['blocked']}"))
    say_if_broken(call, call.instance.get("/api/jobs", limit=1)["manifest"])


@command(repo)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
def log(call: Call, limit: int) -> None:
    """The commits of the jobs repo, newest first."""
    items, cursor = call.instance.pages("/api/jobs/repo/log", limit)
    rows = [(each["id"][:7], away(each["at"]), each["author"], each["subject"]) for each in items]
    call.table({"items": items, "next": cursor}, ("COMMIT", "WHEN", "BY", "SUBJECT"), rows, empty="No commits.")


@command(repo)
def init(call: Call) -> None:
    """Create what is missing of the jobs repo. Never overwrites anything."""
    found = call.instance.post("/api/jobs/repo/init")
    call.show(found, f"The jobs repo is ready: {line(found['path'])}")


@command(repo)
@click.option("--loaded", is_flag=True, required=True, help="The files of the last commit whose manifest loaded.")
def restore(call: Call, loaded: bool) -> None:
    """Put the last good files back, as a new commit, when the instance no longer starts.

    What is in the tree is committed first, so nothing is lost. Works only while the instance is stopped: a running one
    has the last good set loaded anyway.
    """
    from longhouse.repo import bootstrap, commits

    paths = Paths(call.directory)
    if not paths.git_dir.is_dir():
        raise NotFound(f"there is no jobs repo in {paths.data}", hint="Name the data directory with --data-dir.")
    if _runs(call):
        raise Conflict(
            f"an instance runs on {paths.data}",
            hint="It runs the last good set already; mend the files, or stop it first.",
        )
    made = commits.restore_loaded(bootstrap.opened(paths))
    files = list(made.files)
    text = made.subject if files else "The files are those of the last commit that loaded; nothing to do."
    call.show({"commit": made.commit, "subject": made.subject, "files": files}, line(text), *map(line, files))


def _runs(call: Call) -> bool:
    try:
        call.instance.get("/livez")
    except Unreachable:
        return False
    return True

"""`repo status|log|show|diff|blame|init|restore`: the repository that the jobs live in."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from longhouse.cli.call import Call, aligned, command, write
from longhouse.cli.following import segment
from longhouse.cli.instance import Unreachable
from longhouse.cli.jobs import say_if_broken
from longhouse.cli.terminal import line, plain
from longhouse.cli.times import away, local
from longhouse.errors import Conflict, NotFound, UsageError
from longhouse.paths import Paths

COMMITS = "/api/jobs/repo/commits"

STAGED = "staged with git: yours to commit; committed within a minute"


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
        ("Uncommitted", f"yes, {STAGED}" if found["staged"] else "yes" if found["dirty"] else "no"),
        ("Remote", found["remote"] or "none"),
        *([("Sync", found["sync"]["state"])] if found["remote"] else []),
        ("Last sync", local(found["last_sync_at"]) or "never"),
        *([("Sync error", found["last_sync_error"])] if found["last_sync_error"] else []),
    ]
    call.show(found, *aligned(facts))
    if found["blocked"]:
        call.warn(plain(f"nothing is committed now: {found['blocked']}"))
    say_if_waiting(call, found["sync"])
    say_if_broken(call, call.instance.get("/api/jobs", limit=1)["manifest"])


def say_if_waiting(call: Call, state: dict[str, Any]) -> None:
    """What has come from the remote and needs a person, with the command that decides it."""
    if state["held"]:
        decide = "Take it: longhouse-jobs repo resolve accept" if state["choices"] else ""
        call.warn(plain(f"{state['held']['sentence']}. {state['held']['hint']} {decide}".rstrip()))
    elif state["state"] == "diverged":
        call.warn(
            f"{state['ahead']} commits are here alone, {state['behind']} on the remote alone. "
            "Choose: longhouse-jobs repo resolve merge, ours or theirs"
        )


@command(repo)
@click.argument("path", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
def log(call: Call, path: str | None, limit: int) -> None:
    """The commits of the jobs repo, newest first; with PATH those that changed this file or folder."""
    items, cursor = call.instance.pages("/api/jobs/repo/log", limit, path=path)
    rows = [(each["id"][:7], away(each["at"]), each["author"], each["subject"]) for each in items]
    call.table({"items": items, "next": cursor}, ("COMMIT", "WHEN", "BY", "SUBJECT"), rows, empty="No commits.")


@command(repo)
@click.argument("what", metavar="COMMIT[:FILE]")
def show(call: Call, what: str) -> None:
    """A commit with what it changed and what it does to the schedules, or a file as it was in it."""
    commit, colon, path = what.partition(":")
    if colon:
        found = call.instance.get(f"{COMMITS}/{segment(commit)}/files/{quote(path)}")
        if call.json:
            call.show(found)
        else:
            write(plain(found["text"].removesuffix("\n")))
        return
    found = call.instance.get(f"{COMMITS}/{segment(commit)}")
    head = [
        ("Commit", found["id"]),
        ("By", found["author"]),
        ("When", local(found["at"])),
        ("Subject", found["subject"]),
    ]
    call.show(found, *aligned(head), *map(line, found["impact"]), "", *diff_lines(call, found))


@command(repo)
@click.argument("older", metavar="COMMIT")
@click.argument("newer", metavar="[COMMIT]", required=False)
@click.option("--path", metavar="FILE", help="Only this file.")
def diff(call: Call, older: str, newer: str | None, path: str | None) -> None:
    """What differs between two commits, or between a commit and the files as they are now."""
    found = call.instance.get("/api/jobs/repo/diff", **{"from": older, "to": newer, "path": path})
    call.show(found, *diff_lines(call, found))
    if not found["changes"]:
        call.note("Nothing differs.")


@command(repo)
@click.argument("path")
@click.option("--commit", metavar="COMMIT", help="As of this commit; else the newest.")
def blame(call: Call, path: str, commit: str | None) -> None:
    """Which commit each line of a file is from."""
    found = call.instance.get(f"/api/jobs/repo/blame/{quote(path)}", commit=commit)
    known = {each["id"]: each for each in found["commits"]}
    rows = [
        (each["commit"][:7], local(known[each["commit"]]["at"])[:10], known[each["commit"]]["author"], each["line"])
        for each in found["lines"]
    ]
    texts = (plain(each["text"]) for each in found["lines"])
    lines = (f"{left}  {text}" for left, text in zip(aligned(rows) if rows else (), texts, strict=True))
    call.show(found, *lines)


@command(repo)
def init(call: Call) -> None:
    """Create what is missing of the jobs repo. Never overwrites anything."""
    found = call.instance.post("/api/jobs/repo/init")
    call.show(found, f"The jobs repo is ready: {line(found['path'])}")


@command(repo)
@click.argument("commit", required=False)
@click.argument("path", required=False)
@click.option("--loaded", is_flag=True, help="The files of the last commit that loaded, while no instance runs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(call: Call, commit: str | None, path: str | None, loaded: bool, yes: bool) -> None:
    """Put files back as they were in COMMIT, all or the one at PATH, as a new commit.

    What is in the tree is committed first, so nothing is lost, and what would not load is refused. With --loaded it is
    the way back for an instance that no longer starts. Which jobs are disabled stays as it is.
    """
    if loaded:
        if commit is not None:
            raise UsageError("--loaded names the commit itself", hint="Leave out the commit, or --loaded.")
        _restore_loaded(call)
        return
    if commit is None:
        raise UsageError("no commit is named", hint="See: longhouse-jobs repo log")
    now = call.instance.get("/api/jobs/repo")["head"]
    found = call.instance.get("/api/jobs/repo/diff", **{"from": now, "to": commit, "path": path})
    count = len(found["changes"])
    if not yes and count and not call.agree(f"Change {count} file{'' if count == 1 else 's'} back?", "--yes"):
        return
    body = {"commit": commit, "path": path, "confirm_removal": True}
    made = call.instance.post("/api/jobs/repo/restore", body)
    text = f"{made['subject']} ({made['commit'][:7]})" if made["commit"] else "The files are that way; nothing to do."
    call.show(made, line(text), *map(line, made["files"]))


def _restore_loaded(call: Call) -> None:
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


def diff_lines(call: Call, found: dict[str, Any]) -> list[str]:
    """The `diff` of an answer, as a terminal shows it."""
    lines = [
        _coloured(plain(each)) if call.colour else plain(each) for each in found["diff"].removesuffix("\n").split("\n")
    ]
    return [*lines, "The rest of this large diff is left out."] if found["cut"] else lines


def _coloured(text: str) -> str:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    return click.style(text, colours.get(text[:1]))


def _runs(call: Call) -> bool:
    try:
        call.instance.get("/livez")
    except Unreachable:
        return False
    return True

"""`repo connect|verify|sync|resolve|webhook|disconnect`: the copy of the jobs repo on another server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from longhouse.cli.call import Call, aligned, command
from longhouse.cli.repo import repo as repo
from longhouse.cli.repo import say_if_waiting
from longhouse.cli.terminal import line, plain
from longhouse.errors import UsageError

SECONDS = 150.0
"""A sync takes a minute at most, and may wait for another one."""

BRANCH = click.option("--branch", default="main", show_default=True, help="The branch on the remote.")


@command(repo)
@click.argument("url")
@BRANCH
def verify(call: Call, url: str, branch: str) -> None:
    """Ask a remote what a token may do there; stores nothing. The token is read from stdin, or asked for."""
    body = {"url": url, "branch": branch, "token": _token(call, "verify")}
    found = call.instance.post("/api/jobs/repo/verify", body, seconds=SECONDS)
    facts = [
        ("Can push", "yes" if found["can_push"] else "NO"),
        ("Default branch", found["default_branch"] or "-"),
        ("Holds commits", "no" if found["empty"] else "yes"),
    ]
    call.show(found, *aligned(facts))


@command(repo)
@click.argument("url")
@BRANCH
@click.option("--no-push", is_flag=True, help="Do not push after every commit, only with `repo sync`.")
@click.option("--pull", "pull", type=click.IntRange(1, 10_080), help="Also pull every so many minutes.")
def connect(call: Call, url: str, branch: str, no_push: bool, pull: int | None) -> None:
    """Keep a copy of the jobs repo at URL (https). The token is read from stdin, or asked for."""
    body = {"url": url, "branch": branch, "auto_push": not no_push, "pull_minutes": pull}
    made = call.instance.put("/api/jobs/repo/remote", {**body, "token": _token(call, "connect")})
    call.show(
        made, f"Connected to {line(made['url'])}, branch {line(made['branch'])}; the first sync follows by itself"
    )


@command(repo)
def disconnect(call: Call) -> None:
    """Forget the remote and its token. What was pushed stays where it is."""
    call.show(call.instance.delete("/api/jobs/repo/remote"), "Disconnected")


@command(repo)
def sync(call: Call) -> int:
    """Pull and push now, and say what came of it. Exit code 1 if something waits for a decision."""
    return _told(call, call.instance.post("/api/jobs/repo/sync", seconds=SECONDS))


@command(repo)
@click.argument("choice", type=click.Choice(["merge", "ours", "theirs", "accept"]))
@click.option("--file", "files", multiple=True, metavar="PATH=FILE", help="For a merge: what PATH shall be.")
@click.option("--anyway", is_flag=True, help="Also if many jobs go by it, or its manifest cannot be loaded.")
@click.option("--incoming", metavar="COMMIT", help="Only if this is still the remote's commit; its whole id.")
def resolve(call: Call, choice: str, files: tuple[str, ...], anyway: bool, incoming: str | None) -> int:
    """Bring two histories together, or take what waits. No commit is lost, whatever is chosen."""
    texts = [_text(each) for each in files]
    body = {"choice": choice, "files": texts, "anyway": anyway, "incoming": incoming}
    return _told(call, call.instance.post("/api/jobs/repo/resolve", body, seconds=SECONDS))


@command(repo)
def conflicts(call: Call) -> None:
    """The files that both sides changed, with both texts between markers."""
    found = call.instance.get("/api/jobs/repo/conflicts")
    texts = [f"{line(each['path'])}\n{plain(each['merged'])}" for each in found["items"]]
    call.show(found, *(texts or ["No file was changed in the same place on both sides."]))


@command(repo)
def webhook(call: Call) -> None:
    """A new secret for the remote's webhook, shown this once."""
    made = call.instance.post("/api/jobs/repo/webhook")
    call.show(
        made, *aligned([("Path", made["path"]), ("Secret", made["secret"]), ("Content type", "application/json")])
    )


def _told(call: Call, done: dict[str, Any]) -> int:
    state = done["sync"]
    call.show(done, f"{state['state']}: {done['pushed']} pushed, {done['pulled']} pulled")
    say_if_waiting(call, state)
    return 0 if state["state"] == "synced" else 1


def _token(call: Call, name: str) -> str:
    if sys.stdin.isatty():
        return call.ask("Token", f"stdin: longhouse-jobs repo {name} URL < file")
    value = sys.stdin.read().strip()
    if not value:
        raise UsageError("stdin holds no token", hint=f"For example: pass show git | longhouse-jobs repo {name} URL")
    return value


def _text(given: str) -> dict[str, str]:
    path, equals, file = given.partition("=")
    if not equals:
        raise UsageError(f"{given!r} is not PATH=FILE", hint="For example: --file jobs/daily.py=merged.py")
    try:
        return {"path": path, "text": Path(file).read_text(encoding="utf-8")}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error

"""Who may come in: `login-link`, `password set`, `tokens list|new|revoke`, `sessions list|end`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from urllib.parse import quote

import click

from longhouse.cli.call import Call, command
from longhouse.cli.terminal import line
from longhouse.cli.times import away, from_now, local
from longhouse.clock import iso
from longhouse.errors import UsageError


@command(name="login-link")
def login_link(call: Call) -> None:
    """Print a link that logs one browser in, once, within 15 minutes."""
    made = call.instance.post("/api/login-links")
    call.show(made, made["url"])


@click.group()
def password() -> None:
    """The password for logging in without a link."""


@command(password, "set")
def set_password(call: Call) -> None:
    """Set or change the password, read from stdin or asked for. Every browser has to log in again.

    Works with the instance up or down, and before its first start.
    """
    if sys.stdin.isatty():
        value = call.ask("New password", "stdin: longhouse-jobs password set < file")
    else:
        value = sys.stdin.readline().rstrip("\r\n")
        if not value:
            raise UsageError("stdin holds no password", hint="Its first line is the password.")
    settings = call.settings()
    from longhouse import accounts, serving
    from longhouse.house import By

    with serving.opened(settings) as house:
        accounts.set_password(house, value, By(accounts.OWNER, "cli"))
    call.show({"set": True}, "The password is set.")


@click.group()
def tokens() -> None:
    """API tokens: values that let a program in, for some of what you may do."""


@command(tokens, "list")
def list_tokens(call: Call) -> None:
    """List tokens, newest first. Their values are not stored and cannot be shown again."""
    items, cursor = call.instance.pages("/api/tokens", None)
    rows = [
        (
            each["id"],
            each["name"],
            "revoked" if each["revoked_at"] else local(each["expires_at"]) or "never",
            away(each["used_at"]) or "never",
            " ".join(each["scopes"]),
        )
        for each in items
    ]
    head = ("ID", "NAME", "EXPIRES", "USED", "SCOPES")
    call.table({"items": items, "next": cursor}, head, rows, empty="No tokens.")


@command(tokens)
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it may do, such as jobs:read; repeatable.")
@click.option("--expires", metavar="WHEN", help="A date such as 2027-01-31, or a time from now such as 90d or 12h.")
def new(call: Call, name: str, scopes: tuple[str, ...], expires: str | None) -> None:
    """Make a token and print its value, this once."""
    body = {"name": name, "scopes": list(scopes), "expires_at": expiry(expires) if expires else None}
    made = call.instance.post("/api/tokens", body)
    call.show(made, made["token"])
    call.note(f"Token {made['id']}; keep the value now, it is not shown again.")


@command(tokens)
@click.argument("token_id", metavar="ID", type=click.IntRange(min=1))
def revoke(call: Call, token_id: int) -> None:
    """End a token at once."""
    ended = call.instance.delete(f"/api/tokens/{token_id}")
    call.show(ended, f"token {ended['id']} ({line(ended['name'])}) is revoked")


def expiry(text: str) -> str:
    """ISO time of `90d`, `12h`, `30m` from now, or of the beginning of a date here. Raises UsageError."""
    found = from_now(text)
    if found is not None:
        return found
    try:
        when = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--expires: {text!r} is neither a date nor a time from now",
            hint="Write it as 2027-01-31, 90d, 12h or 30m.",
        ) from error
    return iso(int(when.timestamp() * 1000))


@click.group()
def sessions() -> None:
    """Browsers that are signed in."""


@command(sessions, "list")
def list_sessions(call: Call) -> None:
    """List them, the one used last first."""
    found = call.instance.get("/api/sessions")
    rows = [
        (each["id"], each["peer"], away(each["seen_at"]), local(each["created_at"]), each["agent"])
        for each in found["items"]
    ]
    call.table(found, ("ID", "FROM", "SEEN", "SINCE", "BROWSER"), rows, empty="Nobody is signed in.")


@command(sessions)
@click.argument("session_id", metavar="[ID]", required=False)
@click.option("--all", "everybody", is_flag=True, help="Every browser has to sign in again.")
def end(call: Call, session_id: str | None, everybody: bool) -> None:
    """Sign one browser out, or all of them; its open pages stop within five seconds."""
    if (session_id is None) is not everybody:
        raise UsageError("name one session or --all", hint="List them with: longhouse-jobs sessions list")
    if session_id is None:
        ended = call.instance.delete("/api/sessions")
        call.show(ended, f"{ended['ended']} sessions have ended")
    else:
        ended = call.instance.delete(f"/api/sessions/{quote(session_id, safe='')}")
        call.show(ended, f"session {ended['id']} from {line(ended['peer'])} has ended")

"""`secrets list|set|rm|rotate`: values come from stdin and are never shown."""

from __future__ import annotations

import sys
from urllib.parse import quote

import click

from longhouse.cli.call import Call, command
from longhouse.cli.terminal import line
from longhouse.cli.times import away
from longhouse.errors import UsageError


@click.group()
def secrets() -> None:
    """Values that jobs need and nobody shall see: passwords, tokens, keys."""


@command(secrets, "list")
def list_secrets(call: Call) -> None:
    """List names, who uses them, and which have no value yet."""
    found = call.instance.get("/api/secrets")
    rows = [
        (
            each["name"],
            f"…{each['tail']}" if each["tail"] else "stored" if each["stored"] else "MISSING",
            away(each["set_at"]) or "-",
            " ".join(each["jobs"]) or "no job",
        )
        for each in found["items"]
    ]
    empty = "No secrets. Store one with: longhouse-jobs secrets set NAME"
    call.table(found, ("NAME", "VALUE", "SET", "USED BY"), rows, empty=empty)


@command(secrets, "set")
@click.argument("name")
def set_secret(call: Call, name: str) -> None:
    """Store a value, read from stdin or asked for. One line break at the end of stdin does not belong to it."""
    if sys.stdin.isatty():
        value = call.ask(f"Value of {name}", f"stdin: longhouse-jobs secrets set {name} < file")
    else:
        value = sys.stdin.read()
        value = value[: -len("\r\n")] if value.endswith("\r\n") else value.removesuffix("\n")
        if not value:
            raise UsageError(
                "stdin holds no value", hint=f"For example: pass show mail | longhouse-jobs secrets set {name}"
            )
    stored = call.instance.put(f"/api/secrets/{quote(name, safe='')}", {"value": value})
    users = ", ".join(line(each) for each in stored["jobs"])
    call.show(stored, f"{name} is stored; " + (f"used by {users}" if users else "no job declares it yet"))


@command(secrets)
@click.argument("name")
def rm(call: Call, name: str) -> None:
    """Forget a value."""
    gone = call.instance.delete(f"/api/secrets/{quote(name, safe='')}")
    call.show(gone, f"{gone['name']} is forgotten")


@command(secrets)
@click.option("--data", is_flag=True, help="Encrypt the values themselves anew, too, not only their keys.")
def rotate(call: Call, data: bool) -> None:
    """Seal everything with a new key and forget the old one. Can be interrupted and repeated at any point."""
    done = call.instance.post("/api/secrets/rotate", {"data": data})
    call.show(done, f"{done['values']} values are sealed with a new key; keep a fresh copy of keys/master.json")

"""One e-mail with what is new in a few feeds, since the last time."""

from __future__ import annotations

import smtplib
import ssl
import urllib.request
import xml.etree.ElementTree as ElementTree
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Literal

from zerg.outcomes import Degraded, Skip

if TYPE_CHECKING:
    from zerg.context import Context

MOST_READ = 5 * 1024 * 1024
MOST_KEPT = 2_000
"""Links that are remembered, so that nothing is sent twice."""


def run(
    ctx: Context,
    feeds: list[str],
    recipient: str,
    sender: str,
    smtp_host: str,
    smtp_port: int = 587,
    security: Literal["starttls", "tls", "none"] = "starttls",
    smtp_user: str = "",
    most_items: int = 50,
) -> Any:
    """Skips when nothing is new; finishes with a warning when a feed could not be read."""
    sent = set(ctx.state.get("sent", []))
    new: list[tuple[str, str]] = []
    broken: list[str] = []
    for number, feed in enumerate(feeds, 1):
        ctx.progress(number - 1, len(feeds), feed)
        try:
            items = read_feed(feed)
        except (OSError, ValueError, ElementTree.ParseError) as error:
            print(f"{feed}: {error}")
            broken.append(feed)
            continue
        fresh = [item for item in items if item[1] not in sent and item not in new]
        print(f"{feed}: {len(items)} items, {len(fresh)} of them new")
        new += fresh
    ctx.progress(len(feeds), len(feeds), "read")
    if broken and len(broken) == len(feeds):
        raise RuntimeError(f"none of the {len(feeds)} feeds could be read")
    if not new:
        return Skip("nothing new in the feeds")

    shown = new[:most_items]
    send(ctx, message(shown, broken, sender, recipient), smtp_host, smtp_port, security, smtp_user)
    print(f"sent {len(shown)} items to {recipient}")
    ctx.state["sent"] = [*ctx.state.get("sent", []), *(link for _, link in shown)][-MOST_KEPT:]
    result = {"items": len(shown), "left_for_next_time": len(new) - len(shown), "recipient": recipient}
    if broken:
        return Degraded(f"sent, but without {', '.join(broken)}", result)
    return result


def read_feed(address: str) -> list[tuple[str, str]]:
    """Title and link of each entry of an RSS or Atom feed, in its order."""
    if not address.startswith(("http://", "https://")):
        raise ValueError("this is no http or https address")
    with urllib.request.urlopen(address, timeout=20) as answer:
        data = answer.read(MOST_READ)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("the feed declares entities of its own, which can be made to grow without end")
    found = []
    for entry in ElementTree.fromstring(data).iter():
        if entry.tag.rpartition("}")[2] in ("item", "entry"):
            parts = {child.tag.rpartition("}")[2]: child for child in entry}
            title, link = parts.get("title"), parts.get("link")
            address_of = (link.get("href") or link.text or "") if link is not None else ""
            name = "".join(title.itertext()) if title is not None else ""
            if address_of.strip():
                found.append((" ".join(name.split()) or address_of.strip(), address_of.strip()))
    return found


def message(items: list[tuple[str, str]], broken: list[str], sender: str, recipient: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, recipient
    mail["Subject"] = f"{len(items)} new: {items[0][0][:60]}"
    lines = [f"* {title}\n  {link}" for title, link in items]
    lines += [f"\nNot read this time: {feed}" for feed in broken]
    mail.set_content("\n".join(lines) + "\n")
    return mail


def send(ctx: Context, mail: EmailMessage, host: str, port: int, security: str, user: str) -> None:
    """By SMTP; with a user, the password is the secret SMTP_PASSWORD."""
    print(f"handing the mail to {host}:{port} ({security})")
    trusted = ssl.create_default_context()
    if security == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=30, context=trusted)
    else:
        connection = smtplib.SMTP(host, port, timeout=30)
    with connection as server:
        if security == "starttls":
            server.starttls(context=trusted)
        if user:
            server.login(user, ctx.require_secret("SMTP_PASSWORD"))
        server.send_message(mail)

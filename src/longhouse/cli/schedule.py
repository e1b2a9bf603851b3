"""`schedule`: what a cron text means and when it fires. No instance has to run."""

from __future__ import annotations

from dataclasses import asdict

import click

from longhouse.cli.call import Call, aligned, command
from longhouse.cli.terminal import line
from longhouse.clock import SystemClock, iso, moment
from longhouse.errors import Invalid
from longhouse.triggers.cron import zone
from longhouse.triggers.preview import MOST, BadSchedule, preview


@command()
@click.argument("cron", required=False, default="")
@click.option("--every", metavar="SECONDS", default="", help="A fixed interval, instead of a cron text.")
@click.option("--timezone", "zone_name", metavar="ZONE", help="Such as Europe/Berlin; else the instance's.")
@click.option("--count", type=click.IntRange(1, MOST), default=5, show_default=True, help="How many due times.")
def schedule(call: Call, cron: str, every: str, zone_name: str | None, count: int) -> None:
    """Say a CRON text in words, with its next due times and what changes of the clocks do to it.

    `longhouse-jobs schedule "0 8 * * 1-5" --timezone America/New_York`
    """
    there = zone_name or call.settings().timezone
    try:
        found = preview(cron, every, there, SystemClock().now(), count)
    except BadSchedule as error:
        raise Invalid(str(error), hint=pointed(cron, error)) from error
    dues = [
        (
            f"{moment(each.due).astimezone(zone(there)):%a %Y-%m-%d %H:%M:%S %Z}",
            f"{moment(each.due):%Y-%m-%d %H:%M:%S} UTC",
            "the clocks have changed" if each.clocks_changed else "",
        )
        for each in found.firings
    ]
    document = {
        "text": found.text,
        "cron": found.cron,
        "every": found.every,
        "timezone": there,
        "firings": [{"due": iso(each.due), "clocks_changed": each.clocks_changed} for each in found.firings],
        "clock_changes": [asdict(each) | {"at": iso(each.at)} for each in found.turns],
    }
    turns = [f"{each.sentence[:1].upper()}{each.sentence[1:]}." for each in found.turns]
    call.show(document, f"{line(found.text)} ({there})", *(f"  {text}" for text in aligned(dues)), *turns)


def pointed(cron: str, error: BadSchedule) -> str:
    """The text with its mistake between arrows."""
    if error.place is None:
        return "Five fields: minute, hour, day of the month, month, day of the week; six with the seconds first."
    start, end = error.place
    return f"It is here: {cron[:start]}→{cron[start:end]}←{cron[end:]}"

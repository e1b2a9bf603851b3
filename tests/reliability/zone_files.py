"""The clock changes of all zones, read from the zone files themselves (RFC 8536): the trigger asks zoneinfo instead."""

from __future__ import annotations

import re
import struct
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from zoneinfo import TZPATH, available_timezones

Change = tuple[int, int, int]
"""Seconds since the epoch, UTC; the offset before; the offset after."""

EPOCH = datetime(1970, 1, 1)


def zones() -> list[str]:
    return sorted(available_timezones() - {"localtime"})


@cache
def changes(name: str, last_year: int = 2037) -> tuple[Change, ...]:
    """In order; the first one starts the zone's history."""
    raw = _bytes(name)
    sizes = struct.unpack(">6l", raw[20:44])
    raw = raw[44 + _length(sizes, 4) :]  # the second part has 8-byte times
    _, _, _, times, types, _ = sizes = struct.unpack(">6l", raw[20:44])
    body, footer = raw[44:], raw[44 + _length(sizes, 8) :].strip(b"\n").decode()
    ats = struct.unpack(f">{times}q", body[: 8 * times])
    kinds = body[8 * times : 9 * times]
    offsets = [struct.unpack(">l", body[9 * times + 6 * n :][:4])[0] for n in range(types)]
    found = list(zip(ats, (offsets[kind] for kind in kinds), strict=True))
    found += _rule(footer, ats[-1] if ats else -(10**12), last_year)
    result, offset = [], offsets[0]
    for at, after in sorted(found):
        if after != offset:
            result.append((at, offset, after))
        offset = after
    return tuple(result)


def offset_at_start(name: str) -> int:
    """Of a zone that never changes its clocks."""
    raw = _bytes(name)
    raw = raw[44 + _length(struct.unpack(">6l", raw[20:44]), 4) :]
    return int(struct.unpack(">l", raw[44 + 9 * struct.unpack(">6l", raw[20:44])[3] :][:4])[0])


def _bytes(name: str) -> bytes:
    for folder in TZPATH:
        if (Path(folder) / name).is_file():
            return (Path(folder) / name).read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def _length(sizes: tuple[int, ...], width: int) -> int:
    utc, wall, leaps, times, types, letters = sizes
    return times * (width + 1) + types * 6 + letters + leaps * (width + 4) + wall + utc


NAME = r"(?:<[^>]+>|[A-Za-z]+)"
RULE = re.compile(rf"{NAME}([-+\d:]+)(?:{NAME}([-+\d:]*),([^,]+),([^,]+))?")


def _rule(footer: str, after: int, last_year: int) -> list[tuple[int, int]]:
    """What the POSIX rule at the end says of the years behind the table: moments and the offsets from then on."""
    parts = RULE.fullmatch(footer)
    if not parts or not parts[3]:
        return []
    standard = -_seconds(parts[1])
    summer = -_seconds(parts[2]) if parts[2] else standard + 3600
    found = []
    for year in range(1970, last_year + 1):
        found.append((_moment(parts[3], year) - standard, summer))
        found.append((_moment(parts[4], year) - summer, standard))
    return [each for each in found if each[0] > after]


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    hour, minute, second = (int(each) for each in (text.lstrip("+-") + ":0:0").split(":")[:3])
    return sign * (hour * 3600 + minute * 60 + second)


def _moment(rule: str, year: int) -> int:
    day, _, clock = rule.partition("/")
    if day.startswith("M"):
        month, week, weekday = (int(each) for each in day[1:].split("."))
        when = date(year, month, 1)
        when += timedelta(days=(weekday - when.isoweekday()) % 7 + 7 * (week - 1))
        if when.month != month:
            when -= timedelta(days=7)
    else:
        number = int(day.lstrip("J"))
        if day.startswith("J"):  # 29 February is not counted
            number += (date(year, 3, 1) - date(year, 1, 1)).days == 60 and number >= 60
            number -= 1
        when = date(year, 1, 1) + timedelta(days=number)
    return int((datetime(when.year, when.month, when.day) - EPOCH).total_seconds()) + _seconds(clock or "2")

"""When cron(8) would run a text: an oracle that walks the clock minute by minute and shares no code with the trigger.

The rules are those of the man page of Debian's cron, and what its loop does to keep them:

* A job is looked up every minute under the time that the wall clock shows. A star at the start of the hour's or the
  minute's field makes it a wildcard job; all others are fixed-time jobs.
* The wall clock went forward by up to three hours: wildcard jobs are looked up under the new time alone; fixed-time
  jobs also under every minute that was skipped, at once, right after the change.
* It went back by up to three hours: wildcard jobs are looked up as ever; fixed-time jobs not until the clock has passed
  the time it had shown before.
* It moved by more: a correction of the clock. Everything is looked up under the new time, nothing else is done.
* A day matches if day of month and day of week match where one of the two fields begins with a star, else if one does.

What we hold to where the page leaves it open: three hours exactly are no correction (Casey station changes by so much);
several skipped minutes of one job are one run, because a run is known by its moment; with a field for seconds, a star
at its start makes a wildcard job, too. Beyond cron: `7/10` counts from 7 on, L, LW, 5L and 1#2 as cronsim has them.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from functools import cache

from tests.reliability.zone_files import Change

CORRECTION_MINUTES = 180
NUMBERS = [("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("dom", 1, 31), ("month", 1, 12), ("dow", 0, 7)]
JANUARY_ON = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS = {name: number for number, name in enumerate(JANUARY_ON, 1)}
WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
DAY_ZERO = date(1970, 1, 1).toordinal()


class Refused(ValueError):
    """No cron text, for the reason that the message states."""


class Text:
    """A cron text as cron understands it."""

    def __init__(self, text: str) -> None:
        parts = text.lower().split()
        if len(parts) == 5:
            parts = ["0", *parts]
        if len(parts) != 6:
            raise Refused("number of fields")
        values = [_field(part, *about) for part, about in zip(parts, NUMBERS, strict=True)]
        self.seconds, self.minutes, self.hours, self.doms, self.months, self.dows = values
        self.wildcard = "*" in {part[0] for part in parts[:3]}
        self.both = parts[3][0] == "*" or parts[5][0] == "*"

    @cache  # noqa: B019  as long as the text
    def day(self, number: int) -> bool:
        """Whether the date, `number` days after 1970-01-01, is one of its days."""
        when = date.fromordinal(DAY_ZERO + number)
        if when.month not in self.months:
            return False
        length = calendar.monthrange(when.year, when.month)[1]
        weekday = when.isoweekday()
        names = {weekday, weekday % 7}
        dom = when.day in self.doms or ("l" in self.doms and when.day == length)
        if "lw" in self.doms and not dom:
            working = [day for day in range(1, length + 1) if date(when.year, when.month, day).isoweekday() < 6]
            dom = when.day == working[-1]
        nth = (when.day - 1) // 7 + 1
        dow = any(name in self.dows or (name, nth) in self.dows for name in names)
        dow = dow or (when.day + 7 > length and any((name, "l") in self.dows for name in names))
        return (dom and dow) if self.both else (dom or dow)


def _field(part: str, name: str, low: int, high: int) -> set:
    found: set = set()
    for item in part.split(","):
        body, slash, step = item.partition("/")
        if name == "dom" and body in ("l", "lw"):
            values: list = [body]
        elif name == "dow" and body.endswith("l"):
            values = [(_number(body[:-1], "", low, high), "l")]
        elif name == "dow" and "#" in body:
            weekday, _, nth = body.partition("#")
            values = [(_number(weekday, name, low, high), _number(nth, "", 1, 5))]
        elif body == "*":
            values = list(range(low, high + 1))
        else:
            first, dash, last = body.partition("-")
            start = _number(first, name, low, high)
            end = _number(last, name, low, high) if dash else start
            if end < start:
                raise Refused(f"{name}: a range that ends before it begins")
            values = list(range(start, (high if slash and not dash else end) + 1))
        found.update(values[:: _number(step, "", 1, None) if slash else 1])
    return found


def _number(text: str, name: str, low: int, high: int | None) -> int:
    names = {"month": MONTHS, "dow": WEEKDAYS}.get(name, {})
    if text in names:
        return names[text]
    if not text or set(text) - set("0123456789"):
        raise Refused(f"{text!r} is no number")
    if not low <= int(text) <= (high if high is not None else int(text)):
        raise Refused(f"{text} is out of range")
    return int(text)


def walk(texts: Sequence[Text], changes: Sequence[Change], offset: int, low: int, high: int) -> list[list[int]]:
    """For each text its due times in [low, high), whole minutes of UTC in seconds. `offset` counts before `changes`.

    All texts are walked at once, as bits of one number.
    """
    at_time = _times(tuple(texts))
    wildcards = sum(1 << n for n, text in enumerate(texts) if text.wildcard)
    fixed = (1 << len(texts)) - 1 - wildcards
    days: dict[int, int] = {}
    due: list[list[int]] = [[] for _ in texts]

    def matching(minute: int) -> int:
        found = at_time[minute % 1440]
        if found:
            day = minute // 1440
            if day not in days:
                days[day] = sum(1 << n for n, text in enumerate(texts) if text.day(day))
            found &= days[day]
        return found

    def run(who: int, moment: int, *, own_second: bool = True) -> None:
        while who:
            n = (who & -who).bit_length() - 1
            who &= who - 1
            seconds = sorted(texts[n].seconds) if own_second else [0]
            for each in (moment + second for second in seconds):
                if not due[n] or due[n][-1] < each:
                    due[n].append(each)

    coming = [change for change in changes if change[0] > low]
    past = [change for change in changes if change[0] <= low]
    offset = past[-1][2] if past else offset
    virtual = (low + offset) // 60 - 1
    for moment in range(low, high, 60):
        while coming and coming[0][0] <= moment:
            offset = coming.pop(0)[2]
        clock = (moment + offset) // 60
        ahead = clock - virtual
        if ahead == 1 or abs(ahead - 1) > CORRECTION_MINUTES:
            virtual = clock
            if who := matching(clock):
                run(who, moment)
        elif ahead > 1:
            skipped = 0
            while virtual < clock - 1:
                virtual += 1
                skipped |= matching(virtual) & fixed
            virtual = clock
            run(skipped, moment, own_second=False)
            run(matching(clock), moment)
        else:
            run(matching(clock) & wildcards, moment)
    return due


@cache
def _times(texts: tuple[Text, ...]) -> list[int]:
    """For each minute of a day the texts that match it."""
    return [
        sum(1 << n for n, text in enumerate(texts) if minute // 60 in text.hours and minute % 60 in text.minutes)
        for minute in range(1440)
    ]

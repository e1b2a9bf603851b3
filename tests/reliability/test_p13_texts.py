"""Cron text means what cron says: random texts against the walk of cron_walk.py, and against croniter where it agrees
with cron(8)."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from croniter import croniter

from longhouse.triggers.cron import BadCron, Cron
from tests.reliability.cron_walk import MONTHS, WEEKDAYS, Refused, Text, walk
from tests.reliability.seeds import a_seed
from tests.reliability.test_p12_zones import DAY, HIGH, LOW, offset_before
from tests.reliability.zone_files import changes, zones

HOW_MANY = 5
FARTHEST_DAYS = 3 * 366
"""A text with no date within three years is compared as far as that alone."""


def a_number(chance: random.Random, low: int, high: int, names: dict[str, int]) -> str:
    if names and chance.random() < 0.2:
        return chance.choice([*names, *(name.upper() for name in names)])
    return str(chance.randint(low, high))


def an_item(chance: random.Random, low: int, high: int, names: dict[str, int]) -> str:
    kind = chance.random()
    if kind < 0.2:
        return "*" if chance.random() < 0.4 else f"*/{chance.randint(1, high + 2)}"
    if kind < 0.5:
        first, last = sorted((chance.randint(low, high), chance.randint(low, high)))
        return f"{first}-{last}" + (f"/{chance.randint(1, high)}" if chance.random() < 0.4 else "")
    if kind < 0.55:
        return f"{chance.randint(low, high)}/{chance.randint(1, high)}"
    return a_number(chance, low, high, names)


def a_field(chance: random.Random, low: int, high: int, names: dict[str, int], extra: tuple[str, ...] = ()) -> str:
    if chance.random() < 0.3:
        return "*"
    if extra and chance.random() < 0.05:
        return chance.choice(extra)
    field = ",".join(an_item(chance, low, high, names) for _ in range(chance.choice((1, 1, 1, 2, 3))))
    if chance.random() < 0.01:  # a slip of the finger
        at = chance.randrange(len(field) + 1)
        field = field[:at] + chance.choice("-,/*#x9L60") + field[at:]
    return field


def a_text(chance: random.Random) -> str:
    fields = [
        a_field(chance, 0, 59, {}),
        a_field(chance, 0, 23, {}),
        a_field(chance, 1, 31, {}, ("L", "LW")),
        a_field(chance, 1, 12, MONTHS),
        a_field(chance, 0, 7, WEEKDAYS, ("5L", "1#2", "MON#1", "0L", "7#5")),
    ]
    if chance.random() < 0.3:
        fields.insert(0, a_field(chance, 0, 59, {}))
    return " ".join(fields)


def by_walking(text: Text, zone: str, start: int) -> list[int]:
    """Its first due times from `start` on. Days that are none of its are stepped over, with a day before and after."""
    day, found = start // DAY, list[int]()
    while len(found) < HOW_MANY and day < start // DAY + FARTHEST_DAYS:
        if not any(text.day(day + n) for n in (-1, 0, 1)):
            day += 1
            continue
        low, high = max(start, day * DAY), (day + 1) * DAY
        near = [change for change in changes(zone) if low - DAY < change[0] < high]
        back = DAY if near else 0
        (dues,) = walk([text], near, offset_before(zone, low - back), low - back, high)
        found += [due for due in dues if due >= low]
        day += 1
    return found[:HOW_MANY]


def cron_and_croniter_agree(text: str) -> bool:
    """croniter takes a day field that lists every day, in whatever way, for a star; a star before a step for none; and
    a week of seven days from 0 on."""
    *_, dom, _, dow = text.upper().split()
    if re.search(r"\b0*(\w+)-0*\1\b", text.upper()):
        return False  # read as open at its end
    return (dom == "*" or not set("*/-L") & set(dom)) and (dow == "*" or not set("*/-L#7,") & set(dow))


def compare(count: int, seed: str) -> Counter[str]:
    chance, seen = random.Random(seed), Counter[str]()
    names = zones()
    for n in range(count):
        text, zone = a_text(chance), chance.choice(names)
        start = chance.randrange(LOW, HIGH - 3 * 366 * DAY) // 60 * 60
        if (
            turns := [each[0] for each in changes(zone) if LOW < each[0] < HIGH - 4 * 366 * DAY]
        ) and chance.random() < 0.6:
            start = chance.choice(turns) - chance.randrange(DAY) // 60 * 60
        said = f"text {n}, {text!r} in {zone} from {start}, seed {seed}"
        try:
            read = Text(text)
        except Refused:
            with pytest.raises(BadCron):
                Cron(text, zone)
            seen["refused by both"] += 1
            continue
        try:
            trigger = Cron(text, zone)
        except BadCron as refusal:
            assert "never fires" in str(refusal), said  # noqa: PT017
            assert not any(read.day(day) for day in range(19_723, 19_723 + 8 * 366)), said
            seen["never due, refused"] += 1
            continue
        due, dues = trigger.after(start * 1000 - 1), []
        while due is not None and len(dues) < HOW_MANY and due < (start // DAY + FARTHEST_DAYS) * DAY * 1000:
            dues.append(due // 1000)
            due = trigger.after(due)
        assert (dues, said) == (by_walking(read, zone, start), said)
        seen["due times"] += len(dues)
        seen["texts"] += 1
        if cron_and_croniter_agree(text):
            other = croniter(
                text, datetime.fromtimestamp(start, UTC), second_at_beginning=True, max_years_between_matches=60
            )
            in_utc = Cron(text)
            ours = [first := in_utc.after(start * 1000), in_utc.after(first)]
            if ours == [other.get_next(float) * 1000 for _ in range(2)]:
                seen["agreed with croniter"] += 1
            else:  # it has faults of its own: the walk is the judge
                walked = [due * 1000 for due in by_walking(read, "UTC", start + 1)[:2]]
                assert (ours, said) == (walked, said)
                seen["croniter wrong"] += 1
    assert seen["croniter wrong"] <= count / 100, seen
    return seen


def figure(seen: Counter[str], count: int) -> str:
    return (
        f"0 differences in {seen['due times']:,} due times of {count:,} random texts; {seen['refused by both']:,}"
        f" refused by both, {seen['never due, refused']:,} never due and refused;"
        f" croniter agrees on {seen['agreed with croniter']:,} and is wrong, by the walk, on {seen['croniter wrong']:,}"
    )


def test_random_texts(proves: Callable[..., None]):
    seen = compare(800, a_seed())
    assert min(seen["texts"] / 500, seen["refused by both"], seen["agreed with croniter"] / 50) >= 1, seen
    wrong = words_as_apscheduler_reads_them()
    proves("P13", figure=figure(seen, 800), control=f"days of the week counted from Monday: {wrong} of 7 texts differ")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_very_many_random_texts(proves: Callable[..., None]):
    proves("P13", figure=figure(compare(100_000, a_seed()), 100_000))


def words_as_apscheduler_reads_them() -> int:
    """The same comparison with the weekdays one off, as APScheduler has them, must not pass."""
    wrong = 0
    for day in range(7):
        dues = by_walking(Text(f"0 8 * * {day}"), "UTC", LOW)
        wrong += dues[0] * 1000 != Cron(f"0 8 * * {(day + 1) % 7}").after(LOW * 1000 - 1)
    assert wrong == 7
    return wrong

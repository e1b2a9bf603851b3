"""Clock changes: fixed times once, intervals by elapsed time, no day lost. In every zone, 2020 to 2037.

The trigger against a walk through the minutes (cron_walk.py, where the rules stand) that takes the changes of the
clocks from the zone files themselves (zone_files.py).
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from cronsim import CronSim

from longhouse.triggers import changes as ours
from longhouse.triggers.cron import Cron
from tests.reliability.cron_walk import Text, walk
from tests.reliability.seeds import a_seed
from tests.reliability.zone_files import Change, changes, offset_at_start, zones

FIXED = ["0 0 * * *", "30 0 * * *", "30 2 * * *", "0 3 * * *"]
TEXTS = [
    *FIXED,
    "*/5 * * * *",
    "0 * * * *",
    "30 * * * *",
    "15 1 * * 1-5",
    "0 2 1,15 * 5",
    "0 0 * * SUN",
    "0 0 1 * *",
    "*/15 0-3 * * *",
    "0 */2 * * *",
    "45 23 * * *",
    "59 1 L * *",
    "0,30 1-3 * * *",
    "5 2 */2 * 1-5",
    "10 1/2 * 3,4,9-11 *",
    "30 15 2 * * *",
    "*/20 30 2 * * *",
]
DAY = 86_400
LOW, HIGH = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2020, 2038))
SLOWEST = 0.25
"""Seconds of CPU. Five milliseconds are promised; a shared machine is slower than a quiet one."""

Window = tuple[int, int, tuple[Change, ...]]
History = tuple[int, tuple[Change, ...]]


def offset_before(zone: str, moment: int) -> int:
    known = changes(zone)
    earlier = [change for change in known if change[0] <= moment]
    return earlier[-1][2] if earlier else known[0][1] if known else offset_at_start(zone)


def windows() -> dict[Window, list[str]]:
    """Two days before and after each change, with its offsets, and the zones that live through it."""
    found = defaultdict(list)
    for zone in zones():
        for change in changes(zone):
            if LOW <= change[0] < HIGH:
                low, high = change[0] - 2 * DAY, change[0] + 2 * DAY
                found[low, high, tuple(each for each in changes(zone) if low < each[0] <= high)].append(zone)
    return found


class Timed:
    """The trigger's due times, and how long the slowest answer took."""

    def __init__(self) -> None:
        self.slowest = 0.0

    def dues(self, trigger: Cron, low: int, high: int) -> list[int]:
        """In [low, high), in seconds."""
        found, at = [], low * 1000 - 1
        while True:
            began = time.thread_time()
            due = trigger.after(at)
            self.slowest = max(self.slowest, time.thread_time() - began)
            assert due is None or due > at, (trigger, at)
            if due is None or due >= high * 1000:
                return found
            found.append(due // 1000)
            at = due


def compare(zone: str, low: int, high: int, timed: Timed) -> Iterator[tuple[str, list[int], list[int]]]:
    offset = offset_before(zone, low)
    expected = walk([TEXT[text] for text in TEXTS], [c for c in changes(zone) if low < c[0] < high], offset, low, high)
    for text, dues in zip(TEXTS, expected, strict=True):
        yield text, timed.dues(Cron(text, zone), low, high), dues


TEXT = {text: Text(text) for text in TEXTS}


def test_the_trigger_knows_every_change_of_the_clocks():
    for zone in zones():
        found = [(each.at, each.before, each.after) for each in ours.between(ZoneInfo(zone), LOW - 1, HIGH - 1)]
        assert found == [each for each in changes(zone) if LOW <= each[0] < HIGH], zone


NAMED = {"Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "Africa/El_Aaiun", "Antarctica/Troll"}


def test_zones_and_changes_of_the_clocks(proves: Callable[..., None]):
    """A sample, and the zones that others get wrong; the soak takes all."""
    everything, chance = windows(), random.Random(a_seed())
    sample = {
        window: names for window, names in everything.items() if NAMED.intersection(names) or chance.random() < 0.05
    }
    shown(sample, proves)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_zone_and_every_change_of_the_clocks(proves: Callable[..., None]):
    shown(windows(), proves)


def shown(around: dict[Window, list[str]], proves: Callable[..., None]) -> None:
    timed, compared, differences = Timed(), 0, []
    for (low, high, _), names in around.items():
        for text, found, expected in compare(names[0], low, high, timed):
            compared += len(expected)
            if found != expected:
                differences.append((names[0], text, low, sorted(set(found) ^ set(expected))[:5]))
    alike = {names[0]: names for names in around.values()}
    assert not differences, differences[:10]
    changed = sum(len(names) for names in around.values())
    assert timed.slowest < SLOWEST
    seen = {name for names in alike.values() for name in names}
    assert seen >= NAMED
    proves(
        "P12",
        figure=(
            f"0 differences in {compared:,} due times of {len(TEXTS)} texts around {changed:,} clock changes of"
            f" {len(seen)} of {len(zones())} zones, 2020-2037; next time in {timed.slowest * 1000:.1f} ms at most"
        ),
        control=f"{len(FIXED)} daily texts in the same {len(around):,} windows: "
        + "; ".join(f"{name} differs in {count:,}" for name, count in controls(around).items()),
    )


def controls(around: dict[Window, list[str]]) -> dict[str, int]:
    """In how many windows other triggers are wrong about daily texts. APScheduler's may go on for ever there."""
    wrong: Counter[str] = Counter()
    for (low, high, _), names in around.items():
        zone = ZoneInfo(names[0])
        expected = walk([TEXT[each] for each in FIXED], changes(names[0]), offset_before(names[0], low), low, high)
        for name, peer in PEERS.items():
            wrong[name] += any(
                list(islice(peer(text, zone, low, high), len(dues) + 9)) != dues
                for text, dues in zip(FIXED, expected, strict=True)
            )
    assert all(wrong[name] for name in PEERS), wrong
    return dict(wrong)


def apscheduler(text: str, zone: ZoneInfo, low: int, high: int) -> Iterator[int]:
    trigger = CronTrigger.from_crontab(text, zone)
    previous, now = None, datetime.fromtimestamp(low, zone)
    while (due := trigger.get_next_fire_time(previous, now)) and due.timestamp() < high:
        yield int(due.timestamp())
        previous = now = due + timedelta(microseconds=1)


def naive_wall_time(text: str, zone: ZoneInfo, low: int, high: int) -> Iterator[int]:
    for when in CronSim(text, (datetime.fromtimestamp(low - 1, zone)).replace(tzinfo=None)):
        real = when.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
        if real.replace(tzinfo=None) != when:
            continue  # there is no such time that day
        if real.timestamp() >= high:
            return
        yield int(real.timestamp())


PEERS = {"APScheduler's CronTrigger": apscheduler, "the wall clock taken literally": naive_wall_time}


@pytest.mark.parametrize("share", [0.3, pytest.param(1.0, marks=pytest.mark.soak)])
def test_ordinary_days_of_zones(share: float):
    seed = a_seed()
    chance, timed = random.Random(seed), Timed()
    for zone in (each for each in zones() if chance.random() < share):
        low = chance.randrange(LOW, HIGH) // 60 * 60
        for text, found, expected in compare(zone, low, low + DAY, timed):
            assert found == expected, f"{text} in {zone} from {low}, seed {seed}"


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Pacific/Apia", "2011-12-30"), ("Pacific/Fakaofo", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21")],
)
def test_a_day_that_a_country_left_out_is_no_day_of_a_job(zone: str, day: str):
    left_out = date.fromisoformat(day)
    low = int(datetime(left_out.year, left_out.month, left_out.day, tzinfo=UTC).timestamp()) - 3 * DAY
    for text, found, expected in compare(zone, low, low + 6 * DAY, Timed()):
        assert found == expected, text
        assert left_out not in {datetime.fromtimestamp(due, ZoneInfo(zone)).date() for due in found}


def test_midnight_comes_once_a_date(proves: Callable[..., None]):
    """In a sample of the histories that zones share, and those with a change at midnight; the soak takes all."""
    chance = random.Random(a_seed())
    once_a_date(
        proves,
        {
            (offset, history): names
            for (offset, history), names in histories().items()
            if any((at + before) % DAY == 0 for at, before, _ in history) or chance.random() < 0.2
        },
    )


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_midnight_comes_once_a_date_everywhere(proves: Callable[..., None]):
    once_a_date(proves, histories())


def histories() -> dict[History, list[str]]:
    """Offset at the begin and changes of the clocks, and the zones that have had them."""
    alike = defaultdict(list)
    for zone in zones():
        history = tuple(each for each in changes(zone) if LOW - 2 * DAY <= each[0] < HIGH + 2 * DAY)
        alike[offset_before(zone, LOW - 2 * DAY), history].append(zone)
    return alike


def once_a_date(proves: Callable[..., None], alike: dict[History, list[str]]) -> None:
    every_date = [date(2020, 1, 1) + timedelta(days=n) for n in range((date(2038, 1, 1) - date(2020, 1, 1)).days)]
    for names in alike.values():
        zone = ZoneInfo(names[0])
        dues = Timed().dues(Cron("0 0 * * *", names[0]), LOW - DAY, HIGH + DAY)
        dates = [datetime.fromtimestamp(due, zone).date() for due in dues]
        assert [each for each in dates if every_date[0] <= each <= every_date[-1]] == every_date, names
    count = sum(len(names) for names in alike.values())
    proves(
        "P12",
        figure=f"`0 0 * * *`: one run on each of {len(every_date):,} dates, 2020-2037, in each of {count} of"
        f" {len(zones())} zones",
    )

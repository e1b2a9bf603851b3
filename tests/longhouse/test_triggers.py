"""Due times as Debian's cron has them, and every so many seconds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longhouse.clock import millis, moment
from longhouse.triggers import schedule_key, trigger_of, upcoming
from longhouse.triggers.cron import BadCron, Cron
from longhouse.triggers.every import Every
from zerg._wire import JobDescription


def at(text: str, zone: str = "UTC") -> int:
    return millis(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def walked(trigger: Cron, low: int, high: int) -> Iterator[int]:
    due = trigger.after(low)
    while due is not None and due <= high:
        yield due
        due = trigger.after(due)


def local(dues: list[int], zone: str) -> list[str]:
    return [moment(due).astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M%z") for due in dues]


def test_a_daily_job_runs_once_on_both_days_the_clocks_change():
    night = Cron("30 2 * * *", "Europe/Berlin")
    spring = list(upcoming(night, at("2026-03-28T12:00", "Europe/Berlin"), 2))
    assert local(spring, "Europe/Berlin") == ["03-29 03:00+0200", "03-30 02:30+0200"]
    autumn = list(upcoming(night, at("2026-10-24T12:00", "Europe/Berlin"), 2))
    assert local(autumn, "Europe/Berlin") == ["10-25 02:30+0200", "10-26 02:30+0100"]


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo", "Pacific/Apia"]
)
def test_midnight_comes_once_a_local_day_also_where_the_clocks_skip_it(zone: str):
    trigger, dates = Cron("0 0 * * *", zone), []
    for due in upcoming(trigger, at("2024-01-01T00:00", zone) - 1, 1200):
        dates.append(moment(due).astimezone(ZoneInfo(zone)).date())
    assert dates == sorted(set(dates))
    assert dates == [dates[0] + timedelta(days=n) for n in range(1200)]


def test_every_few_minutes_follows_elapsed_time_through_the_autumn_hour():
    dues = list(upcoming(Cron("*/15 * * * *", "Europe/Berlin"), at("2026-10-24T23:00"), 16))
    assert [later - earlier for earlier, later in itertools.pairwise(dues)] == [900_000] * 15


def test_six_fields_have_the_seconds_first():
    dues = list(upcoming(Cron("*/5 * * * * *"), at("2026-01-01T00:00"), 3))
    assert dues == [at("2026-01-01T00:00") + n * 5000 for n in (1, 2, 3)]


def test_sunday_is_0_and_7_and_days_are_ored_as_cron_does():
    monday = at("2026-02-02T12:00")
    assert Cron("0 8 * * 0").after(monday) == Cron("0 8 * * 7").after(monday) == at("2026-02-08T08:00")
    either = local(list(upcoming(Cron("0 0 13 * 5"), at("2026-02-01T00:00"), 5)), "UTC")
    assert either == [
        "02-06 00:00+0000",
        "02-13 00:00+0000",
        "02-20 00:00+0000",
        "02-27 00:00+0000",
        "03-06 00:00+0000",
    ]


@pytest.mark.parametrize(
    ("alias", "text"), [("@daily", "0 0 * * *"), ("@Hourly", "0 * * * *"), ("@weekly", "0 0 * * 0")]
)
def test_aliases(alias: str, text: str):
    assert Cron(alias).after(at("2026-02-02T12:00")) == Cron(text).after(at("2026-02-02T12:00"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * *",
        "61 * * * *",
        "@reboot",
        "0 0 30 2 *",
        "x * * * *",
        "0 0 31 4,6,9,11 *",
        "9" * 100_000 + " * * * *",
        "1" + ",1" * 2000 + " * * * *",
        "9" * 300 + " * * * *",
    ],
)
def test_a_text_that_is_no_schedule_or_never_fires_is_refused_with_a_sentence(text: str):
    with pytest.raises(BadCron) as refusal:
        Cron(text)
    assert len(str(refusal.value)) < 600


def test_an_unknown_zone_is_refused():
    with pytest.raises(BadCron, match="Europe/Atlantis"):
        Cron("0 0 * * *", "Europe/Atlantis")


@given(step=st.integers(1, 100_000), low=st.integers(0, 2 * 10**12), span=st.integers(0, 10**8))
def test_every_is_anchored_to_the_epoch(step: int, low: int, span: int):
    every, high = Every(step), low + span
    due = every.after(low)
    assert due > low
    assert due % (step * 1000) == 0
    assert due - low <= step * 1000
    last = every.latest(low, high)
    assert (last is None) == (due > high)
    assert every.count(low, high) == (0 if last is None else (last - due) // (step * 1000) + 1)


@given(
    text=st.sampled_from(["0 8 * * *", "*/7 * * * *", "30 2 * * 1-5", "0 0 1 * *", "*/20 * * * * *", "15 */3 * * *"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"]),
    low=st.integers(1_700_000_000_000, 1_800_000_000_000),
    span=st.integers(0, 3 * 86_400_000),
)
def test_latest_and_count_agree_with_walking(text: str, zone: str, low: int, span: int):
    trigger, high = Cron(text, zone), low + span
    dues = list(walked(trigger, low, high))
    assert trigger.latest(low, high) == (dues[-1] if dues else None)
    assert trigger.count(low, high) == len(dues)


@given(
    text=st.sampled_from(
        [
            "0 0 * * *",
            "*/7 * * * *",
            "30 2 * * 1-5",
            "0,30 1-3 * * *",
            "0 0 L * *",
            "15 */6 1,15 * 5",
            "0 3 * 3,10 0#2",
            "30 0 12 * * *",
        ]
    ),
    zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "Asia/Kathmandu"]
    ),
    low=st.integers(1_700_000_000_000, 1_800_000_000_000),
    span=st.integers(0, 40 * 86_400_000),
)
@settings(max_examples=60)
def test_a_long_count_is_that_of_walking(text: str, zone: str, low: int, span: int):
    trigger = Cron(text, zone)
    assert trigger.count(low, low + span) == len(list(walked(trigger, low, low + span)))


def test_a_lost_day_is_counted_as_it_is_walked():
    trigger, low, high = Cron("30 10 * * *", "Pacific/Apia"), at("2011-12-20T00:00"), at("2012-01-05T00:00")
    assert trigger.count(low, high) == len(list(walked(trigger, low, high)))


def job(**settings: object) -> JobDescription:
    place = {"module": "jobs.a", "function": "run", "file": "manifest.py", "line": 1, "source_file": "jobs/a.py"}
    return JobDescription(id="a", source_line=1, **place, **settings)  # type: ignore[arg-type]


def test_a_job_without_a_schedule_has_no_trigger_and_zones_count_for_cron_only():
    assert trigger_of(job(), "UTC") is None
    assert trigger_of(job(every=60), "UTC") == Every(60)
    assert trigger_of(job(cron="0 0 * * *"), "Asia/Tokyo") == Cron("0 0 * * *", "Asia/Tokyo")
    assert schedule_key(job(every=60), "UTC") == schedule_key(job(every=60, timezone="Asia/Tokyo"), "UTC")
    assert schedule_key(job(cron="0 0 * * *"), "UTC") != schedule_key(
        job(cron="0 0 * * *", timezone="Asia/Tokyo"), "UTC"
    )

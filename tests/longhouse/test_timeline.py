"""The timeline: what ran, what did not run and why, what is planned, and how many at once. The calendar by day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from starlette.testclient import TestClient

from longhouse import calendars, jobs, ledger, pauses, queue, timeline
from longhouse.clock import parse_iso
from longhouse.errors import Invalid
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.setup import Value
from longhouse.simulation.plan import at_once
from longhouse.store import jobs as job_rows
from longhouse.timeline import Lane, Timeline
from longhouse.timeline.marks import join
from longhouse.web import lanes, spans, times
from tests.conftest import START, HandClock

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
ME = By("owner", "web")
AddJob = Callable[..., None]


def ran(house: House, clock: HandClock, job_id: str, at: int, took: int, state: RunState = RunState.SUCCEEDED) -> int:
    """A run by hand that starts at `at`; the clock stays at its end."""
    clock.ms = at
    run = jobs.run_now(house, job_id, ME)
    claimed = queue.claim(house)
    assert claimed is not None and claimed.run.id == run.id
    queue.started(house, run.id, claimed.attempt, pid=1, ticks=1, boot_id="b")
    clock.ms = at + took
    queue.finish(house, run.id, claimed.attempt, Ending(state=state, exit_code=0))
    return run.id


def settle(house: House, job_id: str, *, up_since: int) -> None:
    with house.db.write() as db:
        job = job_rows.get(db, job_id)
        assert job is not None
        ledger.settle_job(replace(house, up_since=up_since), db, job, house.clock.now())


def lane(found: Timeline, job_id: str) -> Lane:
    return next(each for each in found.lanes if each.job_id == job_id)


def kinds(row: Lane) -> list[tuple[str, int, int, int]]:
    return [(mark.kind, mark.first, mark.last, mark.count) for mark in row.marks]


def test_an_empty_instance_has_nothing_to_show(house: House) -> None:
    found = timeline.look(house, START - DAY, START + DAY)
    assert (found.lanes, found.load, found.collisions, found.next, found.cut) == ((), (), (), None, ())


def test_runs_have_their_length_and_outcome_and_planned_times_follow(
    house: House, clock: HandClock, add_job: AddJob
) -> None:
    add_job("digest", cron="0 12 * * *", timezone="UTC", max_attempts=1)
    good = ran(house, clock, "digest", START + HOUR, 90 * SECOND)
    bad = ran(house, clock, "digest", START + 2 * HOUR, 5 * SECOND, RunState.FAILED)
    found = timeline.look(house, START, START + DAY)
    assert kinds(lane(found, "digest")) == [
        ("succeeded", START + HOUR, START + HOUR + 90 * SECOND, 1),
        ("failed", START + 2 * HOUR, START + 2 * HOUR + 5 * SECOND, 1),
        ("planned", START + 4 * HOUR, START + 4 * HOUR, 1),
    ]
    assert [mark.run_id for mark in lane(found, "digest").marks] == [good, bad, None]
    assert lane(found, "digest").totals == {"succeeded": 1, "failed": 1, "planned": 1}


def test_what_passed_while_longhouse_was_down_is_marked_with_its_reason(
    house: House, clock: HandClock, add_job: AddJob
) -> None:
    add_job("hourly", cron="0 * * * *", catch_up="skip", timezone="UTC")
    clock.ms = START + 5 * HOUR + 30 * MINUTE
    settle(house, "hourly", up_since=clock.ms)
    found = timeline.look(house, START, START + 6 * HOUR)
    assert kinds(lane(found, "hourly")) == [("missed_down", START + HOUR, START + 5 * HOUR, 5)]
    part = timeline.look(house, START + 2 * HOUR, START + 4 * HOUR)
    assert kinds(lane(part, "hourly")) == [("missed_down", START + 2 * HOUR, START + 3 * HOUR, 2)], "of the span only"


def test_a_disabled_job_shows_what_it_skips_up_to_now_and_plans_nothing(
    house: House, clock: HandClock, add_job: AddJob
) -> None:
    add_job("hourly", cron="0 * * * *", timezone="UTC")
    jobs.set_enabled(house, "hourly", False, ME)
    clock.ms = START + 3 * HOUR
    row = lane(timeline.look(house, START, START + DAY), "hourly")
    assert (row.standing, kinds(row)) == ("disabled", [("skipped_disabled", START + HOUR, START + 3 * HOUR, 3)])
    assert timeline.look(house, START + 2 * HOUR + MINUTE, START + 2 * HOUR + 5 * MINUTE).lanes == ()


def test_a_pause_with_an_end_plans_from_there(house: House, add_job: AddJob) -> None:
    add_job("hourly", cron="0 * * * *", timezone="UTC")
    pauses.pause(house, ME, until="2026-02-04T12:00:00Z")
    row = lane(timeline.look(house, START, START + 6 * HOUR), "hourly")
    assert (row.standing, row.resumes) == ("paused", START + 4 * HOUR)
    assert kinds(row) == [("planned", START + n * HOUR, START + n * HOUR, 1) for n in (4, 5)]
    pauses.pause(house, ME)
    assert timeline.look(house, START, START + 6 * HOUR).lanes == ()
    assert lane(timeline.look(house, START, START + 6 * HOUR, idle=True), "hourly").marks == ()


def test_a_run_over_midnight_is_in_both_days(house: House, clock: HandClock, add_job: AddJob) -> None:
    add_job("long", cron=None)
    midnight = parse_iso("2026-02-05T00:00:00Z")
    run = ran(house, clock, "long", midnight - 2 * HOUR, 5 * HOUR)
    for low in (midnight - DAY, midnight):
        (mark,) = lane(timeline.look(house, low, low + DAY), "long").marks
        assert (mark.run_id, mark.first, mark.last) == (run, midnight - 2 * HOUR, midnight + 3 * HOUR)
    assert timeline.look(house, midnight + 4 * HOUR, midnight + DAY).lanes == ()


def test_what_runs_and_what_waits_is_there(house: House, clock: HandClock, add_job: AddJob) -> None:
    add_job("one", cron=None)
    add_job("two", cron=None)
    jobs.run_now(house, "one", ME)
    assert queue.claim(house) is not None
    later = jobs.run_now(house, "two", ME, at="2026-02-04T10:00:00Z")
    clock.ms += 30 * MINUTE
    found = timeline.look(house, START + 20 * MINUTE, START + 4 * HOUR)
    assert kinds(lane(found, "one")) == [("running", START, START + 30 * MINUTE, 1)]
    assert [(mark.kind, mark.first, mark.run_id) for mark in lane(found, "two").marks] == [
        ("planned", START + 2 * HOUR, later.id)
    ]


def test_a_minute_job_is_a_band_with_its_count(house: House, add_job: AddJob) -> None:
    add_job("minute", cron="* * * * *")
    row = lane(timeline.look(house, START - DAY, START + 7 * DAY), "minute")
    assert row.totals == {"planned": 7 * 24 * 60 - 1}
    assert len(row.marks) <= 60 and sum(mark.count for mark in row.marks) == row.totals["planned"]


def test_very_many_runs_of_a_job_are_counted_and_none_is_lost(house: House, add_job: AddJob) -> None:
    add_job("minute", cron="* * * * *")
    insert_runs(house, "minute", 1_000, MINUTE)
    row = lane(timeline.look(house, START - DAY, START), "minute")
    assert row.totals == {"succeeded": 900, "failed": 100}
    assert len(row.marks) <= 120 and sum(mark.count for mark in row.marks) == 1_000


def insert_runs(house: House, job_id: str, count: int, step: int) -> None:
    """Of ten, one fails; the newest began `step` before START, each takes two thirds of `step`."""
    with house.db.write() as db:
        for n in range(1, count + 1):
            at = START - n * step
            values = {"job": job_id, "at": at, "end": at + step * 2 // 3, "state": "succeeded" if n % 10 else "failed"}
            db.execute(
                "INSERT INTO runs (job_id, state, trigger, actor, surface, not_before, overlap, max_attempts, spec,"
                " created_at, started_at, finished_at)"
                " VALUES (:job, :state, 'manual', 'o', 'web', :at, 'allow', 1, '{}', :at, :at, :end)",
                values,
            )


def test_joining_marks_loses_none(house: House) -> None:
    marks = [timeline.Mark("succeeded", START + n * MINUTE, START + n * MINUTE + SECOND, 1, n) for n in range(1_000)]
    joined = join(marks, START, START + DAY, 20)
    assert len(joined) <= 20 and sum(mark.count for mark in joined) == 1_000
    assert max(mark.run_id or 0 for mark in joined) == 999


# --- at once ----------------------------------------------------------------------------------------------------------


def test_how_many_ran_at_once_is_exact(house: House, clock: HandClock, add_job: AddJob) -> None:
    assert at_once([(0, 10), (5, 15), (10, 20), (12, 12)], 0, 5, 6) == [1, 2, 3, 1, 0, 0]
    assert at_once([(-50, 100)], 0, 10, 3) == [1, 1, 1]
    assert at_once([], 0, 10, 2) == [0, 0]
    add_job("one", cron=None)
    insert_runs(house, "one", 6, 10 * MINUTE)
    clock.ms = START + HOUR
    day = timeline.look(house, START - 12 * HOUR, START + 12 * HOUR)
    again = timeline.look(house, START - 12 * HOUR, START + 12 * HOUR)
    assert day.load == again.load, "what was kept of hours that are over is what was found"
    assert {each.running for each in day.load} == {1}
    hour = timeline.look(house, START - HOUR, START)
    assert sum(each.running for each in hour.load) * hour.step == pytest.approx(40 * MINUTE, rel=0.1)


def slots(house: House, count: int) -> None:
    house.setup.values = {"slots": Value(count, "flag", fixed=True)}


def test_six_jobs_due_at_one_moment_are_a_collision(house: House, add_job: AddJob) -> None:
    slots(house, 4)
    for n in range(6):
        add_job(f"job-{n}", cron="0 12 * * *", timezone="UTC")
    add_job("other", cron="0 13 * * *", timezone="UTC")
    noon = START + 4 * HOUR
    found = timeline.look(house, START, START + 3 * DAY)
    (met,) = found.collisions
    assert (met.moments, met.due, met.room) == ((noon, noon + DAY, noon + 2 * DAY), 6, 4)
    assert met.jobs == tuple(f"job-{n}" for n in range(6))
    assert {each.due for each in found.load} == {1, 6}
    slots(house, 6)
    assert timeline.look(house, START, START + 3 * DAY).collisions == (), "control: there is room for all"


def test_a_group_collides_by_its_own_limit(house: House, add_job: AddJob) -> None:
    slots(house, 8)
    for n in range(3):
        add_job(f"job-{n}", every=3600, cron=None, concurrency_group="db", concurrency_limit=2)
    found = timeline.look(house, START, START + 2 * HOUR)
    assert [(each.group, each.due, each.room, each.moments) for each in found.collisions] == [
        ("db", 3, 2, (START + HOUR,))
    ]


def test_what_has_passed_of_the_hour_is_no_collision_ahead(house: House, clock: HandClock, add_job: AddJob) -> None:
    slots(house, 1)
    for n in range(2):
        add_job(f"job-{n}", cron="*/15 * * * *")
    clock.ms = START + 20 * MINUTE
    (met,) = timeline.look(house, START, START + HOUR).collisions
    assert met.moments == (START + 30 * MINUTE, START + 45 * MINUTE)


# --- which jobs -------------------------------------------------------------------------------------------------------


def test_jobs_are_found_by_id_project_and_tag_and_paged(house: House, add_job: AddJob) -> None:
    add_job("a", project="shop")
    add_job("b", tags=["Mail"])
    add_job("c-mail")
    add_job("manual", cron=None)
    look = lambda **wanted: timeline.look(house, START, START + 2 * DAY, **wanted)  # noqa: E731
    assert [each.job_id for each in look(text=" mail ").lanes] == ["b", "c-mail"]
    assert [each.job_id for each in look(text="shop").lanes] == ["a"]
    assert [each.job_id for each in look(job_id="b").lanes] == ["b"]
    first = look(limit=2)
    assert ([each.job_id for each in first.lanes], first.next, first.jobs) == (["a", "b"], "b", 3)
    assert [each.job_id for each in look(limit=2, after="b").lanes] == ["c-mail"]
    assert "manual" in {each.job_id for each in look(idle=True).lanes}


def test_a_new_schedule_counts_at_once(house: House, add_job: AddJob) -> None:
    add_job("one", cron="0 12 * * *", timezone="UTC")
    assert lane(timeline.look(house, START, START + DAY), "one").totals == {"planned": 1}
    add_job("one", cron="0 12,13 * * *", timezone="UTC")
    assert lane(timeline.look(house, START, START + DAY), "one").totals == {"planned": 2}


@pytest.mark.parametrize("length", [0, 9 * DAY])
def test_a_span_that_is_too_short_or_too_long_is_refused(house: House, length: int) -> None:
    with pytest.raises(Invalid, match="between a minute and eight days"):
        timeline.look(house, START, START + length)


# --- the calendar -----------------------------------------------------------------------------------------------------


def test_days_of_the_clock_changes_have_23_and_25_hours(house: House, add_job: AddJob) -> None:
    add_job("hourly", cron="0 * * * *")
    add_job("often", every=1800, cron=None)
    spring = calendars.days(house, date(2026, 3, 28), 3, "Europe/Berlin")
    autumn = calendars.days(house, date(2026, 10, 24), 3, "Europe/Berlin")
    assert [(day.high - day.low) // HOUR for day in (*spring, *autumn)] == [24, 23, 24, 24, 25, 24]
    assert [day.planned for day in (*spring, *autumn)] == [3 * hours for hours in (24, 23, 24, 24, 25, 24)]


def test_days_count_runs_missed_and_planned(house: House, clock: HandClock, add_job: AddJob) -> None:
    add_job("hourly", cron="0 * * * *", catch_up="skip", timezone="UTC")
    insert_runs(house, "hourly", 20, 4 * HOUR)
    clock.ms = START + 150 * MINUTE
    settle(house, "hourly", up_since=clock.ms)
    days = calendars.days(house, date(2026, 2, 1), 5, "UTC")
    assert [sum(day.runs.values()) for day in days] == [6, 6, 6, 2, 0]
    assert [day.runs.get("failed", 0) for day in days] == [1, 1, 0, 0, 0]
    assert [day.missed for day in days] == [0, 0, 0, 1, 0]
    assert [day.planned for day in days] == [0, 0, 0, 13, 24]
    assert calendars.days(house, date(2026, 2, 1), 5, "UTC") == days, "what was kept is what was counted"
    assert sum(day.planned for day in calendars.days(house, date(2026, 2, 1), 5, "UTC", text="nobody")) == 0


def test_a_clock_that_is_set_back_forgets_what_was_over(house: House, clock: HandClock, add_job: AddJob) -> None:
    add_job("one", cron=None)
    clock.ms = START + 3 * DAY
    assert calendars.days(house, date(2026, 2, 5), 1, "UTC")[0].runs == {}
    ran(house, clock, "one", START + DAY, SECOND)
    assert calendars.days(house, date(2026, 2, 5), 1, "UTC")[0].runs == {"succeeded": 1}


# --- what a view shows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "at", "zone", "title", "hours", "before", "after"),
    [
        ("day", "2026-03-29", "Europe/Berlin", "Sun 29 Mar 2026", 23, "2026-03-28", "2026-03-30"),
        ("day", "2026-10-25", "Europe/Berlin", "Sun 25 Oct 2026", 25, "2026-10-24", "2026-10-26"),
        ("week", "2026-10-25", "Europe/Berlin", "Mon 19 Oct 2026 to Sun 25 Oct 2026", 169, "2026-10-12", "2026-10-26"),
        ("month", "2026-12", "UTC", "December 2026", 31 * 24, "2026-11", "2027-01"),
        ("month", "2026-01-31", "UTC", "January 2026", 31 * 24, "2025-12", "2026-02"),
        (
            *("hour", "2026-02-04T08:40", "Asia/Kolkata", "Wed 4 Feb 2026, 08:00 to 09:00", 1),
            *("2026-02-04T07:00+05:30", "2026-02-04T09:00+05:30"),
        ),
        (
            *("hour", "2026-10-25T02:00+02:00", "Europe/Berlin", "Sun 25 Oct 2026, 02:00 to 02:00", 1),
            *("2026-10-25T01:00+02:00", "2026-10-25T02:00+01:00"),
        ),
    ],
)
def test_a_view_knows_its_span_and_its_neighbours(
    view: str, at: str, zone: str, title: str, hours: int, before: str, after: str
) -> None:
    shown = spans.span(view, at, zone, START)
    assert (shown.title, (shown.high - shown.low) // HOUR, shown.before, shown.after) == (title, hours, before, after)
    assert spans.span(view, before, zone, START).high == shown.low
    assert spans.span(view, after, zone, START).low == shown.high


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham"])
def test_a_mark_says_the_time_of_its_zone_also_when_clocks_change(zone: str) -> None:
    for day in ("2026-03-29", "2026-04-05", "2026-09-27", "2026-10-04", "2026-10-25"):
        whole = spans.span("week", day, zone, START)
        for at in range(whole.low, whole.high, 7 * 60_000 + 13_000):
            there = times.local(at, zone)
            assert lanes.clock(at, whole) == f"{lanes.WEEKDAYS[there.weekday()]} {there:%H:%M}"
            hour = replace(whole, view="hour")
            assert lanes.clock(at, hour) == (f"{there:%H:%M:%S}" if there.second else f"{there:%H:%M}")


def test_changes_of_the_clock_are_said() -> None:
    changes = spans.clock_changes(spans.span("day", "2026-03-29", "Europe/Berlin", START))
    assert changes == [(parse_iso("2026-03-29T01:00:00Z"), "the clocks go from 02:00 to 03:00")]
    assert spans.clock_changes(spans.span("day", "2026-03-28", "Europe/Berlin", START)) == []


@pytest.mark.parametrize(("at", "zone"), [("soon", "UTC"), ("99999-01-01", "UTC"), ("", "Europe/Atlantis")])
def test_what_is_no_time_and_no_zone_is_refused(at: str, zone: str) -> None:
    with pytest.raises(Invalid):
        spans.span("day", at, zone, START)


# --- over HTTP --------------------------------------------------------------------------------------------------------


def get(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_api_tells_the_same(client: TestClient, house: House, clock: HandClock, add_job: AddJob) -> None:
    add_job("digest", cron="0 12 * * *", timezone="UTC")
    run = ran(house, clock, "digest", START + HOUR, SECOND)
    found = get(client, "/api/timeline", **{"from": "2026-02-04T00:00:00Z", "to": "2026-02-05T00:00:00Z"})
    assert found["items"][0]["marks"] == [
        {
            "kind": "succeeded",
            "first": "2026-02-04T09:00:00.000Z",
            "last": "2026-02-04T09:00:01.000Z",
            "count": 1,
            "run_id": run,
        },
        {
            "kind": "planned",
            "first": "2026-02-04T12:00:00.000Z",
            "last": "2026-02-04T12:00:00.000Z",
            "count": 1,
            "run_id": None,
        },
    ]
    assert found["from"] == "2026-02-04T00:00:00.000Z" and found["cut"] == [] and found["slots"] == 2
    days = get(client, "/api/calendar", **{"from": "2026-02-04", "days": 2, "timezone": "UTC"})["items"]
    assert [(day["date"], day["runs"], day["planned"]) for day in days] == [
        ("2026-02-04", {"succeeded": 1}, 1),
        ("2026-02-05", {}, 1),
    ]


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("/api/timeline", {"from": "yesterday"}, "ISO 8601"),
        ("/api/timeline", {"from": "2026-02-04T00:00:00Z", "to": "2026-03-04T00:00:00Z"}, "eight days"),
        ("/api/calendar", {"timezone": "Europe/Atlantis"}, "there is no time zone 'Europe/Atlantis'"),
        ("/api/calendar", {"days": 63}, "62"),
    ],
)
def test_the_api_refuses_what_it_cannot_show(client: TestClient, path: str, query: dict[str, str], said: str) -> None:
    answer = client.get(path, params=query)
    assert answer.status_code == 422 and said in answer.text

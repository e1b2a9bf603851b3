"""Every due time that has passed has exactly one entry, and the entry says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from longhouse import history, jobs, ledger, queue
from longhouse.engine.scheduler import Scheduler
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store import jobs as rows
from longhouse.store.jobs import Job
from tests.conftest import START, HandClock
from tests.longhouse.test_queue import registered

ME = By("me", "cli")
MINUTE = 60_000


def settle(house: House, job_id: str = "a") -> int:
    with house.db.write() as db:
        job = rows.get(db, job_id)
        assert job is not None
        return ledger.settle_job(house, db, job, house.clock.now())


def entries(house: House, job_id: str = "a") -> list[tuple[Any, ...]]:
    """(minutes of the first and last due time after the start, count, end), oldest first."""
    found = jobs.firings(house, job_id, low=0, high=2**52)
    return [((f.first - START) / MINUTE, (f.last - START) / MINUTE, f.count, f.end) for f in reversed(found)]


def finish(house: House) -> None:
    found = queue.claim(house)
    assert found is not None
    queue.finish(house, found.run.id, found.attempt, Ending(state=RunState.SUCCEEDED))


def minutely(house: House, **settings: Any) -> Job:
    return registered(house, every=60, **settings)


def test_a_firing_on_time_ran_and_its_run_knows_when_it_was_due(house: House, clock: HandClock):
    minutely(house)
    clock.advance(60)
    assert settle(house) == 1
    assert entries(house) == [(1, 1, 1, "ran")]
    run = history.list_runs(house)[0][0]
    assert (run.due, run.trigger) == (START + MINUTE, "schedule")


def test_looking_twice_or_with_the_clock_set_back_doubles_nothing(house: House, clock: HandClock):
    minutely(house)
    clock.advance(60)
    assert [settle(house), settle(house)] == [1, 0]
    clock.advance(-3600)
    assert settle(house) == 0
    assert entries(house) == [(1, 1, 1, "ran")]


def test_while_a_run_lasts_firings_are_skipped_as_one_row(house: House, clock: HandClock):
    minutely(house)
    for _ in range(5):
        clock.advance(60)
        settle(house)
    assert entries(house) == [(1, 1, 1, "ran"), (2, 5, 4, "skipped_overlap")]
    finish(house)
    clock.advance(60)
    assert settle(house) == 1
    assert entries(house)[-1] == (6, 6, 1, "ran")


def test_queue_holds_one_and_allow_holds_all(house: House, clock: HandClock):
    minutely(house, overlap="queue")
    registered(house, "b", every=60, overlap="allow")
    for _ in range(4):
        clock.advance(60)
        settle(house)
        settle(house, "b")
    assert [entry[3] for entry in entries(house)] == ["ran", "ran", "skipped_overlap"]
    assert [entry[3] for entry in entries(house, "b")] == ["ran"] * 4


def test_after_downtime_the_latest_runs_and_stands_for_the_others(house: House, clock: HandClock):
    minutely(house, catch_up="latest", misfire_grace_seconds=10)
    clock.advance(10 * 60 + 30)
    assert settle(replace(house, up_since=clock.now())) == 1
    assert entries(house) == [(1, 9, 9, "caught_up_by"), (10, 10, 1, "ran")]
    run = history.list_runs(house)[0][0]
    assert (run.trigger, run.due) == ("catch_up", START + 10 * MINUTE)
    assert {row["run_id"] for row in history.details(house, run.id).firings} == {run.id}


def test_all_runs_one_after_the_other_up_to_its_limit(house: House, clock: HandClock):
    minutely(house, catch_up="all", max_catch_up=3, misfire_grace_seconds=10)
    clock.advance(10 * 60 + 30)
    assert settle(replace(house, up_since=clock.now())) == 3
    assert entries(house) == [(1, 7, 7, "missed_down"), *((n, n, 1, "ran") for n in (8, 9, 10))]
    first = queue.claim(house)
    assert first is not None
    assert queue.claim(house) is None, "one at a time"
    queue.finish(house, first.run.id, 1, Ending(state=RunState.SUCCEEDED))
    assert queue.claim(house) is not None


def test_skip_says_down_or_late(house: House, clock: HandClock):
    minutely(house, catch_up="skip", misfire_grace_seconds=10)
    clock.advance(10 * 60 + 30)
    settle(replace(house, up_since=START + 5 * MINUTE + 1))
    assert entries(house) == [(1, 5, 5, "missed_down"), (6, 10, 5, "missed_late")]


def test_nothing_catches_up_past_a_run_that_is_still_active(house: House, clock: HandClock):
    minutely(house, misfire_grace_seconds=10)
    clock.advance(60)
    settle(house)
    clock.advance(10 * 60 + 30)
    assert settle(replace(house, up_since=clock.now())) == 0
    assert entries(house) == [(1, 1, 1, "ran"), (2, 10, 9, "missed_down"), (11, 11, 1, "skipped_overlap")]


def test_a_disabled_job_writes_one_row_however_long_it_lasts(house: House, clock: HandClock):
    minutely(house)
    jobs.set_enabled(house, "a", False, ME)
    for _ in range(3):
        clock.advance(86_400)
        assert settle(house) == 0
    assert entries(house) == [(1, 3 * 1440, 3 * 1440, "skipped_disabled")]
    jobs.set_enabled(house, "a", True, ME)
    clock.advance(60)
    assert settle(house) == 1
    assert entries(house) == [(1, 3 * 1440, 3 * 1440, "skipped_disabled"), (3 * 1440 + 1, 3 * 1440 + 1, 1, "ran")]


def test_disabling_between_two_due_times_leaves_no_row(house: House, clock: HandClock):
    minutely(house)
    jobs.set_enabled(house, "a", False, ME)
    clock.advance(30)
    jobs.set_enabled(house, "a", True, ME)
    assert entries(house) == []


def test_what_was_due_before_the_disabling_still_ran(house: House, clock: HandClock):
    minutely(house)
    clock.advance(61)
    jobs.set_enabled(house, "a", False, ME)
    clock.advance(60)
    assert entries(house) == [(1, 1, 1, "ran"), (2, 2, 1, "skipped_disabled")]


def test_jitter_moves_the_start_and_never_the_due_time(house: House, clock: HandClock):
    minutely(house, jitter_minutes=10)
    clock.advance(60)
    settle(house)
    run = history.list_runs(house)[0][0]
    assert run.due == START + MINUTE
    assert 0 <= run.not_before - run.due < 10 * MINUTE
    assert run.not_before != run.due


def test_an_idle_tick_writes_nothing(house: House, clock: HandClock):
    minutely(house)
    clock.advance(30)
    with house.db.read() as db:
        before = db.execute("PRAGMA data_version").fetchall()
    settle(house)
    with house.db.read() as db:
        assert db.execute("PRAGMA data_version").fetchall() == before


def test_without_a_grace_a_firing_of_this_second_is_still_on_time(house: House, clock: HandClock):
    minutely(house, misfire_grace_seconds=0, catch_up="skip")
    clock.advance(60.4)
    assert settle(house) == 1
    clock.advance(120)
    settle(house)
    assert [entry[3] for entry in entries(house)] == ["ran", "missed_late", "skipped_overlap"]


def test_a_schedule_that_has_gone_bad_stops_its_job_alone(house: House, clock: HandClock):
    minutely(house)
    registered(house, "lost", cron="* * * * *", timezone="Mars/Olympus")
    scheduler = Scheduler(house)
    clock.advance(60)
    scheduler.step()
    assert entries(house) == [(1, 1, 1, "ran")]

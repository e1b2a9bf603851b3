"""Every due time that has passed has exactly one entry, and the entry says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from longhouse import held, history, jobs, ledger, queue
from longhouse.engine.scheduler import Scheduler
from longhouse.errors import Conflict
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store import jobs as rows
from longhouse.store import runs as run_rows
from longhouse.store.jobs import Job
from tests.conftest import START, HandClock, job_spec
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


# --- somebody sets the clock ----------------------------------------------------------------------------------------


def stepped(scheduler: Scheduler, clock: HandClock, minutes: int) -> None:
    """The wall clock alone is set; the scheduler looks."""
    clock.ms += minutes * MINUTE
    scheduler.watch()
    look(scheduler)


def look(scheduler: Scheduler) -> None:
    while scheduler.step() is not None:
        pass


def lived(house: House, clock: HandClock, scheduler: Scheduler, minutes: int) -> None:
    for _ in range(minutes):
        clock.advance(60)
        look(scheduler)


def ran(house: House) -> list[float]:
    return [first for first, _, _, end in entries(house) if end == "ran"]


def test_set_forward_by_days_and_back_again_the_job_fires_as_if_nothing_had_been(house: House, clock: HandClock):
    minutely(house, overlap="allow")
    scheduler = Scheduler(house)
    lived(house, clock, scheduler, 2)
    stepped(scheduler, clock, 3 * 1440)
    assert entries(house)[2:] == [(3, 3 * 1440 + 2, 3 * 1440, "held_clock")], "no storm"
    lived(house, clock, scheduler, 1)
    assert ran(house) == [1, 2, 3 * 1440 + 3], "it goes on by the new clock"
    stepped(scheduler, clock, -3 * 1440)
    lived(house, clock, scheduler, 2)
    assert entries(house)[:5] == [
        *((n, n, 1, "ran") for n in (1, 2)),
        (3, 3, 1, "held_clock"),
        *((n, n, 1, "ran") for n in (4, 5)),
    ]
    assert [each.due_times for each in held.overview(house)] == [1], "what is ahead is no longer asked about"


def test_a_smaller_step_forward_is_like_a_downtime(house: House, clock: HandClock):
    minutely(house, misfire_grace_seconds=10)
    scheduler = Scheduler(house)
    clock.advance(30)
    stepped(scheduler, clock, 45)
    assert entries(house) == [(1, 44, 44, "caught_up_by"), (45, 45, 1, "ran")]


def test_set_back_what_ran_does_not_run_again_and_the_rest_does(house: House, clock: HandClock):
    minutely(house, overlap="skip")
    scheduler = Scheduler(house)
    lived(house, clock, scheduler, 10)
    assert entries(house) == [(1, 1, 1, "ran"), (2, 10, 9, "skipped_overlap")]
    finish(house)
    stepped(scheduler, clock, -10)
    lived(house, clock, scheduler, 3)
    assert entries(house) == [(1, 1, 1, "ran"), (2, 2, 1, "ran"), (3, 3, 1, "skipped_overlap")]


def test_set_back_while_it_is_disabled_every_minute_is_explained(house: House, clock: HandClock):
    minutely(house, overlap="allow")
    scheduler = Scheduler(house)
    lived(house, clock, scheduler, 5)
    stepped(scheduler, clock, -3)
    jobs.set_enabled(house, "a", False, ME)
    lived(house, clock, scheduler, 5)
    jobs.set_enabled(house, "a", True, ME)
    lived(house, clock, scheduler, 1)
    assert entries(house)[5:] == [(6, 7, 2, "skipped_disabled"), (8, 8, 1, "ran")]


def test_a_jump_is_seen_by_whoever_settles_first(house: House, clock: HandClock):
    minutely(house)
    clock.ms += 120 * MINUTE
    assert settle(house) == 0
    assert entries(house) == [(1, 120, 120, "held_clock")]


def test_what_is_held_is_caught_up_when_somebody_says_so(house: House, clock: HandClock):
    minutely(house, catch_up="latest")
    registered(house, "b", every=60, catch_up="skip")
    registered(house, "c", every=60, catch_up="all", max_catch_up=3)
    registered(house, "d", every=60)
    scheduler = Scheduler(house)
    stepped(scheduler, clock, 120)
    jobs.set_enabled(house, "d", False, ME)
    assert [(each.jobs, each.due_times) for each in held.overview(house)] == [(4, 480)]
    assert held.accept(house, ME) == held.Decided(runs=4, due_times=360, left=120)
    assert entries(house) == [(1, 119, 119, "caught_up_by"), (120, 120, 1, "ran")]
    assert entries(house, "b") == [(1, 120, 120, "missed_late")]
    assert entries(house, "c") == [(1, 117, 117, "missed_late"), *((n, n, 1, "ran") for n in (118, 119, 120))]
    assert entries(house, "d") == [(1, 120, 120, "held_clock")]
    with pytest.raises(Conflict):
        held.accept(house, ME)


def test_what_is_held_may_be_left(house: House, clock: HandClock):
    minutely(house)
    scheduler = Scheduler(house)
    stepped(scheduler, clock, 120)
    assert held.leave(house, ME) == held.Decided(runs=0, due_times=0, left=120)
    lived(house, clock, scheduler, 1)
    assert entries(house) == [(1, 120, 120, "held_clock"), (121, 121, 1, "ran")]


def test_a_server_that_starts_behind_its_ledger_goes_on_from_now(house: House, clock: HandClock):
    minutely(house, overlap="allow")
    lived(house, clock, Scheduler(house), 5)
    clock.ms -= 4 * MINUTE
    later = replace(house, up_since=clock.now())
    scheduler = Scheduler(later)
    scheduler.catch_up()
    lived(later, clock, scheduler, 6)
    assert ran(later) == [1, 2, 3, 4, 5, 6, 7]


def test_a_retry_waits_no_longer_because_the_clock_was_set_back(house: House, clock: HandClock):
    registered(house, "r", every=None, max_attempts=3, retry_delay_seconds=60)
    jobs.run_now(house, "r", ME)
    found = queue.claim(house)
    assert found is not None
    queue.finish(house, found.run.id, 1, Ending(state=RunState.FAILED))
    scheduler = Scheduler(house)
    stepped(scheduler, clock, -60)
    clock.advance(67)
    assert queue.claim(house) is not None


def test_a_changed_job_s_waiting_run_is_started_by_what_the_job_says_now(house: House, clock: HandClock):
    minutely(house, overlap="queue", max_attempts=1)
    run = jobs.run_now(house, "a", ME)
    spec = job_spec("a", cron=None, every=60, max_attempts=4, priority=7, concurrency_group="g")
    with house.db.write() as db:
        run_rows.renew(db, spec)
    renewed = history.get(house, run.id)
    assert (renewed.max_attempts, renewed.priority) == (4, 7)

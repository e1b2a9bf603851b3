"""A run for a time to come: it waits, is in nobody's way until then, and starts once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longhouse import history, jobs, queue
from longhouse.engine.scheduler import Scheduler
from longhouse.errors import Conflict, Invalid
from longhouse.feed import Feed
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store import runs
from longhouse.store.database import Database
from tests.conftest import START, HandClock
from tests.longhouse.test_ledger import entries, minutely, settle
from tests.longhouse.test_queue import claimed, registered

ME = By("me", "cli")
TOMORROW = "2026-02-05T08:00:00Z"
DAY = 86_400


def test_it_waits_until_its_time_and_then_starts(house: House, clock: HandClock):
    registered(house, "a")
    run = jobs.run_now(house, "a", ME, at=TOMORROW)
    assert (run.state, run.trigger, run.not_before) == ("queued", "later", START + DAY * 1000)
    with house.db.read() as db:
        assert runs.next_start(db, clock.now()) == run.not_before, "the runner sleeps until then"
    clock.advance(DAY - 1)
    assert claimed(house) is None
    clock.advance(1)
    assert claimed(house) == run.id


def test_until_its_time_it_holds_nothing_up(house: House, clock: HandClock):
    minutely(house)
    later = jobs.run_now(house, "a", ME, at=TOMORROW).id
    clock.advance(60)
    assert settle(house) == 1 and entries(house) == [(1, 1, 1, "ran")]
    first = claimed(house)
    assert first is not None and first != later
    queue.finish(house, first, 1, Ending(state=RunState.SUCCEEDED))
    by_hand = jobs.run_now(house, "a", ME).id
    assert claimed(house) == by_hand


def test_at_its_time_it_waits_its_turn_and_counts(house: House, clock: HandClock):
    registered(house, "a")
    later = jobs.run_now(house, "a", ME, at=TOMORROW).id
    clock.advance(DAY - 1)
    before = jobs.run_now(house, "a", ME).id
    assert claimed(house) == before
    clock.advance(2)
    assert claimed(house) is None, "one at a time"
    queue.finish(house, before, 1, Ending(state=RunState.SUCCEEDED))
    with pytest.raises(Conflict) as refusal:
        jobs.run_now(house, "a", ME)
    assert refusal.value.facts["run"] == later
    assert claimed(house) == later


def test_it_can_be_cancelled_while_it_waits(house: House, clock: HandClock):
    registered(house, "a")
    run = jobs.run_now(house, "a", ME, at=TOMORROW)
    assert queue.cancel(house, run.id, ME).state == "cancelled"
    clock.advance(2 * DAY)
    assert claimed(house) is None


def test_a_pause_holds_it_back_past_its_time(house: House, clock: HandClock):
    registered(house, "a")
    run = jobs.run_now(house, "a", ME, at=TOMORROW)
    jobs.pause(house, "a", ME)
    clock.advance(2 * DAY)
    assert claimed(house) is None
    jobs.resume(house, "a", ME)
    assert claimed(house) == run.id


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("2026-02-04T08:00:00Z", "passed"),
        ("2027-02-05T08:00:01Z", "more than 366 days"),
        ("tomorrow", "no time"),
        ("2026-03-29 02:30", "the clocks skip it"),
        ("9999-12-31T23:59:59-12:00", "not between 1970 and 9999"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused_with_a_sentence(house: House, at: str, why: str):
    registered(house, "a")
    with pytest.raises(Invalid) as refusal:
        jobs.run_now(house, "a", ME, at=at)
    assert why in refusal.value.message and refusal.value.facts["errors"][0]["pointer"] == "/at"
    assert history.list_runs(house)[0] == []


def test_thirty_days_and_forty_restarts_later_it_runs_once(house: House, clock: HandClock):
    registered(house, "a", every=DAY * 40)
    run = jobs.run_now(house, "a", ME, at="2026-03-06T08:00:00Z")
    for _ in range(40):
        clock.advance(30 * DAY / 40 - 1)
        feed = Feed()
        database = Database(house.paths.database, committed=feed.committed)
        again = replace(house, db=database, feed=feed, owner=f"start at {clock.now()}", up_since=clock.now())
        Scheduler(again).catch_up()
        assert queue.claim(again) is None
        database.close()
    clock.advance(41)
    assert claimed(house) == run.id
    queue.finish(house, run.id, 1, Ending(state=RunState.SUCCEEDED))
    assert claimed(house) is None
    assert [each.id for each in history.list_runs(house)[0]] == [run.id]

"""Backfills: past due times as runs, after everything else, cancelled as one."""

from __future__ import annotations

from time import process_time

import pytest

from longhouse import audit, backfills, history, jobs, pauses, queue
from longhouse.errors import Conflict, Invalid, NotFound
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store.backfills import Backfill
from tests.conftest import START, HandClock
from tests.longhouse.test_ledger import MINUTE, entries, minutely, settle
from tests.longhouse.test_queue import claimed, enqueued, registered

ME = By("me", "cli")
LOW, HIGH = "2026-02-04T07:00:00Z", "2026-02-04T07:04:00Z"


def started(house: House, low: str = LOW, high: str = HIGH, job_id: str = "a") -> Backfill:
    count = len(backfills.plan(house, job_id, low, high).dues)
    return backfills.start(house, job_id, low, high, ME, confirm=count)


def finish(house: House, run_id: int) -> None:
    queue.finish(house, run_id, 1, Ending(state=RunState.SUCCEEDED))


def test_both_ends_are_in_it_and_each_run_has_its_due_time(house: House):
    minutely(house)
    made = started(house)
    found = list(reversed(history.list_runs(house, backfill_id=made.id)[0]))
    assert [run.due for run in found] == [START - (60 - n) * MINUTE for n in range(5)]
    assert {(run.trigger, run.actor, run.backfill_id) for run in found} == {("backfill", "me", made.id)}
    assert (made.count, made.first, made.last, made.runs) == (5, found[0].due, found[-1].due, {"queued": 5})
    assert entries(house) == [], "the ledger is left as it is"


def test_one_after_another_in_order_of_time(house: House):
    minutely(house)
    made = started(house)
    order = []
    while (run_id := claimed(house)) is not None:
        assert claimed(house) is None
        order.append(history.get(house, run_id).due)
        finish(house, run_id)
    assert len(order) == 5 and order == sorted(order)
    assert backfills.left(backfills.get(house, made.id)) == 0


def test_all_at_once_where_runs_may_overlap(house: House):
    minutely(house, overlap="allow")
    started(house)
    assert len({claimed(house) for _ in range(5)} - {None}) == 5


def test_what_is_due_meanwhile_fires_and_goes_first(house: House, clock: HandClock):
    minutely(house)
    made = started(house)
    backfilled = claimed(house)
    assert backfilled is not None
    clock.advance(60)
    assert settle(house) == 1 and entries(house) == [(1, 1, 1, "ran")], "not skipped: a backfill is in nobody's way"
    assert claimed(house) is None, "but no two at once"
    finish(house, backfilled)
    live = claimed(house)
    assert live is not None and history.get(house, live).trigger == "schedule"
    finish(house, live)
    by_hand = jobs.run_now(house, "a", ME).id
    assert claimed(house) == by_hand
    finish(house, by_hand)
    assert history.get(house, claimed(house) or 0).backfill_id == made.id


def test_it_comes_after_other_jobs_and_leaves_a_slot_free(house: House):
    minutely(house)
    started(house)
    low = enqueued(house, registered(house, "b", priority=-1000))
    assert queue.claim(house, spare=False) is not None
    assert history.get(house, low).state == "running"
    assert queue.claim(house, spare=False) is None, "no slot to spare"
    assert claimed(house) is not None


def test_a_pause_holds_it_back(house: House):
    minutely(house)
    started(house)
    pauses.pause(house, ME)
    assert claimed(house) is None
    pauses.resume(house, ME)
    assert claimed(house) is not None


def test_due_times_that_have_run_before_are_counted_and_run_again(house: House, clock: HandClock):
    minutely(house, overlap="allow")
    for _ in range(3):
        clock.advance(60)
        settle(house)
    low, high = "2026-02-04T08:00:00Z", "2026-02-04T08:03:00Z"
    found = backfills.plan(house, "a", low, high)
    assert (len(found.dues), found.ran_before) == (4, 3)
    started(house, low, high)
    assert backfills.plan(house, "a", low, high).ran_before == 4
    assert entries(house) == [(n, n, 1, "ran") for n in (1, 2, 3)]


def test_a_missed_firing_keeps_its_entry(house: House, clock: HandClock):
    minutely(house, catch_up="skip", misfire_grace_seconds=10)
    clock.advance(10 * 60 + 30)
    settle(house)
    before = entries(house)
    made = started(house, "2026-02-04T08:01:00Z", "2026-02-04T08:10:00Z")
    assert made.count == 10 and entries(house) == before and before[0][3].startswith("missed")


def test_it_is_cancelled_as_one(house: House):
    minutely(house)
    made = started(house)
    running = claimed(house)
    assert running is not None
    cancelled = backfills.cancel(house, made.id, ME)
    assert (cancelled.runs, cancelled.cancelled_at) == ({"cancelled": 4, "running": 1}, house.clock.now())
    assert history.get(house, running).cancel_requested_at is not None
    finish(house, running)
    with pytest.raises(Conflict):
        backfills.cancel(house, made.id, ME)
    with pytest.raises(NotFound):
        backfills.cancel(house, 99, ME)


def test_it_is_one_act_in_the_audit_trail(house: House):
    minutely(house)
    started(house)
    with house.db.read() as db:
        assert [row[0] for row in db.execute("SELECT verb FROM audit")] == ["backfill.create"]
    assert audit.verify(house) is None


def test_parameters_are_those_of_the_schedule_or_are_checked(house: House):
    minutely(house)
    with pytest.raises(Invalid):
        backfills.start(house, "a", LOW, HIGH, ME, confirm=5, params={"absent": 1})
    assert history.list_runs(house)[0] == []


@pytest.mark.parametrize(
    ("low", "high", "why"),
    [
        (HIGH, LOW, "ends before it begins"),
        (LOW, "2026-02-04T08:00:00.001Z", "in the future"),
        ("2026-02-04T07:00:01Z", "2026-02-04T07:00:59Z", "no due time"),
        ("2026-02-01T07:00:00Z", HIGH, "more than 1000"),
        ("1969-12-31T23:59:59Z", HIGH, "not between 1970 and 9999"),
        ("9999-12-31T23:59:59-12:00", HIGH, "not between 1970 and 9999"),
        ("then", HIGH, "no time"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_with_a_sentence(house: House, low: str, high: str, why: str):
    minutely(house)
    with pytest.raises(Invalid) as refusal:
        backfills.plan(house, "a", low, high)
    assert why in refusal.value.message and refusal.value.hint


def test_another_number_than_was_confirmed_starts_nothing(house: House):
    minutely(house)
    with pytest.raises(Conflict, match="5 due times"):
        backfills.start(house, "a", LOW, HIGH, ME, confirm=4)
    assert backfills.list_backfills(house) == ([], None)


def test_a_job_by_hand_has_no_due_times(house: House):
    registered(house, "a")
    with pytest.raises(Invalid, match="no schedule"):
        backfills.plan(house, "a", LOW, HIGH)


def test_a_thousand_are_queued_and_cancelled_quickly_and_cost_a_claim_little(house: House):
    minutely(house)
    began = process_time()
    made = started(house, "2026-02-03T15:20:00Z", "2026-02-04T07:59:00Z")
    queued = process_time() - began
    assert made.count == 1000
    enqueued(house, registered(house, "b"))
    began = process_time()
    assert claimed(house) is not None and claimed(house) is not None and claimed(house) is None
    claims = process_time() - began
    began = process_time()
    assert backfills.cancel(house, made.id, ME).runs == {"cancelled": 999, "running": 1}
    cancelled = process_time() - began
    print(f"queued in {queued:.2f} s, three claims in {claims * 1000:.0f} ms, cancelled in {cancelled:.2f} s")
    assert max(queued, cancelled) < 3 and claims < 0.5

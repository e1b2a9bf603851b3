"""The durable queue: once in, exactly one end."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from longhouse import audit, history, queue
from longhouse import jobs as job_verbs
from longhouse.errors import Conflict, NotFound, Unavailable
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.runs.state import Reason, RunState
from longhouse.store import jobs, runs
from longhouse.store.jobs import Job
from tests.conftest import HandClock
from zerg._wire import JobDescription

ME = By("me", "cli")
DONE = Ending(state=RunState.SUCCEEDED, result={"n": 1})
FAILED = Ending(state=RunState.FAILED, reason=Reason.EXCEPTION, message="ValueError: no")
INTERRUPTED = Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message="Gone.")


def registered(house: House, job_id: str = "a", **settings: Any) -> Job:
    spec = JobDescription(
        id=job_id,
        module="jobs.a",
        function="run",
        file="manifest.py",
        line=3,
        source_file="jobs/a.py",
        source_line=1,
        **settings,
    )
    with house.db.write() as db:
        jobs.put(db, spec, enabled=True, commit="c1", environment="", now=house.clock.now())
        found = jobs.get(db, job_id)
    assert found is not None
    return found


def enqueued(house: House, job: Job, **settings: Any) -> int:
    with house.db.write() as db:
        return queue.enqueue(house, db, job, trigger="manual", by=ME, **settings)


def claimed(house: House) -> int | None:
    found = queue.claim(house)
    return found.run.id if found else None


def test_a_run_goes_in_and_out_with_its_result_and_its_audit_rows(house: House):
    run_id = enqueued(house, registered(house), params={"n": 1})
    taken = queue.claim(house)
    assert taken is not None
    assert (taken.run.id, taken.run.state, taken.attempt, taken.run.commit_sha) == (run_id, "running", 1, "c1")
    assert queue.finish(house, run_id, 1, DONE) is RunState.SUCCEEDED
    details = history.details(house, run_id)
    assert (details.run.state, details.run.result) == ("succeeded", {"n": 1})
    assert details.run.finished_at == house.clock.now()
    assert [(row["attempt"], row["state"]) for row in details.attempts] == [(1, "succeeded")]
    assert audit.verify(house) is None
    with house.db.read() as db:
        verbs = [row[0] for row in db.execute("SELECT verb FROM audit ORDER BY seq")]
    assert verbs == ["run.create", "run.finish"]


def test_the_second_finish_changes_nothing(house: House):
    run_id = enqueued(house, registered(house))
    claimed(house)
    queue.finish(house, run_id, 1, DONE)
    assert queue.finish(house, run_id, 1, FAILED) is None
    assert history.get(house, run_id).state == "succeeded"


def test_a_stale_attempt_cannot_end_the_run_of_its_successor(house: House):
    run_id = enqueued(house, registered(house))
    claimed(house)
    queue.finish(house, run_id, 1, INTERRUPTED)
    assert claimed(house) == run_id
    assert queue.finish(house, run_id, 1, DONE) is None
    assert history.get(house, run_id).state == "running"
    assert queue.finish(house, run_id, 2, DONE) is RunState.SUCCEEDED


def test_failures_are_tried_again_with_doubling_delays_then_fail(house: House, clock: HandClock):
    run_id = enqueued(house, registered(house, max_attempts=3, retry_delay_seconds=10))
    waits = []
    for attempt in (1, 2, 3):
        assert claimed(house) == run_id
        queue.finish(house, run_id, attempt, FAILED)
        run = history.get(house, run_id)
        waits.append((run.state, run.not_before - clock.now()))
        assert claimed(house) is None
        clock.advance(30)
    states, delays = zip(*waits, strict=True)
    assert states == ("retrying", "retrying", "failed")
    assert 10_000 <= delays[0] <= 11_000
    assert 20_000 <= delays[1] <= 22_000
    assert history.get(house, run_id).reason == "exception"
    assert claimed(house) is None


def test_a_stop_of_the_server_costs_no_try_but_one_try_is_one_try(house: House):
    stopped = Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message="Stopped.", free_try=True)
    several = enqueued(house, registered(house, max_attempts=2))
    for attempt in range(1, 6):
        assert claimed(house) == several
        assert queue.finish(house, several, attempt, stopped) is RunState.RETRYING
    once = enqueued(house, registered(house, "b", max_attempts=1, priority=9))
    assert claimed(house) == once
    assert queue.finish(house, once, 1, stopped) is RunState.FAILED


def test_a_run_that_takes_its_supervisor_with_it_is_quarantined_after_three_attempts(house: House):
    run_id = enqueued(house, registered(house, max_attempts=50))
    for attempt in (1, 2, 3):
        assert claimed(house) == run_id
        queue.finish(house, run_id, attempt, INTERRUPTED)
    run = history.get(house, run_id)
    assert (run.state, run.reason) == ("failed", "quarantined")
    assert "not tried again" in run.message


def test_higher_priority_first_then_longest_due(house: House, clock: HandClock):
    job_ids = [("low", -1), ("first", 0), ("second", 0), ("high", 5)]
    order = []
    for name, priority in job_ids:
        order.append(enqueued(house, registered(house, name, priority=priority)))
        clock.advance(1)
    assert [claimed(house) for _ in order] == [order[3], order[1], order[2], order[0]]


def test_one_run_of_a_job_at_a_time_unless_it_allows_more(house: House):
    queued = registered(house, "a", overlap="queue")
    first, second = enqueued(house, queued), enqueued(house, queued)
    assert claimed(house) == first
    assert claimed(house) is None
    queue.finish(house, first, 1, FAILED)
    assert claimed(house) is None, "the first waits to be tried again: the second stays behind it"
    queue.cancel(house, first, ME)
    assert claimed(house) == second
    free = registered(house, "b", overlap="allow")
    both = {enqueued(house, free), enqueued(house, free)}
    assert {claimed(house), claimed(house)} == both


def test_a_concurrency_group_never_exceeds_its_limit(house: House):
    members = [registered(house, name, concurrency_group="db", concurrency_limit=2) for name in ("a", "b", "c")]
    ids = [enqueued(house, job) for job in members]
    assert [claimed(house), claimed(house), claimed(house)] == [ids[0], ids[1], None]
    queue.finish(house, ids[0], 1, DONE)
    assert claimed(house) == ids[2]


def test_a_run_takes_the_settings_that_are_loaded_when_it_starts_unless_pinned(house: House):
    old = registered(house, timeout_seconds=1, overlap="allow")
    follows, pinned = enqueued(house, old), enqueued(house, old, pinned=True)
    registered(house, timeout_seconds=2, overlap="allow")
    with house.db.write() as db:
        jobs.set_commit(db, "c2")
    assert (claimed(house), claimed(house)) == (follows, pinned)
    found = [history.get(house, run_id) for run_id in (follows, pinned)]
    shown = [(run.commit_sha, run.spec["timeout_seconds"]) for run in found]
    assert shown == [("c2", 2), ("c1", 1)]


def test_cancel_ends_a_waiting_run_at_once_and_asks_a_running_one(house: House):
    waiting = enqueued(house, registered(house))
    assert queue.cancel(house, waiting, ME).state == "cancelled"
    with pytest.raises(Conflict, match="was cancelled"):
        queue.cancel(house, waiting, ME)
    running = enqueued(house, registered(house))
    claimed(house)
    assert queue.cancel(house, running, ME).state == "running"
    assert queue.cancel(house, running, ME).state == "running", "asking twice is no error"
    assert queue.finish(house, running, 1, FAILED) is RunState.CANCELLED
    with pytest.raises(NotFound, match="no run 999"):
        queue.cancel(house, 999, ME)


def test_many_threads_never_share_a_run(house: House):
    ids = [enqueued(house, registered(house, f"j{n}")) for n in range(40)]
    taken: list[int] = []

    def worker() -> None:
        while (found := queue.claim(house)) is not None:
            taken.append(found.run.id)

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids


def test_if_the_audit_row_fails_the_act_is_undone(house: House, monkeypatch: pytest.MonkeyPatch):
    job = registered(house)

    def broken(*args: object) -> None:
        raise OSError("no audit")

    monkeypatch.setattr("longhouse.store.audit.append", broken)
    with pytest.raises(OSError, match="no audit"):
        enqueued(house, job)
    monkeypatch.undo()
    with house.db.read() as db:
        assert runs.active_of_job(db, "a") == []


def test_a_changed_audit_row_is_found(house: House):
    for _ in range(5):
        enqueued(house, registered(house))
    assert audit.verify(house) is None
    with house.db.write() as db:
        db.execute("UPDATE audit SET actor = 'somebody' WHERE seq = 3").fetchall()
    assert audit.verify(house) == 3


def test_a_trial_holds_nothing_up_and_stays_one_when_it_is_run_again(house: House):
    job = registered(house, overlap="skip")
    trial = replace(job, spec=job.spec.replace(overlap="allow"), commit_sha="tree")
    with house.db.write() as db:
        first = queue.enqueue(house, db, trial, trigger="trial", by=ME, pinned=True, max_attempts=1)
    assert claimed(house) == first
    real = enqueued(house, job)
    assert claimed(house) == real, "beside the trial"
    queue.finish(house, first, 1, DONE)
    again = job_verbs.rerun(house, first, ME, same_commit=True)
    assert (again.trigger, again.max_attempts, again.commit_sha) == ("trial", 1, "tree")
    with pytest.raises(Conflict, match="overlap"):
        job_verbs.rerun(house, first, ME, same_commit=False)


def test_a_closed_database_says_so_instead_of_waiting_for_ever(house):
    house.db.close()
    house.db.close()
    with pytest.raises(Unavailable, match="closed"), house.db.read():
        pass

"""Runs that somebody deletes: all that belongs to them goes, the ledger keeps its entries, and nothing else goes."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from longhouse import accounts, activity, audit, backfills, deletions, history, jobs, queue, retention
from longhouse.engine.sweeper import ASK_AGAIN_SECONDS, INTERVAL_SECONDS, Sweeper
from longhouse.errors import Conflict, Invalid
from longhouse.house import SYSTEM, By, House
from longhouse.queue import Ending
from longhouse.runs.state import Reason, RunState
from longhouse.store import deletions as rows
from longhouse.store import events, firings, run_search
from longhouse.store import jobs as job_rows
from longhouse.store import runs as run_rows
from longhouse.store.database import many, one
from longhouse.store.run_search import Wanted
from tests.conftest import Browser, HandClock
from tests.instance import until
from tests.reliability.seeds import a_seed

AddJob = Callable[..., None]
Command = Callable[..., tuple[int, str, str]]
OWNER = By("owner", "web")
MINUTE = 60_000


def ended(house: House, job_id: str = "a", message: str = "", state: RunState = RunState.FAILED) -> int:
    """A run that was due, ran and ended, with output, an artifact and its entry in the ledger."""
    with house.db.write() as db:
        job = job_rows.get(db, job_id)
        assert job is not None
        due = house.clock.now()
        run_id = queue.enqueue(house, db, job, trigger="schedule", by=SYSTEM, due=due, max_attempts=1)
        firings.record(db, job_id, due, last=due, count=1, end="ran", run_id=run_id, now=due)
    claimed = queue.claim(house)
    assert claimed is not None and claimed.run.id == run_id
    reason = Reason.EXIT if state is RunState.FAILED else None
    assert queue.finish(house, run_id, 1, Ending(state=state, reason=reason, message=message)) is state
    for folder in (house.paths.output / str(run_id), house.paths.artifacts / str(run_id) / "1"):
        folder.mkdir(parents=True)
        (folder / "1.log").write_bytes(b"x" * 600)
    with house.db.write() as db:
        value = {"run_id": run_id, "attempt": 1, "name": "report", "media_type": "text/plain", "size": 600}
        run_rows.add_artifact(db, {**value, "file": f"{run_id}/1/1.log", "now": due})
    assert isinstance(house.clock, HandClock)
    house.clock.advance(60)
    return run_id


def left(house: House) -> list[int]:
    with house.db.read() as db:
        return [row["id"] for row in many(db, "SELECT id FROM runs ORDER BY id")]


def ledger(house: House) -> list[tuple[str, int | None]]:
    with house.db.read() as db:
        return [(row["end"], row["run_id"]) for row in many(db, 'SELECT "end", run_id FROM firings ORDER BY due')]


def told(house: House) -> list[dict[str, Any]]:
    with house.db.read() as db:
        return [row["data"] for row in events.after(db, 0, 10_000) if row["type"] == "run.deleted"]


def pending(house: House) -> int:
    with house.db.read() as db:
        return len(rows.pending(db))


# --- one ------------------------------------------------------------------------------------------------------------


def test_a_run_goes_with_all_that_is_its_own_and_the_ledger_says_that_it_ran(
    house: House, client: TestClient, add_job: AddJob
) -> None:
    add_job("a")
    first, second = ended(house), ended(house)
    again = jobs.rerun(house, first, OWNER, same_commit=True).id
    answer = client.delete(f"/api/runs/{first}")
    assert answer.status_code == 200
    assert answer.json() == {"count": 1, "active": 0, "gone": 0, "left": 0, "freed_bytes": 1200, "ended_by": None}
    assert left(house) == [second, again]
    assert os.listdir(house.paths.output) == os.listdir(house.paths.artifacts) == [str(second)]
    with house.db.read() as db:
        assert {row["run_id"] for row in many(db, "SELECT run_id FROM attempts")} == {second}
        assert {row["run_id"] for row in many(db, "SELECT run_id FROM artifacts")} == {second}
        assert one(db, "PRAGMA foreign_key_check") is None
    assert ledger(house) == [("ran", None), ("ran", second)]
    assert history.get(house, again).rerun_of is None
    assert told(house) == [{"runs": [first], "jobs": ["a"]}] and not pending(house)
    act = activity.list_acts(house)[0][0]
    assert (act.verb, act.said.text) == ("run.delete", f"deleted run {first} of a")
    assert act.before["state"] == "failed" and audit.verify(house) is None
    assert activity.list_acts(house, act="runs", job="a")[0][0] == act
    for path in ("", "/logs", "/artifacts/report"):
        assert client.get(f"/api/runs/{first}{path}").status_code == 404
    gone = client.delete(f"/api/runs/{first}")
    assert gone.status_code == 404 and gone.json()["detail"] == f"there is no run {first}"
    assert len(told(house)) == 1


def test_a_run_that_has_not_ended_stays(house: House, client: TestClient, add_job: AddJob) -> None:
    add_job("a", max_attempts=2)
    run_id = jobs.run_now(house, "a", OWNER).id
    for state, act in (
        ("queued", lambda: None),
        ("running", lambda: queue.claim(house)),
        ("retrying", lambda: queue.finish(house, run_id, 1, Ending(state=RunState.FAILED))),
    ):
        act()
        answer = client.delete(f"/api/runs/{run_id}")
        assert answer.status_code == 409
        assert answer.json()["detail"] == f"run {run_id} has not ended: it is {state}"
        assert answer.json()["hint"] == f"Cancel it first: longhouse-jobs runs cancel {run_id}"
        assert left(house) == [run_id]
    for body in ({"runs": [run_id]}, {"matching": {"job": "a"}, "confirm": 0}):
        found = client.post("/api/runs/delete", json=body).json()
        assert (found["count"], found["active"]) == (0, 1)
    assert left(house) == [run_id] and not told(house)


def test_whoever_may_only_look_and_run_deletes_nothing(house: House, anonymous: TestClient, add_job: AddJob) -> None:
    add_job("a")
    run_id = ended(house)
    token = accounts.new_token(house, "runs", ("runs:read", "runs:write", "jobs:read", "jobs:write"), SYSTEM).value
    headers = {"Authorization": f"Bearer {token}"}
    for answer in (
        anonymous.delete(f"/api/runs/{run_id}", headers=headers),
        anonymous.post("/api/runs/delete", json={"runs": [run_id]}, headers=headers),
    ):
        assert (answer.status_code, answer.json()["scope"]) == (403, "admin")
    assert left(house) == [run_id]


# --- many -----------------------------------------------------------------------------------------------------------


def test_of_those_that_are_named_the_unfinished_stay_and_the_gone_are_counted(
    house: House, client: TestClient, add_job: AddJob
) -> None:
    add_job("a")
    one_, two, three = (ended(house) for _ in range(3))
    active = jobs.run_now(house, "a", OWNER).id
    body = {"runs": [one_, two, active, 999]}
    assert client.post("/api/runs/delete", json={**body, "dry_run": True}).json()["count"] == 2
    assert left(house) == [one_, two, three, active]
    found = client.post("/api/runs/delete", json=body).json()
    assert (found["count"], found["active"], found["gone"], found["left"]) == (2, 1, 1, 0)
    assert left(house) == [three, active]
    again = client.post("/api/runs/delete", json=body).json()
    assert (again["count"], again["active"], again["gone"]) == (0, 1, 3), "said again, nothing is left to do"
    acts = [act for act in activity.list_acts(house)[0] if act.verb == "run.delete"]
    assert [(act.said.text, act.after) for act in acts] == [("deleted 2 runs", {"count": 2, "runs": [one_, two]})]
    with pytest.raises(Invalid, match="1,001"):
        deletions.named(house, list(range(1001)))


def test_all_that_fit_go_once_their_number_is_confirmed(
    house: House, clock: HandClock, client: TestClient, add_job: AddJob
) -> None:
    add_job("a")
    add_job("b")
    bad, fine = [ended(house) for _ in range(3)], ended(house, state=RunState.SUCCEEDED)
    other = ended(house, "b")
    asked = {"job": "a", "state": ["failed"]}
    answer = client.post("/api/runs/delete", json={"matching": asked})
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/confirm"
    dry = client.post("/api/runs/delete", json={"matching": asked, "dry_run": True}).json()
    assert (dry["count"], dry["left"]) == (3, 3)
    clock.advance(1)
    later = ended(house)
    refused = client.post("/api/runs/delete", json={"matching": asked, "confirm": dry["count"]})
    assert refused.status_code == 409 and refused.json()["detail"] == "4 runs would go, not 3"
    body = {"matching": {**asked, "ended_by": dry["ended_by"]}, "confirm": dry["count"]}
    assert client.post("/api/runs/delete", json=body).json()["count"] == 3
    assert left(house) == [fine, other, later], "what ended after the question stays"
    act = activity.list_acts(house)[0][0]
    assert act.said.text == "deleted 3 runs: job a, state failed" and act.after["count"] == 3
    for wrong in ({"matching": {}, "runs": [1]}, {"runs": [True]}, {"matching": {"state": ["bad"]}}, {"runs": ["1"]}):
        assert client.post("/api/runs/delete", json=wrong).status_code == 422, wrong
    assert client.post("/api/runs/delete", json={"matching": {}, "confirm": 9}).json()["count"] == 3
    assert activity.list_acts(house)[0][0].said.text == "deleted 3 runs: all that had ended"
    assert [end for end, _ in ledger(house)] == ["ran"] * 6
    assert bad and left(house) == []


def test_what_fits_is_what_the_list_shows(house: House, add_job: AddJob) -> None:
    add_job("a")
    made = {name: ended(house, message=f"{name} is full") for name in ("disk", "net")}
    made["fine"] = ended(house, state=RunState.SUCCEEDED)
    net = history.get(house, made["net"])
    for wanted, goes in (
        (Wanted(text="disk"), "disk"),
        (Wanted(reason="exit"), "disk net"),
        (Wanted(trigger="manual"), ""),
        (Wanted(commit="c0ffee"), "disk net fine"),
        (Wanted(fingerprint=net.fingerprint), "disk net"),
        (Wanted(since=net.created_at), "net fine"),
        (Wanted(until=net.created_at), "disk"),
        (Wanted(since=net.created_at + 10 * MINUTE), ""),
        (Wanted(states=("queued", "succeeded")), "fine"),
        (Wanted(states=("queued", "running")), ""),
    ):
        plan, expected = deletions.matching(house, wanted), {made[name] for name in goes.split()}
        assert set(deletions.first(house, plan, 10)) == expected and plan.count == len(expected), wanted
        assert {run.id for run in history.list_runs(house, wanted)[0]} == expected
    plan = deletions.matching(house, Wanted(since=net.created_at))
    deletions.carry_out(house, plan, OWNER, confirm=plan.count)
    assert left(house) == [made["disk"]]


def test_a_search_that_reaches_so_far_takes_none_that_it_had_not_reached(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of messages only the newest are looked through; when those are gone, older ones are the newest."""
    monkeypatch.setattr(run_search, "SEARCHED", 30)
    add_job("a")
    made = [ended(house, message="the same") for _ in range(50)]
    plan = deletions.matching(house, Wanted(text="same"))
    assert plan.count == 30
    deletions.carry_out(house, plan, OWNER, confirm=30)
    assert left(house) == made[:20]


def reached(house: House, text: str, searched: int) -> set[int]:
    """What a search finds of what has ended, said plainly."""
    with house.db.read() as db:
        found = many(db, "SELECT id, message, finished_at FROM runs ORDER BY id DESC")
    said = [row["id"] for row in found if row["message"]][:searched]
    return {
        row["id"]
        for row in found
        if row["finished_at"] and (str(row["id"]) == text or (row["id"] in said and text in row["message"]))
    }


def wrongly_gone_or_left(house: House, clock: HandClock, chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> int:
    """Somebody deletes by texts and numbers again and again; a part goes at once, the rest as after a restart.
    Meanwhile runs end that had not when they were counted."""
    wrong, counted = 0, 0
    monkeypatch.setattr(retention, "next_batch", lambda count, took: chance.randint(1, 6))
    for _ in range(8):
        numbers = [str(ended(house)) for _ in range(3)]
        for _ in range(20):
            named = f"not after {' and '.join(chance.sample(numbers, 2))}"
            ended(house, message=chance.choice(("", "disk is full", named, named)))
        active = jobs.run_now(house, "a", OWNER).id
        assert queue.claim(house) is not None
        ended(house, message="disk is full")
        monkeypatch.setattr(run_search, "SEARCHED", chance.randint(1, 20))
        monkeypatch.setattr(retention, "FIRST_BATCH", chance.randint(1, 6))
        monkeypatch.setattr(deletions, "SECONDS", chance.choice((0.0, 60.0)))
        text = chance.choice(("disk", "after", *numbers, *numbers))
        before, right = left(house), reached(house, text, run_search.SEARCHED)
        plan = deletions.matching(house, Wanted(text=text))
        assert plan.count == len(right), text
        clock.advance(1)
        queue.finish(house, active, 1, Ending(state=RunState.FAILED, message=f"{text} at last"))
        ended(house, message=f"{text} again")
        deletions.carry_out(house, plan, OWNER, confirm=plan.count)
        for _ in deletions.carry_on(house, set()):
            pass
        wrong += len(right ^ (set(before) - set(left(house))))
        counted += len(right)
    assert counted, "the deletions are of something"
    return wrong


def test_exactly_what_was_counted_goes_however_far_the_search_reaches_by_then(
    house: House, clock: HandClock, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number in the text is a run that may be older than all that was looked through."""
    seed = a_seed()
    add_job("a", overlap="allow", max_attempts=1)
    assert wrongly_gone_or_left(house, clock, random.Random(seed), monkeypatch) == 0, f"seed {seed}"
    monkeypatch.setattr(run_search, "floor", lambda *_: None)
    assert wrongly_gone_or_left(house, clock, random.Random("control"), monkeypatch) > 0


def test_a_beginning_that_fits_too_many_commits_is_refused(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job("a")
    ended(house)
    assert deletions.matching(house, Wanted(commit="c0")).count == 1
    monkeypatch.setattr(run_search, "RESOLVED", 1)
    with pytest.raises(Invalid, match="'c0' is the beginning of very many names"):
        deletions.matching(house, Wanted(commit="c0"))


# --- in the background, and cut short -------------------------------------------------------------------------------


def test_what_takes_longer_goes_in_the_background(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "SECONDS", 0.0)
    add_job("a")
    made = [ended(house) for _ in range(50)]
    plan = deletions.matching(house, Wanted(job_id="a"))
    found = deletions.carry_out(house, plan, OWNER)
    assert (found.count, found.left) == (50, 30), "one batch"
    assert left(house) == made[:30] and pending(house) == 1
    assert house.feed.sweep.wait(0), "the sweeper is woken"
    late = ended(house)
    sweeper = Sweeper(house, lambda: True)
    assert until(lambda: bool(sweeper.step()) and not pending(house))
    assert left(house) == [late], "what came after the question stays"
    assert sorted(run for each in told(house) for run in each["runs"]) == made
    assert len([act for act in activity.list_acts(house)[0] if act.verb == "run.delete"]) == 1


def test_a_deletion_waits_neither_for_the_end_of_a_sweep_nor_for_a_quiet_hour(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweeper has been through, and waits for the instance to be idle before it gives space back."""
    monkeypatch.setattr(deletions, "SECONDS", 0.0)
    monkeypatch.setattr(retention, "spare_pages", lambda house: 1_000)
    add_job("a")
    sweeper = Sweeper(house, lambda: False)
    sweeper.step()
    assert until(lambda: sweeper.step() == ASK_AGAIN_SECONDS)
    for _ in range(50):
        ended(house)
    deletions.carry_out(house, deletions.matching(house, Wanted(job_id="a")), OWNER)
    assert pending(house) == 1
    assert until(lambda: bool(sweeper.step()) and not pending(house))
    assert left(house) == []


def test_what_dies_in_between_is_finished_by_the_next_start(
    house: House, add_job: AddJob, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the files of a run, before its row: its page still opens, and the next sweep takes the row."""
    add_job("a")
    run_id = ended(house)

    def killed(*_: object) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(deletions, "_forget", killed)
        with pytest.raises(SystemExit):
            deletions.delete(house, run_id, OWNER)
    assert left(house) == [run_id] and not os.listdir(house.paths.output)
    page = browser.get(f"/runs/{run_id}")
    assert f"Run {run_id}" in page and "report" in page
    assert f"/runs/{run_id}" in browser.get("/runs")
    assert pending(house) == 1
    assert sum(deletions.carry_on(house, set())) == 1
    assert left(house) == [] and ledger(house) == [("ran", None)] and pending(house) == 0


def test_a_run_whose_files_cannot_be_removed_stays_until_they_can(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job("a")
    stuck, fine = ended(house), ended(house)
    real = shutil.rmtree

    def refuses(path: Path) -> None:
        if path.name == str(stuck):
            raise PermissionError(1, "Operation not permitted")
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuses)
        found = deletions.carry_out(house, deletions.named(house, [stuck, fine]), OWNER)
        assert (found.count, found.left) == (2, 1)
        assert left(house) == [stuck] and pending(house) == 1
    assert sum(deletions.carry_on(house, set())) == 1 and left(house) == [] and pending(house) == 0


def test_a_stuck_run_is_tried_again_after_an_hour_and_old_history_swept_on_an_instance_that_is_never_idle(
    house: House, clock: HandClock, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is space to give back, and always a run that the sweeper gives way to."""
    monkeypatch.setattr(retention, "spare_pages", lambda house: 1_000)
    sweeps, sweep, real = [], retention.sweep, shutil.rmtree
    monkeypatch.setattr(retention, "sweep", lambda house: sweeps.append(clock.now()) or sweep(house))
    add_job("a")
    stuck = ended(house)

    def refuses(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    sweeper = Sweeper(house, lambda: False)
    sweeper.step()
    monkeypatch.setattr(shutil, "rmtree", refuses)
    deletions.carry_out(house, deletions.named(house, [stuck]), OWNER)
    assert until(lambda: sweeper.step() == ASK_AGAIN_SECONDS)
    monkeypatch.setattr(shutil, "rmtree", real)
    clock.advance(INTERVAL_SECONDS / 2)
    assert sweeper.step() == ASK_AGAIN_SECONDS and left(house) == [stuck] and len(sweeps) == 1
    clock.advance(INTERVAL_SECONDS / 2)
    assert until(lambda: bool(sweeper.step()) and left(house) == [])
    assert len(sweeps) == 2


def test_what_is_being_carried_out_is_not_for_the_sweeper(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job("a")
    made = [ended(house) for _ in range(3)]
    swept, remove = [], retention.remove_files

    def meanwhile(house: House, run_id: int) -> int:
        swept.append(sum(deletions.carry_on(house, set())))
        return remove(house, run_id)

    monkeypatch.setattr(retention, "remove_files", meanwhile)
    found = deletions.carry_out(house, deletions.named(house, made), OWNER)
    assert (found.count, found.left, swept) == (3, 0, [0, 0, 0])
    assert [sorted(each["runs"]) for each in told(house)] == [made]


def test_a_file_that_somebody_else_removes_meanwhile_is_no_fault(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job("a")
    run_id = ended(house)
    real, gone = os.lstat, []

    def vanishes(path: str, **more: Any) -> os.stat_result:
        if not gone and os.path.isfile(path):
            gone.append(path)
            os.unlink(path)
        return real(path, **more)

    monkeypatch.setattr(os, "lstat", vanishes)
    assert deletions.delete(house, run_id, OWNER).left == 0
    assert gone and left(house) == [] and not os.listdir(house.paths.output)


def test_more_than_was_confirmed_never_goes(house: House, add_job: AddJob) -> None:
    add_job("a")
    ended(house)
    ended(house)
    plan = deletions.matching(house, Wanted())
    with pytest.raises(Conflict, match="2 runs would go, not 1"):
        deletions.carry_out(house, plan, OWNER, confirm=1)
    assert len(left(house)) == 2 and not pending(house)


def test_a_due_time_whose_run_is_gone_has_run_before(house: House, add_job: AddJob, clock: HandClock) -> None:
    add_job("a", cron="* * * * *")
    due = clock.now()
    run_id = ended(house)
    text = "2026-02-04T08:00:00Z"
    assert due == 1_770_192_000_000 and backfills.plan(house, "a", text, text).ran_before == 1
    deletions.delete(house, run_id, OWNER)
    assert backfills.plan(house, "a", text, text).ran_before == 1


# --- the command and the pages --------------------------------------------------------------------------------------


def test_the_command_deletes_by_number_and_by_what_fits(house: House, command: Command, add_job: AddJob) -> None:
    add_job("a")
    add_job("b")
    first, second, third = ended(house), ended(house), ended(house, "b")
    assert command("runs", "delete", str(first)) == (0, "1 run deleted, 1,200 bytes freed\n", "")
    code, _, said = command("runs", "delete", str(first))
    assert code == 3 and f"there is no run {first}" in said
    waits = jobs.run_now(house, "a", OWNER).id
    code, _, said = command("runs", "delete", str(waits))
    assert code == 4 and f"longhouse-jobs runs cancel {waits}" in said
    code, out, _ = command("runs", "delete", str(waits), str(first), str(second), "--dry-run")
    assert (code, out) == (0, "1 run would go; 1 has not ended and stays; 1 was gone already\n")
    code, _, said = command("runs", "delete", "--job", "a")
    assert code == 2 and "Delete 1 run with attempts, output and artifacts; 1 has not ended and stays?" in said
    assert left(house) == [second, third, waits], "without an answer nothing goes"
    code, out, _ = command("runs", "delete", "--job", "a", "--state", "failed", "--yes")
    assert (code, out) == (0, "1 run deleted, 1,200 bytes freed\n")
    assert left(house) == [third, waits]
    assert command("runs", "delete", "--job", "nobody", "--yes")[1] == "There is nothing to delete\n"
    for words in ((), (str(third), "--all"), (str(third), "--job", "b")):
        assert command("runs", "delete", *words)[0] == 2, words
    for option, value in (("job", ""), ("search", " "), ("since", "\t")):  # as of "$JOB", where JOB is not set
        code, _, said = command("runs", "delete", f"--{option}", value, "--state", "succeeded", "--yes")
        assert code == 2 and f"--{option} is empty" in said
    assert left(house) == [third, waits]
    assert command("runs", "delete", "--all", "--yes", "--json")[0] == 0
    assert left(house) == [waits]


def test_the_pages_ask_first_and_say_what_goes(house: House, browser: Browser, add_job: AddJob) -> None:
    add_job("a")
    made = [ended(house) for _ in range(60)]
    waits = jobs.run_now(house, "a", OWNER).id
    assert 'formaction="/runs/delete"' in browser.get("/runs")
    asked = browser.post("/runs/delete", run=str(made[0]))
    assert "Delete 1 run?" in asked and "output and artifacts" in asked and len(left(house)) == 61
    done = browser.post("/runs/delete", ids=str(made[0]), confirm="1")
    assert "1 run deleted" in done and "1.2 kB of output" in done
    asked = browser.post("/runs/delete", all="1", state="failed", job="a", since="30d")
    assert "Delete 59 runs?" in asked and "and 47 more" in asked
    form = asked.partition('action="/runs/delete"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', form))
    del fields["csrf"]
    assert fields["since"].endswith("Z") and fields["confirm"] == "59"
    done = browser.post("/runs/delete", **fields)
    assert "59 runs deleted" in done and left(house) == [waits]
    nothing = browser.post("/runs/delete", run=str(waits))
    assert "Only runs that have ended can be deleted" in nothing
    assert "There is nothing to delete" in browser.post("/runs/delete", all="1", job="nobody")
    assert "&#39;soon&#39; is no time" in browser.post("/runs/delete", all="1", since="soon")
    assert "no longer kept" in browser.get("/jobs/a/firings")

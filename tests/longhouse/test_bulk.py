"""Many jobs or runs at once, and failures as groups: over the API, each with its outcome."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from longhouse import bulk, failures, history, jobs, queue
from longhouse.errors import Invalid
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.runs.state import Reason, RunState
from longhouse.store import audit as audit_rows
from longhouse.store.database import all_or_nothing
from longhouse.store.run_search import Wanted
from tests.conftest import Browser, HandClock

OWNER = By("owner", "web")
DAY = 86_400


def ran(house: House, job_id: str, ending: Ending) -> int:
    run = jobs.run_now(house, job_id, OWNER)
    claimed = queue.claim(house)
    assert claimed is not None and claimed.run.id == run.id
    queue.finish(house, run.id, claimed.attempt, ending)
    return run.id


def raised(message: str, kind: str = "LookupError", file: str = "jobs/daily.py") -> Ending:
    traceback = f'Traceback (most recent call last):\n  File "{file}", line 7, in run\n{kind}: {message}\n'
    error = {"type": kind, "traceback": traceback, "file": file, "line": 7}
    return Ending(state=RunState.FAILED, reason=Reason.EXCEPTION, message=f"{kind}: {message}", error=error)


DONE = Ending(state=RunState.SUCCEEDED, exit_code=0)

# --- jobs -----------------------------------------------------------------------------------------------------------


def test_each_job_has_its_outcome_and_its_audit_row(
    house: House, client: TestClient, add_job: Callable[..., None]
) -> None:
    add_job("a")
    add_job("b", enabled=False)
    add_job("c", secrets=({"key": "TOKEN"},), enabled=False)
    answer = client.post("/api/jobs/bulk", json={"do": "enable", "jobs": ["a", "b", "nobody", "c", "b"]})
    assert answer.status_code == 200
    found = answer.json()
    assert [(each["id"], each["ok"], each["changed"]) for each in found["items"]] == [
        ("a", True, False),
        ("b", True, True),
        ("nobody", False, False),
        ("c", False, False),
    ]
    assert (found["done"], found["refused"]) == (2, 2)
    assert found["items"][2]["error"]["code"] == "not_found" and "TOKEN" in found["items"][3]["error"]["detail"]
    assert jobs.get_job(house, "b").job.enabled and not jobs.get_job(house, "c").job.enabled
    with house.db.read() as db:
        acts = [(row["verb"], row["subject"]) for row in audit_rows.page(db, 0, 50)]
    assert acts.count(("job.enable", "job:b")) == 1 and ("job.enable", "job:a") not in acts


@pytest.mark.parametrize(("do", "said"), [("disable", True), ("pause", True), ("resume", False)])
def test_jobs_are_disabled_paused_and_resumed(
    client: TestClient, add_job: Callable[..., None], do: str, said: bool
) -> None:
    for job_id in "abc":
        add_job(job_id)
    if do == "resume":
        client.post("/api/jobs/bulk", json={"do": "pause", "jobs": ["a"]})
    found = client.post("/api/jobs/bulk", json={"do": do, "jobs": ["a", "b"]}).json()["items"]
    assert [each["changed"] for each in found] == [True, said]
    again = client.post("/api/jobs/bulk", json={"do": do, "jobs": ["a"]}).json()["items"]
    assert again[0]["ok"]
    shown = client.get("/api/jobs", params={"show": {"disable": "off", "pause": "paused"}.get(do, "on")}).json()[
        "items"
    ]
    assert [each["id"] for each in shown] == (["a", "b", "c"] if do == "resume" else ["a", "b"])


def test_what_is_asked_wrongly_is_refused(client: TestClient, add_job: Callable[..., None]) -> None:
    add_job("a")
    for path, body in (
        ("/api/jobs/bulk", {"do": "remove", "jobs": ["a"]}),
        ("/api/jobs/bulk", {"do": "enable", "jobs": ["a"] * 1001}),
        ("/api/jobs/bulk", {"do": "enable", "jobs": ["a"], "until": "2026-03-01"}),
        ("/api/jobs/bulk", {"do": "pause", "jobs": ["a"], "until": "x", "more": 1}),
        ("/api/runs/bulk", {"do": "run", "runs": [1]}),
        ("/api/runs/bulk", {"do": "cancel", "jobs": ["a"]}),
        ("/api/runs/bulk", {"do": "cancel", "runs": ["a"]}),
    ):
        assert client.post(path, json=body).status_code == 422, (path, body)
    late = client.post("/api/jobs/bulk", json={"do": "pause", "jobs": ["a"], "until": "2020-01-01"}).json()
    assert late["items"][0]["error"]["code"] == "invalid"


def test_a_thousand_jobs_are_the_most(house: House) -> None:
    with pytest.raises(Invalid, match="1,001"):
        bulk.set_jobs(house, "enable", [f"job-{number}" for number in range(1001)], OWNER)


def test_a_refusal_in_the_middle_of_an_act_undoes_that_one_only(house: House, add_job: Callable[..., None]) -> None:
    add_job("a", overlap="allow")
    with house.db.write() as db:
        for number in range(3):
            try:
                with all_or_nothing(db):
                    db.execute("INSERT INTO settings (key, value) VALUES (?, '1')", (f"n{number}",)).fetchall()
                    if number == 1:
                        raise Invalid("no")
            except Invalid:
                pass
    with house.db.read() as db:
        assert db.execute("SELECT key FROM settings WHERE key LIKE 'n_'").fetchall() == [("n0",), ("n2",)]


# --- runs -----------------------------------------------------------------------------------------------------------


def test_jobs_are_run_and_a_repeated_request_runs_them_once(
    house: House, client: TestClient, add_job: Callable[..., None]
) -> None:
    add_job("a")
    add_job("b")
    body = {"do": "run", "jobs": ["a", "b"]}
    first = client.post("/api/runs/bulk", json=body, headers={"Idempotency-Key": "k"}).json()
    assert [each["ok"] for each in first["items"]] == [True, True]
    again = client.post("/api/runs/bulk", json=body, headers={"Idempotency-Key": "k"})
    assert again.json() == first and again.headers["Idempotency-Replayed"] == "true"
    assert len(history.list_runs(house)[0]) == 2
    without = client.post("/api/runs/bulk", json=body).json()
    assert without["refused"] == 2, "the control: without the key they are asked to run once more"
    assert "has run 1, which is queued; its overlap setting is 'skip'" in without["items"][0]["error"]["detail"]


def test_runs_are_cancelled_each_by_itself(house: House, client: TestClient, add_job: Callable[..., None]) -> None:
    add_job("a", overlap="allow")
    done = ran(house, "a", DONE)
    waiting = [jobs.run_now(house, "a", OWNER).id for _ in range(2)]
    found = client.post("/api/runs/bulk", json={"do": "cancel", "runs": [done, *waiting, 999]}).json()
    assert [each["ok"] for each in found["items"]] == [False, True, True, False]
    assert {history.get(house, run_id).state for run_id in waiting} == {"cancelled"}


def test_reruns_of_one_job_wait_for_each_other_and_only_what_was_active_is_in_the_way(
    house: House, client: TestClient, add_job: Callable[..., None]
) -> None:
    add_job("free", max_attempts=1)
    add_job("busy", max_attempts=1)
    failed = [ran(house, "free", raised("no")) for _ in range(3)]
    other = ran(house, "busy", raised("no"))
    active = jobs.run_now(house, "busy", OWNER).id
    found = client.post("/api/runs/bulk", json={"do": "rerun", "runs": [*reversed(failed), other]}).json()
    assert [each["id"] for each in found["items"]] == [*failed, other], "oldest first"
    assert [each["ok"] for each in found["items"]] == [True, True, True, False]
    assert f"busy has run {active}, which is queued" in found["items"][3]["error"]["detail"]
    new = [each["run"] for each in found["items"][:3]]
    assert [history.get(house, run_id).rerun_of for run_id in new] == failed
    assert history.get(house, new[0]).pinned
    latest = client.post("/api/runs/bulk", json={"do": "rerun", "runs": [failed[0]], "commit": "latest"}).json()
    assert latest["refused"] == 1, "the control: what the first act queued is in the way of the next"


def test_everything_that_fits_is_what_can_be_done_to(house: House, add_job: Callable[..., None]) -> None:
    add_job("a", max_attempts=1, overlap="allow")
    failed, fine = ran(house, "a", raised("no")), ran(house, "a", DONE)
    waits = jobs.run_now(house, "a", OWNER).id
    assert bulk.matching_runs(house, "cancel", Wanted(job_id="a")) == [waits]
    assert bulk.matching_runs(house, "rerun", Wanted(job_id="a")) == [fine, failed]
    assert bulk.matching_runs(house, "rerun", Wanted(states=("failed",))) == [failed]
    assert bulk.matching_runs(house, "cancel", Wanted(states=("failed",))) == []


def test_what_fits_is_run_again_or_cancelled_over_the_api_and_by_command(
    house: House, client: TestClient, command: Callable[..., tuple[int, str, str]], add_job: Callable[..., None]
) -> None:
    add_job("a", max_attempts=1)
    add_job("b", max_attempts=1)
    failed = [ran(house, job_id, raised("no")) for job_id in ("a", "a", "b")]
    ran(house, "a", DONE)
    fingerprint = history.get(house, failed[0]).fingerprint or ""
    body = {"do": "rerun", "matching": {"fingerprint": fingerprint, "job": "a"}}
    found = client.post("/api/runs/bulk", json=body).json()
    assert [each["id"] for each in found["items"]] == failed[:2] and found["done"] == 2
    stopped = client.post("/api/runs/bulk", json={"do": "cancel", "matching": {"job": "a"}}).json()
    assert {each["run"] for each in stopped["items"]} == {each["run"] for each in found["items"]}
    for wrong in ({"do": "run", "matching": {}}, {"do": "cancel", "runs": [1], "matching": {}}):
        assert client.post("/api/runs/bulk", json=wrong).status_code == 422
    code, _, said = command("runs", "rerun", "--error", fingerprint)
    assert code == 2 and "Rerun 3 runs that failed with LookupError?" in said
    code, out, _ = command("runs", "rerun", "--error", fingerprint, "--latest", "--yes")
    assert (code, out) == (0, "3 of 3 runs started again\n")
    again = history.list_runs(house, states=("queued",))[0]
    assert sorted(run.rerun_of or 0 for run in again) == failed
    code, out, _ = command("runs", "rerun", "--error", fingerprint, "--yes")
    assert code == 1 and out.startswith("0 of 3 runs started again; 3 refused\n  run ")
    assert command("runs", "rerun", "--error", "0" * 16, "--yes")[0] == 3
    for words in ((), ("1", "--error", fingerprint), ("--error", fingerprint, "--wait")):
        assert command("runs", "rerun", *words)[0] == 2


# --- errors ---------------------------------------------------------------------------------------------------------


def test_errors_are_grouped_over_jobs_and_days(
    house: House, clock: HandClock, client: TestClient, add_job: Callable[..., None]
) -> None:
    for job_id in ("a", "b"):
        add_job(job_id, max_attempts=1)
    old = ran(house, "a", raised("no customer 4711", file="lib/shared.py"))
    clock.advance(3 * DAY)
    new = ran(house, "b", raised("no customer 12", file="lib/shared.py"))
    clock.advance(60)
    slow = ran(house, "a", Ending(state=RunState.FAILED, reason=Reason.TIMED_OUT, message="Timed out after 60 s."))
    ran(house, "a", DONE)
    found = client.get("/api/errors").json()
    assert found["next"] is None
    timed_out, lookup = found["items"]
    assert (timed_out["kind"], timed_out["count"], timed_out["newest_run"]) == ("timed_out", 1, slow)
    assert (lookup["kind"], lookup["message"], lookup["place"]) == ("LookupError", "no customer 12", "lib/shared.py:7")
    assert (lookup["count"], lookup["newest_run"], lookup["jobs"]) == (2, new, {"a": 1, "b": 1})
    assert lookup["days"] == [0] * 10 + [1, 0, 0, 1]
    assert lookup["first_seen"] < lookup["last_seen"]
    one = client.get(f"/api/errors/{lookup['fingerprint']}").json()
    assert one == lookup
    runs = client.get("/api/runs", params={"fingerprint": lookup["fingerprint"]}).json()["items"]
    assert [each["id"] for each in runs] == [new, old]
    assert failures.others(house, lookup["fingerprint"]) == 1 and failures.others(house, None) == 0
    assert [each["count"] for each in client.get("/api/errors", params={"job": "b"}).json()["items"]] == [1]
    assert len(client.get("/api/errors", params={"days": 3}).json()["items"]) == 2
    clock.advance(5 * DAY)
    assert client.get("/api/errors", params={"days": 3}).json()["items"] == []
    paged = client.get("/api/errors", params={"limit": 1}).json()
    rest = client.get("/api/errors", params={"limit": 1, "cursor": paged["next"]}).json()
    assert [paged["items"][0]["kind"], rest["items"][0]["kind"]] == ["timed_out", "LookupError"] and not rest["next"]
    assert client.get("/api/errors/0000000000000000").status_code == 404


def test_a_failed_attempt_that_is_tried_again_is_no_error_yet(house: House, add_job: Callable[..., None]) -> None:
    add_job("a", max_attempts=2)
    run_id = ran(house, "a", raised("no"))
    assert history.get(house, run_id).state == "retrying"
    assert failures.list_failures(house)[0] == [] and history.get(house, run_id).fingerprint is None


def test_a_day_of_an_error_begins_at_the_midnight_of_the_instance(
    house: House, clock: HandClock, add_job: Callable[..., None]
) -> None:
    add_job("a", max_attempts=1)
    clock.ms = 1_774_738_800_000  # 2026-03-29T00:00 in Berlin, the day that the clocks go forward
    ran(house, "a", raised("no"))
    clock.advance(23 * 3600 - 1)
    ran(house, "a", raised("no"))
    assert failures.list_failures(house)[0][0].days[-2:] == (0, 2)
    clock.advance(1)
    ran(house, "a", raised("no"))
    assert failures.list_failures(house)[0][0].days[-2:] == (2, 1)
    assert json.dumps(failures.list_failures(house)[0][0].jobs) == '{"a": 3}'


def test_numbers_that_no_run_can_have_are_refused_in_a_sentence(browser: Browser) -> None:
    """Python itself refuses to read one of more than 4,300 digits."""
    for path, do in (("/runs/delete", "delete"), ("/runs/bulk", "cancel")):
        for huge in ("9" * 17, "9" * 5000, "soon"):
            for name in ("backfill",) if do == "cancel" else ("backfill", "confirm", "ended_by"):
                said = browser.post(path, 200, **{"do": do, "all": "1", name: huge})
                assert f"{name.capitalize()} is no whole number" in said, (path, name, len(huge))

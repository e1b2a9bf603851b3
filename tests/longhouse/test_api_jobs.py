"""Jobs over the API: list, look, run, enable, disable, firings, and the repo that is no job."""

import subprocess

import pytest

from longhouse import accounts, history, ledger, queue
from longhouse.house import SYSTEM
from longhouse.repo import bootstrap
from longhouse.runs.state import RunState
from longhouse.store import jobs as rows
from longhouse.store import settings
from zerg._wire import Parameter


def test_the_list_has_what_the_issue_names(client, add_job):
    add_job(tags=("mail",), project="home")
    add_job("cleanup", cron=None, every=90, enabled=False)
    page = client.get("/api/jobs").json()
    assert set(page) == {"items", "next", "manifest", "pause"} and page["next"] is None
    assert set(page["manifest"]) == {"ok", "file", "line", "error", "broken_since", "loaded_commit"}
    cleanup, digest = page["items"]
    assert digest["id"] == "daily-digest" and digest["cron"] == "0 8 * * *" and digest["every"] is None
    assert digest["timezone"] == "Europe/Berlin" and digest["enabled"] and digest["tags"] == ["mail"]
    assert digest["next_due"] == "2026-02-05T07:00:00.000Z" and digest["last_run"] is None
    assert digest["cron_text"] == "Every day at 08:00" and digest["project"] == "home"
    assert cleanup["every"] == 90 and not cleanup["enabled"] and cleanup["next_due"] is None
    assert cleanup["cron_text"] == "Every 1 min 30 s"


def test_a_long_list_comes_in_pages(client, add_job):
    for n in range(5):
        add_job(f"job-{n}")
    seen, path = [], "/api/jobs?limit=2"
    while path:
        answer = client.get(path)
        seen += [job["id"] for job in answer.json()["items"]]
        link = answer.headers.get("link")
        assert (link is None) == (answer.json()["next"] is None)
        path = link and link[1:].partition(">")[0]
    assert seen == [f"job-{n}" for n in range(5)]
    assert client.get("/api/jobs?limit=201").status_code == 422


def test_a_broken_manifest_is_said_with_file_and_line(client, house, add_job):
    add_job()
    stored = {"ok": False, "loaded_commit": "a" * 40, "error": "invalid syntax", "file": "manifest.py", "line": 7}
    with house.db.write() as db:
        settings.put(db, "manifest", {**stored, "broken_since": house.clock.now()})
    page = client.get("/api/jobs").json()
    assert len(page["items"]) == 1
    assert page["manifest"] == {**stored, "broken_since": "2026-02-04T08:00:00.000Z"}


def test_one_job_has_its_settings_and_next_due_times(client, add_job):
    add_job(secrets=({"key": "TOKEN", "label": "Token", "required": True},), timeout_seconds=60)
    answer = client.get("/api/jobs/daily-digest")
    assert answer.headers["etag"] == '"1"' and answer.json()["version"] == 1
    assert answer.json()["settings"]["timeout_seconds"] == 60
    assert answer.json()["settings"]["secrets"] == [
        {"key": "TOKEN", "label": "Token", "description": None, "required": True}
    ]
    assert len(answer.json()["upcoming"]) == 10


def test_a_job_that_is_not_there_is_a_problem(client):
    for method, path in (("GET", ""), ("POST", "/run"), ("POST", "/enable"), ("GET", "/firings")):
        answer = client.request(method, f"/api/jobs/absent{path}")
        assert answer.status_code == 404 and answer.json()["code"] == "not_found"


def test_run_answers_202_with_the_run_for_a_disabled_job_too(client, add_job):
    add_job(enabled=False)
    answer = client.post("/api/jobs/daily-digest/run")
    assert answer.status_code == 202
    run = answer.json()
    assert run["job_id"] == "daily-digest" and run["state"] == "queued" and run["trigger"] == "manual"
    assert (run["actor"], run["surface"]) == ("this machine", "api")
    assert client.get("/api/jobs").json()["items"][0]["last_run"]["id"] == run["id"]


def test_our_own_command_is_named_as_the_surface(client, add_job):
    add_job()
    answer = client.post("/api/jobs/daily-digest/run", headers={"User-Agent": "longhouse-jobs/0.1.0"})
    assert answer.json()["surface"] == "cli"


def test_parameters_are_checked_one_by_one(client, add_job):
    add_job(parameters=(Parameter(name="days", kind="int", required=True),), cron=None)
    answer = client.post("/api/jobs/daily-digest/run", json={"params": {"days": "x", "other": 1}})
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    assert {each["pointer"] for each in answer.json()["errors"]} == {"/params/days", "/params/other"}
    assert client.post("/api/jobs/daily-digest/run", json={"params": {"days": "3"}}).status_code == 422
    typed = client.post("/api/jobs/daily-digest/run", json={"params": {"days": "3"}, "text": True})
    assert typed.status_code == 202 and typed.json()["params"] == {"days": 3}


def test_a_second_run_now_is_a_conflict_while_the_first_lasts(client, add_job):
    add_job()
    first = client.post("/api/jobs/daily-digest/run").json()
    answer = client.post("/api/jobs/daily-digest/run")
    assert answer.status_code == 409 and answer.json()["run"] == first["id"] and "overlap" in answer.json()["hint"]


def test_enable_and_disable(client, house, add_job):
    add_job()
    answer = client.post("/api/jobs/daily-digest/disable")
    assert answer.status_code == 200 and not answer.json()["enabled"] and answer.headers["etag"] == '"2"'
    assert house.feed.plan_stale.is_set()
    with house.db.read() as db:
        assert rows.overrides(db)[0]["enabled"] == 0
    assert client.post("/api/jobs/daily-digest/enable").json()["enabled"]


def test_a_change_based_on_an_old_version_is_refused(client, add_job):
    add_job()
    stale = client.post("/api/jobs/daily-digest/disable", headers={"If-Match": '"7"'})
    assert stale.status_code == 412 and client.get("/api/jobs/daily-digest").json()["enabled"]
    assert client.post("/api/jobs/daily-digest/disable", headers={"If-Match": '"1"'}).status_code == 200


def test_the_ledger_of_a_job(client, house, clock, add_job):
    add_job(cron=None, every=60, misfire_grace_seconds=10_000, catch_up="all", overlap="allow")
    clock.advance(300)
    with house.db.write() as db:
        ledger.settle_job(house, db, rows.get(db, "daily-digest"), clock.now())
    page = client.get("/api/jobs/daily-digest/firings?limit=2").json()
    assert [each["end"] for each in page["items"]] == ["ran", "ran"] and page["next"]
    rest = client.get(f"/api/jobs/daily-digest/firings?cursor={page['next']}").json()
    assert len(rest["items"]) == 3
    assert rest["items"][0]["first"] < page["items"][-1]["first"]
    none = client.get("/api/jobs/daily-digest/firings?from=2026-02-01T00:00:00Z&to=2026-02-02T00:00:00%2B01:00")
    assert none.json()["items"] == []
    bad = client.get("/api/jobs/daily-digest/firings?from=yesterday")
    assert bad.status_code == 422 and bad.json()["errors"][0]["pointer"] == "/from"


# --- the repo -------------------------------------------------------------------------------------------------------


def test_repo_is_not_taken_for_a_job(client, add_job):
    add_job("repo")  # cannot happen: the id is reserved
    assert set(client.get("/api/jobs/repo").json()) >= {"ready", "path", "branch", "head", "loaded_commit", "dirty"}
    assert "cron" not in client.get("/api/jobs/repo").json()


def test_init_creates_once_and_never_overwrites(client, house):
    assert client.get("/api/jobs/repo").json()["ready"] is False
    created = client.post("/api/jobs/repo/init")
    assert created.status_code == 201 and created.json()["ready"]
    (house.paths.tree / "manifest.py").write_text("# mine\n")
    again = client.post("/api/jobs/repo/init")
    assert again.status_code == 200 and again.json()["dirty"] and not again.json()["staged"]
    subprocess.run(["git", "add", "manifest.py"], cwd=house.paths.tree, check=True)
    assert client.get("/api/jobs/repo").json()["staged"]
    assert (house.paths.tree / "manifest.py").read_text() == "# mine\n"


def test_the_history_of_the_repo(client, house):
    head = bootstrap.ensure(house.paths, known_commits=False).head
    page = client.get("/api/jobs/repo/log").json()
    assert [each["id"] for each in page["items"]] == [head] and page["next"] is None
    commit = client.get(f"/api/jobs/repo/commits/{head}").json()
    assert "manifest.py" in [change["path"] for change in commit["changes"]] and "+++ b/manifest.py" in commit["diff"]
    assert client.get(f"/api/jobs/repo/commits/{'0' * 40}").status_code == 404
    assert client.get("/api/jobs/repo/commits/--output=x").status_code == 422


def test_a_trial_runs_the_tree_as_it_stands(client, house):
    bootstrap.ensure(house.paths, known_commits=False)
    answer = client.post("/api/jobs/hello/test", headers={"Idempotency-Key": "once"})
    assert answer.status_code == 202 and answer.json()["trigger"] == "trial"
    assert client.post("/api/jobs/hello/test", headers={"Idempotency-Key": "once"}).json() == answer.json()
    (house.paths.tree / "manifest.py").write_text("def broken(:\n")
    broken = client.post("/api/jobs/hello/test")
    assert broken.status_code == 409 and broken.json()["file"] == "manifest.py" and broken.json()["line"] == 1


# --- Idempotency-Key ------------------------------------------------------------------------------------------------


def runs_of(house):
    return len(history.list_runs(house)[0])


def test_the_same_key_and_body_get_the_same_reply(client, house, clock, add_job):
    add_job(overlap="allow")
    key = {"Idempotency-Key": "a-key"}
    first = client.post("/api/jobs/daily-digest/run", headers=key)
    again = client.post("/api/jobs/daily-digest/run", headers=key)
    assert again.status_code == 202 and again.json() == first.json() and again.headers["idempotency-replayed"] == "true"
    other = client.post("/api/jobs/daily-digest/run", headers=key, json={"text": True})
    assert other.status_code == 422 and other.json()["code"] == "idempotency.key_reused"
    assert runs_of(house) == 1
    clock.advance(24 * 3600 + 1)
    assert client.post("/api/jobs/daily-digest/run", headers=key).json()["id"] != first.json()["id"]


def test_a_request_of_this_machine_is_the_same_one_after_a_restart(client, add_job, house):
    add_job(overlap="allow")
    key = {"Idempotency-Key": "a-key"}
    first = client.post("/api/jobs/daily-digest/run", headers=key).json()
    client.headers["Authorization"] = f"Bearer {accounts.machine_token(house)}"  # as each start makes a new one
    assert client.post("/api/jobs/daily-digest/run", headers=key).json()["id"] == first["id"]


def test_a_key_belongs_to_one_route_and_one_caller(client, house, add_job):
    from longhouse import accounts

    add_job(overlap="allow")
    add_job("other", overlap="allow")
    key = {"Idempotency-Key": "a-key"}
    one = client.post("/api/jobs/daily-digest/run", headers=key).json()["id"]
    two = client.post("/api/jobs/other/run", headers=key).json()["id"]
    token = accounts.new_token(house, "ci", ("runs:write",), SYSTEM).value
    three = client.post("/api/jobs/other/run", headers={**key, "Authorization": f"Bearer {token}"}).json()["id"]
    assert len({one, two, three}) == 3


def test_a_refused_request_leaves_its_key_free(client, house, add_job):
    add_job()
    key = {"Idempotency-Key": "a-key"}
    assert client.post("/api/jobs/daily-digest/run", headers=key, json={"params": {"x": 1}}).status_code == 422
    assert client.post("/api/jobs/daily-digest/run", headers=key).status_code == 202


def test_an_act_that_another_request_is_at_is_not_begun_again(client, house, monkeypatch):
    from longhouse.repo import panel

    status, seen = panel.status(house), []

    def init(house, by):
        if not seen:
            seen.append(0)
            seen[0] = client.post("/api/jobs/repo/init", headers={"Idempotency-Key": "k"})
        return True, status

    monkeypatch.setattr(panel, "init", init)
    assert client.post("/api/jobs/repo/init", headers={"Idempotency-Key": "k"}).status_code == 201
    assert seen[0].status_code == 409 and seen[0].json()["code"] == "idempotency.still_running"


def test_the_key_and_the_run_are_one_transaction(client, house, add_job, monkeypatch):
    from longhouse.store import idempotency

    add_job()
    app = client.app

    def cut(*args):
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "finish", cut)
        assert client.post("/api/jobs/daily-digest/run", headers={"Idempotency-Key": "k"}).status_code == 500
    assert runs_of(house) == 0 and app is client.app
    assert client.post("/api/jobs/daily-digest/run", headers={"Idempotency-Key": "k"}).status_code == 202


@pytest.mark.parametrize("key", ["x" * 201, "with space"])
def test_a_key_that_is_none_is_refused(client, add_job, key):
    add_job()
    assert client.post("/api/jobs/daily-digest/run", headers={"Idempotency-Key": key}).status_code == 422


def test_debug_logging_is_chosen_kept_by_a_rerun_and_on_record(client, house, add_job):
    add_job(max_attempts=1, overlap="allow")
    run = client.post("/api/jobs/daily-digest/run", json={"debug": True}).json()
    assert run["debug"] is True
    assert client.post("/api/jobs/daily-digest/run").json()["debug"] is False
    claimed = queue.claim(house)
    queue.finish(house, claimed.run.id, claimed.attempt, queue.Ending(state=RunState.FAILED, message="no", exit_code=3))
    kept = [
        client.post(f"/api/runs/{run['id']}/rerun", json=asked).json()["debug"]
        for asked in ({}, {"commit": "latest"}, {"debug": False}, {"commit": "latest", "debug": False})
    ]
    assert kept == [True, True, False, False]
    assert client.post("/api/jobs/daily-digest/run", json={"debug": "loud"}).status_code == 422


def test_a_finished_run_shows_how_it_went(client, house, add_job):
    add_job(max_attempts=1)
    run = client.post("/api/jobs/daily-digest/run").json()
    claimed = queue.claim(house)
    queue.finish(house, claimed.run.id, claimed.attempt, queue.Ending(state=RunState.FAILED, message="no", exit_code=3))
    detail = client.get(f"/api/runs/{run['id']}").json()
    assert detail["state"] == "failed" and detail["attempts"][0]["exit_code"] == 3
    assert client.get("/api/runs?state=failed&job=daily-digest").json()["items"][0]["id"] == run["id"]
    assert client.get("/api/runs?state=running").json()["items"] == []
    assert client.get("/api/runs?state=nonsense").status_code == 422
    assert client.post(f"/api/runs/{run['id']}/cancel").status_code == 409
    again = client.post(f"/api/runs/{run['id']}/rerun", json={"commit": "same"})
    assert again.status_code == 202 and again.json()["rerun_of"] == run["id"]
    cancelled = client.post(f"/api/runs/{again.json()['id']}/cancel")
    assert cancelled.status_code == 202 and cancelled.json()["state"] == "cancelled"
    assert client.post(f"/api/runs/{run['id']}/rerun", json={"commit": "latest"}).status_code == 202
    assert client.post(f"/api/runs/{run['id']}/rerun", json={"commit": "HEAD"}).status_code == 422

"""Over the API: pause, run later, backfill, and cancel all runs of a job."""

from __future__ import annotations

import pytest

from longhouse import accounts
from longhouse.house import SYSTEM

RANGE = {"from": "2026-02-04T07:00:00Z", "to": "2026-02-04 09:00"}  # the second in the instance's zone, Berlin


def test_the_whole_instance_is_paused_and_resumed(client, house, add_job):
    add_job()
    assert client.get("/api/pause").json() == {"paused": False, "pause": None}
    paused = client.post("/api/pause", json={"until": "2026-02-04T12:00:00Z"})
    assert paused.status_code == 200 and house.feed.plan_stale.is_set()
    assert paused.json() == client.get("/api/pause").json()
    assert paused.json()["pause"] == client.get("/api/jobs").json()["pause"]
    assert paused.json()["pause"]["until"] == "2026-02-04T12:00:00.000Z"
    job = client.get("/api/jobs/daily-digest").json()
    assert job["paused"] and job["pause"] is None and job["next_due"] == "2026-02-05T07:00:00.000Z"
    assert client.post("/api/pause").json()["pause"]["until"] is None
    assert client.get("/api/jobs/daily-digest").json()["next_due"] is None
    assert client.post("/api/resume").json() == {"paused": False, "pause": None}
    assert client.post("/api/resume").status_code == 200, "again changes nothing"


def test_one_job_is_paused_and_resumed(client, add_job):
    add_job()
    paused = client.post("/api/jobs/daily-digest/pause", json={"until": "2026-02-06T07:00:00Z"}).json()
    assert paused["paused"] and paused["pause"]["actor"] == "this machine"
    assert paused["next_due"] == paused["upcoming"][0] == "2026-02-06T07:00:00.000Z", "what is due at the end fires"
    assert client.get("/api/jobs").json()["pause"] is None
    resumed = client.post("/api/jobs/daily-digest/resume").json()
    assert not resumed["paused"] and resumed["next_due"] == "2026-02-05T07:00:00.000Z"


def test_what_makes_no_sense_is_a_problem_that_names_the_value(client, add_job):
    add_job()
    for path, body, pointer in (
        ("/api/pause", {"until": "yesterday"}, "/until"),
        ("/api/jobs/daily-digest/pause", {"until": "2026-02-04T07:00:00Z"}, "/until"),
        ("/api/jobs/daily-digest/run", {"at": "2028-01-01T00:00:00Z"}, "/at"),
        ("/api/jobs/daily-digest/backfill", {**RANGE, "to": "2030-01-01T00:00:00Z", "dry_run": True}, "/to"),
        ("/api/jobs/daily-digest/backfill", RANGE, "/confirm"),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == pointer, path
    for path in ("/api/jobs/absent/pause", "/api/jobs/absent/resume", "/api/jobs/absent/cancel"):
        assert client.post(path).status_code == 404
    assert client.get("/api/backfills/7").status_code == client.post("/api/backfills/7/cancel").status_code == 404


def test_a_run_for_later_is_made_once_under_its_key(client, add_job):
    add_job()
    sent = [
        client.post("/api/jobs/daily-digest/run", json={"at": "2026-02-05 12:00"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in sent] == [202, 202] and sent[0].json() == sent[1].json()
    assert sent[0].json()["trigger"] == "later" and sent[0].json()["not_before"] == "2026-02-05T11:00:00.000Z"
    assert client.post("/api/jobs/daily-digest/test", json={"at": "2026-02-05 12:00"}).status_code == 422


def test_a_backfill_is_looked_at_confirmed_followed_and_cancelled(client, add_job):
    add_job(cron="*/20 * * * *")
    path = "/api/jobs/daily-digest/backfill"
    looked = client.post(path, json={**RANGE, "dry_run": True})
    plan = looked.json()
    assert looked.status_code == 200 and (plan["id"], plan["count"], plan["ran_before"]) == (None, 4, 0)
    assert (plan["first"], plan["last"]) == ("2026-02-04T07:00:00.000Z", "2026-02-04T08:00:00.000Z")
    assert client.get("/api/runs").json()["items"] == []
    assert client.post(path, json={**RANGE, "confirm": 3}).status_code == 409
    made = [client.post(path, json={**RANGE, "confirm": 4}, headers={"Idempotency-Key": "b"}) for _ in range(2)]
    assert [each.status_code for each in made] == [202, 202] and made[0].json() == made[1].json()
    found = made[0].json()
    assert (found["count"], found["left"], found["runs"]) == (4, 4, {"queued": 4})
    runs = client.get(f"/api/runs?backfill={found['id']}").json()["items"]
    assert len(runs) == 4 and {run["backfill_id"] for run in runs} == {found["id"]}
    assert client.get("/api/jobs/daily-digest").json()["runs"] == [], "what waits is not in the strip"
    assert client.get("/api/backfills?job=daily-digest").json()["items"] == [found]
    cancelled = client.post(f"/api/backfills/{found['id']}/cancel")
    assert cancelled.status_code == 202 and cancelled.json()["left"] == 0 and cancelled.json()["cancelled_at"]
    assert client.get(f"/api/backfills/{found['id']}").json() == cancelled.json()
    assert client.post(f"/api/backfills/{found['id']}/cancel").status_code == 409


def test_all_runs_of_a_job_are_cancelled(client, add_job):
    add_job(overlap="allow")
    ids = {client.post("/api/jobs/daily-digest/run").json()["id"] for _ in range(3)}
    answer = client.post("/api/jobs/daily-digest/cancel")
    assert answer.status_code == 202 and {run["id"] for run in answer.json()["items"]} == ids
    assert {run["state"] for run in answer.json()["items"]} == {"cancelled"}
    assert client.post("/api/jobs/daily-digest/cancel").json()["items"] == []


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/api/pause", "jobs:write"),
        ("/api/resume", "jobs:write"),
        ("/api/jobs/daily-digest/pause", "jobs:write"),
        ("/api/jobs/daily-digest/resume", "jobs:write"),
        ("/api/jobs/daily-digest/cancel", "runs:write"),
        ("/api/jobs/daily-digest/backfill", "runs:write"),
        ("/api/backfills/1/cancel", "runs:write"),
    ],
)
def test_each_act_needs_its_scope(anonymous, house, add_job, path, scope):
    add_job()
    others = ("jobs:read", "runs:read", "runs:write" if scope == "jobs:write" else "jobs:write")
    made = accounts.new_token(house, "reader", others, SYSTEM)
    body = {**RANGE, "dry_run": True} if path.endswith("backfill") else None
    answer = anonymous.post(path, json=body, headers={"Authorization": f"Bearer {made.value}"})
    assert answer.status_code == 403 and answer.json()["scope"] == scope

"""Every scope against every route (S11), tokens and login links over the API."""

import re

import pytest
from fastapi.routing import iter_route_contexts

from longhouse import accounts
from longhouse.api.openapi import scopes_of
from longhouse.house import SYSTEM


def routes(app):
    for context in iter_route_contexts(app.router.routes):
        scopes = context.path and scopes_of(context)
        if scopes:
            path = re.sub(r"\{sha\}", "0" * 40, context.path)
            path = re.sub(r"\{(run_id|token_id)\}", "999", path)
            for method in context.methods:
                yield method, re.sub(r"\{\w+\}", "absent", path), scopes


def token(house, *scopes):
    return {"Authorization": f"Bearer {accounts.new_token(house, 'one', scopes, SYSTEM).value}"}


@pytest.mark.parametrize("scope", accounts.SCOPES)
@pytest.mark.rule("S11")
def test_a_token_opens_the_routes_of_its_scope_and_no_other(app, house, anonymous, scope):
    headers, tried = token(house, scope), 0
    house.feed.closing.set()  # streams end at once
    for method, path, needed in routes(app):
        answer = anonymous.request(method, path, headers=headers)
        if needed == (scope,):
            assert answer.status_code != 403, (method, path)
        else:
            assert answer.status_code == 403 and answer.json()["scope"] in needed, (method, path, answer.status_code)
        tried += 1
    assert tried > 20


@pytest.mark.rule("S11")
def test_a_read_token_changes_nothing(house, anonymous, add_job):
    add_job()
    headers = token(house, "jobs:read", "runs:read")
    for path in ("jobs/daily-digest/run", "jobs/daily-digest/disable", "jobs/daily-digest/test", "jobs/repo/init"):
        assert anonymous.post(f"/api/{path}", headers=headers).status_code == 403
    assert anonymous.get("/api/jobs/daily-digest", headers=headers).json()["enabled"]


def test_tokens_are_made_listed_and_revoked(client, anonymous):
    wanted = {"name": "ci", "scopes": ["runs:write", "jobs:read"], "expires_at": "2026-03-01T00:00:00+01:00"}
    made = client.post("/api/tokens", json=wanted)
    assert made.status_code == 201 and made.json()["token"].startswith("lhj_")
    assert made.json()["expires_at"] == "2026-02-28T23:00:00.000Z"
    use = {"Authorization": f"Bearer {made.json()['token']}"}
    assert anonymous.get("/api/jobs", headers=use).status_code == 200
    listed = client.get("/api/tokens?limit=1").json()["items"][0]
    assert listed["name"] == "ci" and "token" not in listed and listed["used_at"]
    assert client.delete(f"/api/tokens/{listed['id']}").json()["revoked_at"]
    assert anonymous.get("/api/jobs", headers=use).status_code == 401
    assert client.delete("/api/tokens/999").status_code == 404


def test_a_token_gives_away_only_what_it_has(house, anonymous):
    headers = token(house, "admin", "jobs:read")
    wanted = {"name": "more", "scopes": ["jobs:read", "secrets:write"]}
    assert anonymous.post("/api/tokens", json=wanted, headers=headers).status_code == 403
    assert anonymous.post("/api/tokens", json={**wanted, "scopes": ["jobs:read"]}, headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"scopes": ["root"]}, "/scopes"), ({"expires_at": "soon"}, "/expires_at"), ({"name": " "}, "/name")],
)
def test_a_token_that_makes_no_sense_is_refused_by_field(client, change, pointer):
    answer = client.post("/api/tokens", json={"name": "ci", "scopes": ["jobs:read"], **change})
    assert answer.status_code == 422 and [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_a_repeated_request_does_not_show_the_token_again(client, house):
    sent = {"json": {"name": "ci", "scopes": ["jobs:read"]}, "headers": {"Idempotency-Key": "k"}}
    first, again = client.post("/api/tokens", **sent).json(), client.post("/api/tokens", **sent).json()
    assert first["token"] and again == {**first, "token": None}
    with house.db.read() as db:
        kept = db.execute("SELECT reply FROM idempotency_keys").get
    assert first["token"] not in kept and '"name":"ci"' in kept


def test_a_login_link_for_the_name_that_was_asked(client, house):
    answer = client.post("/api/login-links", headers={"Host": "jobs.example.test"})
    assert answer.status_code == 201
    assert answer.json()["url"].startswith("http://jobs.example.test/login?code=")
    code = answer.json()["url"].partition("code=")[2]
    assert accounts.redeem(house, code, "p", "a").cookie

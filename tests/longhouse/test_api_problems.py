"""Errors: one form for all, a page for each, nothing in them that belongs into the log."""

import json
from pathlib import Path

import pytest
from fastapi import Depends

from longhouse import doors
from longhouse.doors import problems
from longhouse.engine.scheduler import Scheduler
from longhouse.errors import LonghouseError, ManifestBroken, StorageFull, TooMany, Unavailable

MEMBERS = {"type", "title", "status", "code", "detail", "hint", "errors", "request_id"}


def failing(app, error):
    @app.get("/api/fails", dependencies=[Depends(doors.needs("jobs:read"))])
    def fails():
        raise error


def is_problem(answer, status):
    problem = answer.json()
    assert answer.status_code == status == problem["status"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.keys() >= MEMBERS and problem["request_id"] == answer.headers["x-request-id"]
    return problem


def test_everything_that_is_refused_is_a_problem_whose_type_leads_to_a_page(client, anonymous, add_job):
    add_job()
    answers = {
        400: client.post("/api/jobs/daily-digest/run", content="{", headers={"Content-Type": "application/json"}),
        401: client.get("/api/jobs", headers={"Authorization": "Bearer lhj_wrong"}),
        404: client.get("/api/nothing"),
        405: client.put("/api/jobs"),
        412: client.post("/api/jobs/daily-digest/disable", headers={"If-Match": '"9"'}),
        413: client.post("/api/jobs/daily-digest/run", content=b" " * 2_000_000),
        415: client.post("/api/jobs/daily-digest/run", content="x", headers={"Content-Type": "text/plain"}),
        421: client.get("/api/jobs", headers={"Host": "evil.test"}),
        422: client.get("/api/jobs?limit=0"),
    }
    del anonymous.headers["Authorization"]
    for status, answer in answers.items():
        page = anonymous.get(is_problem(answer, status)["type"])
        assert page.status_code == 200 and str(status) in page.text
    assert answers[405].headers["allow"] == "GET" and answers[401].headers["www-authenticate"] == "Bearer"
    assert answers[422].json()["errors"] == [
        {"in": "query", "pointer": "/limit", "message": "Input should be greater than or equal to 1"}
    ]
    assert anonymous.get("/problems/no-such").status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (TooMany("slow down", retry_after_seconds=7), 429, "7"),
        (Unavailable("locked"), 503, "2"),
        (StorageFull("full"), 507, None),
        (ManifestBroken("invalid syntax", file="manifest.py", line=3), 409, None),
    ],
)
def test_kinds_of_errors_have_their_status(app, client, error, status, retry):
    failing(app, error)
    answer = client.get("/api/fails")
    problem = is_problem(answer, status)
    assert answer.headers.get("retry-after") == retry
    if status == 409:
        assert (problem["file"], problem["line"]) == ("manifest.py", 3)


@pytest.mark.parametrize(
    "error", [RuntimeError("SELECT secret FROM /srv/x.py"), LonghouseError("SELECT secret FROM /srv/x.py")]
)
@pytest.mark.rule("S15")
def test_what_we_did_not_expect_is_in_the_log_and_nowhere_else(app, client, caplog, error):
    failing(app, error)
    answer = client.get("/api/fails")
    problem = is_problem(answer, 500)
    assert "SELECT" not in answer.text and "/srv" not in answer.text and "Traceback" not in answer.text
    assert problem["code"] == "internal" and problem["request_id"] in problem["detail"]
    logged = [record for record in caplog.records if getattr(record, "facts", {}).get("request_id")]
    assert logged[0].facts["request_id"] == problem["request_id"] and logged[0].exc_info


def test_facts_of_an_error_cannot_replace_the_members_of_the_problem():
    problem = problems.document(TooMany("x", status=200, type="evil", retry_after_seconds=1), "id")
    assert problem["status"] == 429 and problem["type"] == "/problems/too-many-requests"


def test_a_page_may_show_a_problem_to_people(app, client):
    from starlette.responses import HTMLResponse

    app.state.problem_page = lambda request, problem: HTMLResponse(problem["title"], problem["status"])
    assert client.get("/nothing", headers={"Accept": "text/html"}).text == "Not found"
    assert client.get("/api/nothing", headers={"Accept": "text/html"}).json()["status"] == 404


def ours() -> list[type[LonghouseError]]:
    """The errors that the server can raise; the command line has some of its own."""
    found = [error for error in problems.kinds_of_errors() if error.__module__.startswith("longhouse")]
    return [error for error in found if not error.__module__.startswith("longhouse.cli")]


def test_every_kind_has_a_status_and_every_code_a_page(anonymous):
    for error in ours():
        assert error.kind in problems.KINDS, error
        assert anonymous.get(f"/problems/{problems.slug(error.code)}").status_code == 200, error.code


def test_a_page_escapes_what_it_shows(anonymous, monkeypatch):
    monkeypatch.setattr(problems, "described", lambda slug: ("<b>", problems.KINDS["gone"], "<script>"))
    assert "<script>" not in anonymous.get("/problems/gone").text


def test_the_docs_name_every_code():
    import longhouse.app  # noqa: F401  # with everything it imports

    text = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
    assert {error.code for error in ours() if f"`{error.code}`" not in text} == set()


# --- health ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ready(house):
    from longhouse.repo import bootstrap

    bootstrap.ensure(house.paths, known_commits=False)


def test_alive_and_ready(anonymous, ready):
    assert anonymous.get("/livez").json() == {"status": "ok"}
    assert anonymous.head("/livez").status_code == 200 and anonymous.head("/readyz").status_code == 200
    assert anonymous.get("/readyz").json() == {"ready": True, "reasons": [], "warnings": []}


def test_reasons_are_for_those_who_are_logged_in(anonymous, house):
    from longhouse import accounts

    assert anonymous.get("/readyz?verbose").json() == {"ready": False, "reasons": [], "warnings": []}
    anonymous.headers["Authorization"] = f"Bearer {accounts.machine_token(house)}"
    told = anonymous.get("/readyz?verbose")
    assert told.status_code == 503 and told.headers["retry-after"] and "jobs repo" in told.json()["reasons"][0]


def test_an_engine_that_hangs_is_not_ready(app, client, clock, ready):
    assert client.get("/readyz").status_code == 200
    app.state.readiness.engine = lambda: ["the scheduler does not tick"]
    assert client.get("/readyz").status_code == 200  # the answer of a moment ago
    clock.advance(3)
    assert client.get("/readyz?verbose").json()["reasons"] == ["the scheduler does not tick"]


def test_a_broken_manifest_is_a_warning(client, house, ready):
    from longhouse.store import settings

    with house.db.write() as db:
        settings.put(db, "manifest", {"ok": False, "loaded_commit": None, "error": "bad", "file": "m.py", "line": 2})
    answer = client.get("/readyz?verbose")
    assert answer.status_code == 200 and answer.json()["warnings"] == ["the manifest is broken at m.py:2: bad"]


def test_a_server_that_stops_is_not_ready(anonymous, house, ready):
    house.feed.closing.set()
    assert anonymous.get("/readyz").status_code == 503


def test_the_figures(app, client, house, clock, add_job):
    scheduler = Scheduler(house)
    app.state.readiness.lag = scheduler.lag_seconds
    add_job(cron=None, every=60)
    add_job("other", enabled=False)
    client.post("/api/jobs/daily-digest/run")
    scheduler.step()
    clock.advance(90)
    text = client.get("/metrics").text
    for line in (
        'longhouse_info{version="0.1.0"} 1.0',
        'longhouse_runs{state="queued"} 1.0',
        'longhouse_jobs{enabled="false"} 1.0',
        "longhouse_queue_depth 1.0",
        "longhouse_stuck_runs 0.0",
        "longhouse_scheduler_lag_seconds 30.0",
        "longhouse_manifest_ok 1.0",
    ):
        assert line in text, text


def test_a_scheduler_that_hangs_is_not_ready(app, client, house, clock, ready):
    scheduler = Scheduler(house)
    app.state.readiness.engine = lambda: [why] if (why := scheduler.hangs()) else []
    assert client.get("/readyz").status_code == 200
    clock.advance(60)
    assert client.get("/readyz?verbose").json()["reasons"] == ["the scheduler has not looked at the clock for 60 s"]
    scheduler.watch()
    clock.advance(3)
    assert client.get("/readyz").status_code == 200


def test_the_doctor(client, ready):
    checks = client.get("/api/doctor").json()["checks"]
    assert {check["name"] for check in checks} >= {"manifest", "repo", "database", "disk"}
    assert json.dumps(checks)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/api/settings", {"keep_days": True}),
        ("POST", "/api/stop", {"drain": 0}),
        ("POST", "/api/secrets/rotate", {"data": "f"}),
        ("POST", "/api/jobs/daily-digest/run", {"text": 1}),
        ("POST", "/api/runs/1/rerun", {"debug": "no"}),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_guessed(client, add_job, method, path, body):
    add_job()
    client.post("/api/jobs/daily-digest/run")
    answer = client.request(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(body))}"

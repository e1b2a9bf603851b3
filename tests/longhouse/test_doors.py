"""Nobody passes unseen: anonymous requests, hosts, origins, tokens of the session, headers."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest
from fastapi import Depends
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from longhouse import accounts, doors
from longhouse.api.openapi import scopes_of
from longhouse.app import create_app
from longhouse.doors.hosts import host_name
from longhouse.doors.login import is_open
from longhouse.house import SYSTEM, By

OPEN_PATHS = {"/livez", "/readyz", "/problems/{slug}", "/api/hooks/repo"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def routes(app):
    return [context for context in iter_route_contexts(app.router.routes) if context.path]


def concrete(path):
    for name, value in (("{job_id}", "daily-digest"), ("{run_id}", "1"), ("{token_id}", "1"), ("{name}", "a.txt")):
        path = path.replace(name, value)
    return path.replace("{sha}", "a" * 40).replace("{slug}", "not-found")


def variations(path):
    yield path
    yield path + "/"
    yield "/" + path
    yield path.replace("/", "//")
    yield path.replace("/", "/%2e/", 1)
    yield "/%2e%2e" + path
    yield "/static/.." + path
    yield "/problems/.." + path
    yield "/livez/.." + path
    yield path + ";x"
    yield path + "/configs"
    yield path + "%00"
    yield path.upper()


@pytest.fixture
def session(house):
    link = accounts.login_link(house, "http://localhost:4747", SYSTEM)
    return accounts.redeem(house, link.partition("code=")[2], "127.0.0.1", "a browser")


@pytest.fixture
def browser(anonymous, house, session):
    """A browser with a session; what it sends beyond the cookie is up to the test."""
    anonymous.cookies.set(f"lhj-{house.keys.vault_id[:8]}-plain", session.cookie)
    return anonymous


@pytest.fixture
def ours(session):
    return {"Origin": "http://localhost:4747", "X-CSRF-Token": session.csrf}


# --- S3 -------------------------------------------------------------------------------------------------------------


async def status_of(app, method, path, headers):
    """What the application answers, without a client between: thousands of requests would wait for it."""
    answered = []
    named = {"Host": "localhost:4747", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("localhost", 4747),
        "state": {},
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    await app(scope, receive, send)
    (status,) = answered
    return status


@pytest.mark.rule("S3")
def test_strangers_reach_nothing_but_the_open_paths(house, add_job):
    """Every route of API and pages, in every spelling, by every method."""
    add_job()
    app, tried = whole(house), 0
    override = {"X-HTTP-Method-Override": "GET", "X-Original-URL": "/livez", "X-Rewrite-URL": "/livez"}

    async def ask() -> None:
        nonlocal tried
        for own in sorted({concrete(context.path) for context in routes(app)} | {"/static/x.js"}):
            for path, method in itertools.product(variations(own), METHODS):
                if is_open(method, path):
                    assert path == own or own.startswith("/static"), (method, path, "another spelling is open")
                    continue
                status = await status_of(app, method, path, override)
                assert status in (401, 403), (method, path, status)
                tried += 1
        assert await status_of(app, "GET", "/livez", override) == 200, "asked like this, an open path answers"

    with ThreadPoolExecutor(1) as thread:  # a browser of another test may have left a loop in this one
        thread.submit(asyncio.run, ask()).result()
    assert tried > 10_000


def whole(house):
    return create_app(house, allowed_hosts=["localhost"], testing=True)


def test_the_whole_app_with_its_pages_lets_nobody_in(house, add_job):
    add_job()
    app = whole(house)
    strangers = TestClient(app, base_url="http://localhost:4747", follow_redirects=False)
    walked = 0
    for context in routes(app):
        for method in context.methods or {"GET"}:
            path = concrete(context.path)
            if is_open(method, path) or "{" in path:
                continue
            assert strangers.request(method, path).status_code in (401, 403), (method, path)
            walked += 1
            if method == "GET" and not path.startswith("/api/"):
                assert strangers.get(path, headers={"Accept": "text/html"}).status_code == 303, path
    assert walked > 25


def test_control_the_open_paths_and_a_login_do_reach_something(anonymous, client):
    assert client.get("/api/jobs").status_code == 200
    del anonymous.headers["Authorization"]
    for path in ("/livez", "/problems/not-found"):
        assert anonymous.get(path).status_code == 200
    assert anonymous.get("/readyz").status_code == 503
    assert anonymous.post("/livez").status_code == 401


@pytest.mark.rule("S3")
def test_every_route_declares_a_scope(house):
    undeclared = {c.path for c in routes(whole(house)) if c.path not in OPEN_PATHS and not scopes_of(c)}
    assert undeclared == {"/login", "/connect/github/callback", "/static"}


def test_control_a_route_without_a_scope_is_found(app):
    @app.get("/api/forgotten")
    def forgotten():
        return {}

    @app.get("/api/declared", dependencies=[Depends(doors.needs("jobs:read"))])
    def declared():
        return {}

    undeclared = [c.path for c in routes(app) if c.path not in OPEN_PATHS and not scopes_of(c)]
    assert undeclared == ["/api/forgotten"]


def test_a_scope_that_does_not_exist_cannot_be_declared():
    with pytest.raises(ValueError, match="no scope"):
        doors.needs("jobs:everything")


def test_a_person_who_asks_for_a_page_is_sent_to_the_login_and_back(anonymous):
    answer = anonymous.get("/runs?state=failed", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fruns%3Fstate%3Dfailed"
    assert anonymous.get("/api/jobs", headers={"Accept": "text/html"}).status_code == 401
    assert anonymous.post("/runs", headers={"Accept": "text/html"}).status_code == 401


@pytest.mark.parametrize(
    ("target", "safe"),
    [
        ("/runs?state=failed", "/runs?state=failed"),
        (None, "/"),
        ("", "/"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("/\\evil.test/", "/"),
        ("/a\\b", "/"),
        ("/ok\r\nSet-Cookie: x", "/"),
        ("/login?next=/login", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_a_login_leads_nowhere_else(target, safe):
    assert doors.safe_next(target) == safe


HOST = {"Host": "localhost:4747"}


@pytest.mark.rule("S3")
def test_a_websocket_of_a_stranger_is_not_opened(anonymous):
    with pytest.raises(Exception) as refused, anonymous.websocket_connect("/api/events", headers=HOST):
        pass
    assert getattr(refused.value, "status_code", 403) in (401, 403)


# --- S4 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.test", "evil.test:4747", "localhost.evil.test", "", "localhost:x", "[::1", "@"])
@pytest.mark.rule("S4")
def test_another_host_name_is_answered_nowhere(app, client, host):
    for context in routes(app):
        answer = client.get(concrete(context.path), headers={"Host": host})
        assert answer.status_code == 421, (host, context.path)
        assert answer.json()["type"] == "/problems/misdirected"


@pytest.mark.rule("S4")
def test_a_websocket_with_another_host_name_is_not_opened(client):
    with pytest.raises(Exception) as refused, client.websocket_connect("/api/events", headers={"Host": "evil.test"}):
        pass
    assert getattr(refused.value, "status_code", 421) in (403, 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:4747", "[::1]:4747", "LOCALHOST", "jobs.example.test"])
def test_control_our_own_names_are_answered(client, host):
    assert client.get("/api/jobs", headers={"Host": host}).status_code == 200


def test_a_name_is_read_without_its_port():
    assert host_name("a.test:80") == "a.test" and host_name("[::1]:80") == "::1"
    assert host_name("[::1]x") == "" and host_name("a:b:c") == ""


# --- S5 -------------------------------------------------------------------------------------------------------------

ACTS = (
    "/api/jobs/daily-digest/run",
    "/api/jobs/daily-digest/enable",
    "/api/jobs/daily-digest/disable",
    "/api/jobs/repo/sync",
    "/api/runs/1/cancel",
    "/api/tokens",
)


@pytest.mark.parametrize("path", ACTS)
@pytest.mark.rule("S5")
def test_a_page_of_another_site_cannot_act(house, browser, session, path, add_job):
    add_job()
    token = {"X-CSRF-Token": session.csrf}
    foreign = {
        "a form post": {"data": {"csrf": "x"}, "headers": {"Origin": "http://evil.test"}},
        "text/plain JSON": {
            "content": "{}",
            "headers": {"Content-Type": "text/plain", "Origin": "http://localhost:4747"},
        },
        "a null origin": {"headers": {"Origin": "null", **token}},
        "a sibling": {"headers": {"Origin": "http://a.localhost:4747", **token}},
        "another port": {"headers": {"Origin": "http://localhost:4748", **token}},
        "no origin": {"headers": token},
        "same site": {"headers": {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:4747", **token}},
        "cross site": {"headers": {"Sec-Fetch-Site": "cross-site", **token}},
        "no token": {"headers": {"Origin": "http://localhost:4747"}},
        "a wrong token": {"headers": {"Origin": "http://localhost:4747", "X-CSRF-Token": "x" * 43}},
    }
    for what, sent in foreign.items():
        assert browser.post(path, **sent).status_code == 403, what
    with house.db.read() as db:
        assert db.execute("SELECT count(*) FROM runs").get == 0


def test_control_our_own_page_can_act(house, browser, ours, session, add_job):
    add_job()
    assert browser.post("/api/jobs/daily-digest/run", headers=ours).status_code == 202
    fetched = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": session.csrf}
    assert browser.post("/api/jobs/daily-digest/disable", headers=fetched).status_code == 200


def test_a_form_carries_the_token_as_a_field(app, browser, session):
    @app.post("/form", dependencies=[Depends(doors.needs("jobs:read"))])
    def form():
        return {}

    origin = {"Origin": "http://localhost:4747"}
    assert browser.post("/form", data={"csrf": session.csrf}, headers=origin).status_code == 200
    assert browser.post("/form", data={"csrf": "wrong"}, headers=origin).status_code == 403


def test_a_token_needs_neither_origin_nor_csrf(house, client, add_job):
    add_job()
    assert client.post("/api/jobs/daily-digest/run").status_code == 202


def test_a_bad_token_is_not_mended_by_a_cookie(browser):
    assert browser.get("/api/jobs").status_code == 200
    assert browser.get("/api/jobs", headers={"Authorization": "Bearer lhj_wrong"}).status_code == 401


@pytest.mark.rule("S5")
def test_there_is_no_cors(browser):
    answer = browser.get("/api/jobs", headers={"Origin": "http://evil.test"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


# --- S6, S7 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "start", "secure"), [("http", "lhj-{id}-plain=", False), ("https", "__Host-lhj-{id}=", True)]
)
@pytest.mark.rule("S6")
def test_the_cookie(app, house, session, scheme, start, secure):
    response = Response()
    doors.set_session(response, Request({"type": "http", "scheme": scheme, "app": app, "headers": []}), session)
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(start.format(id=house.keys.vault_id[:8]) + session.cookie)
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= flags
    assert ("secure" in flags) == secure and not any(flag.startswith("domain") for flag in flags)


@pytest.mark.rule("S7")
def test_an_old_cookie_is_nothing_after_a_new_password(house, browser):
    assert browser.get("/api/jobs").status_code == 200
    accounts.set_password(house, "correct horse battery", By("owner", "web"))
    assert browser.get("/api/jobs").status_code == 401


@pytest.mark.rule("S7")
def test_a_cookie_that_somebody_chose_is_nothing(house, anonymous):
    anonymous.cookies.set(f"lhj-{house.keys.vault_id[:8]}-plain", "fixed-by-an-attacker")
    assert anonymous.get("/api/jobs").status_code == 401


# --- S9: who is the peer --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("10.9.8.1", "203.0.113.9", "203.0.113.9"),
        ("10.9.8.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.9.8.1", "203.0.113.9, 10.9.8.2", "203.0.113.9"),
        ("10.9.8.1", "", "10.9.8.1"),
    ],
)
@pytest.mark.rule("S9")
def test_only_a_trusted_proxy_says_who_the_peer_is(app, client, peer, forwarded, seen):
    @app.get("/peer", dependencies=[Depends(doors.needs("jobs:read"))])
    def read(request: Request):
        return {"peer": doors.peer_of(request.scope)}

    there = TestClient(app, base_url="http://localhost:4747", client=(peer, 1), headers=client.headers)
    assert there.get("/peer", headers={"X-Forwarded-For": forwarded}).json() == {"peer": seen}


# --- S14 ------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S14")
def test_every_answer_says_what_it_is(client, anonymous):
    for path in ("/api/jobs", "/api/nothing", "/livez", "/problems/not-found"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy and "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
        assert "unsafe" not in policy and "style-src 'self' 'nonce-" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["referrer-policy"] == ("same-origin" if path.startswith("/problems") else "no-referrer")
        assert len(headers["x-request-id"]) == 16
    first, second = (client.get("/livez").headers["content-security-policy"] for _ in range(2))
    assert first != second

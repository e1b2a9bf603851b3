"""Output and events: pages, download, live with resume, the end of a stream; artifacts."""

import json
import threading
import time

import httpx2 as httpx
import pytest
import uvicorn

from longhouse import accounts, queue
from longhouse.engine.capture import Capture
from longhouse.frames import Stream
from longhouse.house import SYSTEM, By
from longhouse.runs.state import RunState
from longhouse.store import events, runs


@pytest.fixture
def run(house, add_job):
    """A run whose first attempt is at work, and the writer of its output."""
    from longhouse import jobs

    add_job()
    jobs.run_now(house, "daily-digest", By("owner", "web"))
    claimed = queue.claim(house)
    path = house.paths.output / claimed.output
    path.parent.mkdir(parents=True, exist_ok=True)
    capture = Capture(path, 0.0)
    yield claimed, capture
    capture.close()


def end(house, claimed, state=RunState.SUCCEEDED):
    queue.finish(house, claimed.run.id, claimed.attempt, queue.Ending(state=state))


@pytest.fixture
def served(app):
    """The same app behind a real server: streams are live there."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    app.state.house.feed.close()
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def token(house):
    return accounts.machine_token(house)


def open_stream(url, token, **headers):
    return httpx.stream("GET", url, timeout=10, headers={"Authorization": f"Bearer {token}", **headers})


def parsed(lines):
    """Each event as a dict of its fields, data as JSON; comments left out."""
    event = {}
    for line in lines:
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value


# --- pages and downloads --------------------------------------------------------------------------------------------


def test_lines_come_in_pages_with_their_stream(client, run):
    claimed, capture = run
    for n in range(5):
        capture.write(Stream.OUT, b"out %d\n" % n, n * 10)
    capture.write(Stream.ERR, b"\x1b[31mred\x1b[0m \xff\n", 60)
    capture.close()
    page = client.get(f"/api/runs/{claimed.run.id}/logs?limit=4")
    assert [line["text"] for line in page.json()["items"]] == ["out 0", "out 1", "out 2", "out 3"]
    assert page.json()["next"] == "5" and page.json()["attempt"] == 1 and page.json()["total"] == 6
    rest = client.get(f"/api/runs/{claimed.run.id}/logs?cursor=5")
    assert [line["stream"] for line in rest.json()["items"]] == ["out", "err"] and rest.json()["next"] is None
    assert b"\x1b" not in rest.content and rest.json()["items"][1]["text"] == "\x1b[31mred\x1b[0m �"
    only = client.get(f"/api/runs/{claimed.run.id}/logs?stream=err").json()
    assert [line["number"] for line in only["items"]] == [6]
    tail = client.get(f"/api/runs/{claimed.run.id}/logs?tail=2").json()
    assert [line["number"] for line in tail["items"]] == [5, 6] and tail["more_before"]
    assert client.get(f"/api/runs/{claimed.run.id}/logs?attempt=2").status_code == 404


def test_a_run_that_has_not_begun_has_an_empty_log(client, add_job):
    add_job()
    id = client.post("/api/jobs/daily-digest/run").json()["id"]
    page = client.get(f"/api/runs/{id}/logs").json()
    assert page["items"] == [] and page["attempt"] == 0 and page["next"] is None
    assert client.get(f"/api/runs/{id}/logs?format=raw").content == b""


@pytest.mark.rule("S17")
def test_the_download_is_inert(client, run):
    claimed, capture = run
    capture.write(Stream.OUT, b"<script>alert(1)</script>\n\xff", 0)
    capture.seal()
    answer = client.get(f"/api/runs/{claimed.run.id}/logs?format=raw")
    assert answer.content == b"<script>alert(1)</script>\n\xff"
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"].startswith(
        f'attachment; filename="run-{claimed.run.id}-attempt-1.log"'
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.rule("S14")
def test_an_artifact_is_a_download_without_rights(client, house, run):
    claimed, _ = run
    folder = house.paths.artifacts / str(claimed.run.id) / "1"
    folder.mkdir(parents=True)
    (folder / "x").write_text("<script>alert(1)</script>")
    value = {"run_id": claimed.run.id, "attempt": 1, "size": 25, "now": 0}
    with house.db.write() as db:
        for name, media, file in (
            ('re"port\t.html', "text/html", "x"),
            ("bad-type", "text/html\r\nX-Injected: 1", "x"),
            ("gone", "text/plain", "absent"),
            ("escaped", "text/plain", "../../../longhouse.db"),
        ):
            runs.add_artifact(db, {**value, "name": name, "media_type": media, "file": f"{claimed.run.id}/1/{file}"})
    names = [each["name"] for each in client.get(f"/api/runs/{claimed.run.id}").json()["artifacts"]]
    assert len(names) == 4
    answer = client.get(f"/api/runs/{claimed.run.id}/artifacts/re%22port%09.html")
    assert answer.status_code == 200 and answer.text == "<script>alert(1)</script>"
    assert answer.headers["content-disposition"].startswith('attachment; filename="re_port_.html"')
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    odd = client.get(f"/api/runs/{claimed.run.id}/artifacts/bad-type")
    assert odd.headers["content-type"] == "application/octet-stream" and "x-injected" not in odd.headers
    assert client.get(f"/api/runs/{claimed.run.id}/artifacts/gone").status_code == 410
    assert client.get(f"/api/runs/{claimed.run.id}/artifacts/escaped").status_code == 410
    assert client.get(f"/api/runs/{claimed.run.id}/artifacts/absent").status_code == 404


# --- live output ----------------------------------------------------------------------------------------------------


def test_output_comes_live_and_ends_with_the_run(served, token, house, run):
    claimed, capture = run
    capture.write(Stream.OUT, b"before\n", 0)
    with open_stream(f"{served}/api/runs/{claimed.run.id}/logs/stream", token) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        found = parsed(answer.iter_lines())
        assert next(found) == {"retry": "2000"}
        first = next(found)
        assert first["event"] == "run.log" and first["data"]["lines"][0]["text"] == "before"
        assert first["id"] == f"1:{first['data']['position']}"
        capture.write(Stream.ERR, b"after\n", 5)
        house.feed.publish(f"log:{claimed.run.id}")
        assert next(found)["data"]["lines"][0]["text"] == "after"
        end(house, claimed)
        last = next(found)
        assert last["event"] == "end" and last["data"]["state"] == "succeeded"
        assert list(found) == []


def test_a_stream_resumes_where_it_was(served, token, house, run):
    claimed, capture = run
    capture.write(Stream.OUT, b"one\n", 0)
    url = f"{served}/api/runs/{claimed.run.id}/logs/stream"
    with open_stream(url, token) as answer:
        found = parsed(answer.iter_lines())
        next(found)
        seen = next(found)["id"]
    capture.write(Stream.OUT, b"two\n", 0)
    end(house, claimed)
    with open_stream(url, token, **{"Last-Event-ID": seen}) as answer:
        lines = [
            line["text"] for event in parsed(answer.iter_lines()) for line in event.get("data", {}).get("lines", [])
        ]
    assert lines == ["two"]


def test_a_stream_goes_on_with_the_next_attempt(served, token, house, clock, run):
    claimed, capture = run
    capture.write(Stream.OUT, b"first try\n", 0)
    capture.close()
    queue.finish(house, claimed.run.id, 1, queue.Ending(state=RunState.FAILED))
    clock.advance(3600)
    second = queue.claim(house)
    again = Capture(house.paths.output / second.output, 0.0)
    again.write(Stream.OUT, b"second try\n", 0)
    again.close()
    end(house, second)
    with open_stream(f"{served}/api/runs/{claimed.run.id}/logs/stream", token) as answer:
        found = [event for event in parsed(answer.iter_lines()) if "data" in event]
    assert [event["data"]["attempt"] for event in found] == [1, 2, 2]
    assert found[1]["data"]["lines"][0]["text"] == "second try" and found[2]["event"] == "end"
    with open_stream(f"{served}/api/runs/{claimed.run.id}/logs/stream?attempt=1", token) as answer:
        only = [event for event in parsed(answer.iter_lines()) if "data" in event]
    assert [event["event"] for event in only] == ["run.log", "end"]


@pytest.mark.parametrize("path", ["/api/runs/99/logs/stream", "/api/runs/1/logs/stream?attempt=7"])
def test_a_stream_of_nothing_is_a_problem_at_once(client, run, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "id"), [("/api/runs/1/logs/stream", "x"), ("/api/events", "1:2"), ("/api/events", "-1")]
)
def test_an_event_id_of_another_kind_is_refused(client, run, path, id):
    answer = client.get(path, headers={"Last-Event-ID": id})
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/Last-Event-ID"


# --- events ---------------------------------------------------------------------------------------------------------


def newest(house):
    with house.db.read() as db:
        return events.newest(db)


def append(house, kind, **data):
    with house.db.write() as db:
        events.append(db, kind, "x", data, house.clock.now())


def test_events_come_live_by_topic_and_resume(served, token, house):
    append(house, "run.created", run=1)
    with open_stream(f"{served}/api/events?topics=run,job.changed", token) as answer:
        found = parsed(answer.iter_lines())
        assert next(found) == {"retry": "2000"}
        deadline = time.monotonic() + 5
        while not house.feed._listeners and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        for kind in ("repo.committed", "job.changed", "job.other", "run.finished"):
            append(house, kind, run=2)
        assert [next(found)["event"] for _ in range(2)] == ["job.changed", "run.finished"]
    with open_stream(f"{served}/api/events", token, **{"Last-Event-ID": "1"}) as answer:
        found = parsed(answer.iter_lines())
        next(found)
        assert [next(found)["id"] for _ in range(4)] == ["2", "3", "4", "5"]
    with open_stream(f"{served}/api/events?after=4", token) as answer:
        found = parsed(answer.iter_lines())
        next(found)
        assert next(found)["data"]["subject"] == "x"


def test_events_that_are_gone_are_said_to_be(served, token, house):
    for n in range(10):
        append(house, "run.created", run=n)
    with house.db.write() as db:
        events.drop(db, events.surplus(db, 3, 1000))
    for seen, first in (("2", {"event": "missed", "id": "10", "data": {"after": 2}}), ("99", None)):
        with open_stream(f"{served}/api/events", token, **{"Last-Event-ID": seen}) as answer:
            found = parsed(answer.iter_lines())
            next(found)
            event = next(found)
            assert event["event"] == "missed" and (first is None or event == first)


def test_a_stream_goes_on_when_a_run_that_it_follows_is_deleted(served, token, house, run):
    claimed, capture = run
    run_id = claimed.run.id
    capture.write(Stream.OUT, b"hello\n", 0)
    own = f"{served}/api/runs/{run_id}/logs/stream"
    with open_stream(f"{served}/api/events?topics=run,run.log:{run_id}", token) as answer:
        found = parsed(answer.iter_lines())
        assert "run.log" in {next(found).get("event"), next(found)["event"]}
        with house.db.write() as db:  # as if it ended and was deleted before the stream looked again
            db.execute("DELETE FROM runs WHERE id = ?", (run_id,)).fetchall()
            events.append(db, "run.deleted", "runs", {"runs": [run_id], "jobs": ["daily-digest"]}, 0)
        told = [next(found), next(found)]
        assert {each["event"] for each in told} == {"run.deleted", "run.log_end"}
        append(house, "run.created", run=2)
        assert next(found)["event"] == "run.created"
    assert httpx.get(own, headers={"Authorization": f"Bearer {token}"}).status_code == 404
    with open_stream(f"{served}/api/events?after=0&topics=run.deleted,run.log:{run_id}", token) as answer:
        found = parsed(answer.iter_lines())
        next(found)
        assert {next(found)["event"], next(found)["event"]} == {"run.deleted", "run.log_end"}, "a tab that comes back"
    with open_stream(f"{served}/api/events?topics=run.log:{run_id}", token) as answer:
        assert answer.status_code == 404, "nobody else would be told anything"


def test_the_output_of_runs_can_be_topics(served, token, house, run):
    claimed, capture = run
    capture.write(Stream.OUT, b"hello\n", 0)
    with open_stream(f"{served}/api/events?topics=run.log:{claimed.run.id}", token) as answer:
        found = parsed(answer.iter_lines())
        next(found)
        event = next(found)
        assert event["event"] == "run.log" and "id" not in event and event["data"]["lines"][0]["text"] == "hello"
        end(house, claimed)
        assert next(found)["event"] == "run.log_end"
    place = f"1:{event['data']['position']}"
    with open_stream(f"{served}/api/events?topics=run.log:{claimed.run.id}@{place}", token) as answer:
        found = parsed(answer.iter_lines())
        next(found)
        assert next(found)["event"] == "run.log_end"


@pytest.mark.parametrize("topics", ["run.log:x", "RUN", "run.log:1@1", ",".join(f"run.log:{n}" for n in range(1, 18))])
def test_a_topic_that_is_none_is_refused(client, run, topics):
    assert client.get("/api/events", params={"topics": topics}).status_code in (404, 422)


# --- the end of streams ---------------------------------------------------------------------------------------------


def test_streams_end_at_once_when_the_server_stops(served, token, house, run):
    claimed, _ = run
    for path in (f"/api/runs/{claimed.run.id}/logs/stream", "/api/events"):
        with open_stream(served + path, token) as answer:
            found = parsed(answer.iter_lines())
            next(found)
            time.sleep(0.2)
            begun = time.monotonic()
            house.feed.close()
            assert list(found) == [] and time.monotonic() - begun < 1.0
        house.feed.closing.clear()


@pytest.mark.rule("S7")
def test_a_stream_ends_with_the_token_or_session_that_opened_it(served, house, run):
    claimed, _ = run
    link = accounts.login_link(house, "http://localhost", SYSTEM)
    session = accounts.redeem(house, link.partition("code=")[2], "p", "a")
    new = accounts.new_token(house, "ci", ("runs:read",), SYSTEM)
    cookie = {"Cookie": f"lhj-{house.keys.vault_id[:8]}-plain={session.cookie}"}
    for path in (f"/api/runs/{claimed.run.id}/logs/stream", "/api/events?topics=none"):
        with (
            open_stream(served + path, new.value) as by_token,
            httpx.stream("GET", served + path, headers=cookie, timeout=10) as by_session,
        ):
            two = [parsed(each.iter_lines()) for each in (by_token, by_session)]
            assert [next(each) for each in two] == [{"retry": "2000"}] * 2
            begun = time.monotonic()
            accounts.revoke_token(house, new.token.id, SYSTEM)
            accounts.logout_all(house, SYSTEM)
            assert [list(each) for each in two] == [[], []]
            assert time.monotonic() - begun < 5.0
        new = accounts.new_token(house, "ci", ("runs:read",), SYSTEM)
        link = accounts.login_link(house, "http://localhost", SYSTEM)
        session = accounts.redeem(house, link.partition("code=")[2], "p", "a")
        cookie = {"Cookie": f"lhj-{house.keys.vault_id[:8]}-plain={session.cookie}"}


def test_a_client_that_leaves_leaves_nothing_behind(served, token, house):
    for _ in range(5):
        with open_stream(f"{served}/api/events", token) as answer:
            next(parsed(answer.iter_lines()))
    deadline = time.monotonic() + 5
    while house.feed._listeners and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not house.feed._listeners

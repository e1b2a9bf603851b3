"""Nothing passes unread: size, depth, number of values, doubled keys, numbers, encodings, content types (S13)."""

import gzip
import json
import time

import pytest

RUN = "/api/jobs/daily-digest/run"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def job(add_job):
    add_job()


def nested(depth):
    return b'{"params": {"a": ' + b"[" * (depth - 2) + b"]" * (depth - 2) + b"}}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 200_000, 413),
        (nested(33), 413),
        (b'{"params": {"a": "' + b"x" * 10 * 1024 * 1024 + b'"}}', 413),
        (b'{"params": {"a": [' + b"1," * 10_000 + b"1]}}", 413),
        (b'{"text": true, "text": false}', 400),
        (b'{"params": {"a": NaN}}', 400),
        (b'{"params": {"a": Infinity}}', 400),
        (b'{"params": {"a": 1e400}}', 400),
        (b'{"params": {"a": 9007199254740992}}', 400),
        (b'{"params": {"a": -9007199254740992}}', 400),
        (b'{"params": {"a": "\\ud800"}}', 400),
        (b'{"params": {"\\ud800": 1}}', 400),
        (b'\xef\xbb\xbf{"text": true}', 400),
        (b'{"params": {"a": "\xff"}}', 400),
        (b'{"text": true', 400),
        (b"{} {}", 400),
    ],
)
@pytest.mark.rule("S13")
def test_a_body_that_parsers_read_differently_is_refused_at_once(client, body, status):
    begun = time.perf_counter()
    answer = client.post(RUN, content=body, headers=JSON)
    took = time.perf_counter() - begun
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert took < 1.0  # 0.1 s of our own; the rest is for a busy machine


def test_control_a_body_within_the_limits_is_read(client):
    deep = client.post(RUN, content=nested(32), headers=JSON)
    assert deep.status_code == 422 and deep.json()["errors"][0]["pointer"] == "/params/a"
    large = client.post(RUN, json={"params": {"a": "x" * 900_000, "b": 9007199254740991}})
    assert large.status_code == 422
    assert client.post(RUN, content=b"{}", headers=JSON).status_code == 202


@pytest.mark.rule("S13")
def test_a_compressed_body_is_refused_unread(client):
    body = gzip.compress(json.dumps({"params": {"a": " " * 1024 * 1024}}).encode())
    answer = client.post(RUN, content=body, headers={**JSON, "Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_the_api_reads_json_alone(client, kind):
    assert client.post(RUN, content=b"{}", headers={"Content-Type": kind}).status_code == 415


@pytest.mark.rule("S13")
def test_a_body_without_a_length_is_counted_as_it_comes(client):
    def parts():
        for _ in range(20):
            yield b" " * 100_000

    assert client.post(RUN, content=parts(), headers=JSON).status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999", "0x10"])
def test_a_length_that_is_none_is_refused(client, length):
    assert client.post(RUN, content=b"{}", headers={**JSON, "Content-Length": length}).status_code == 413

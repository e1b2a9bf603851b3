"""Secrets over the API and the command: they go in, and nothing gives them back."""

from __future__ import annotations

import io

import pytest

from longhouse import accounts, secrets
from longhouse.cli import root
from longhouse.cli.call import Call
from longhouse.cli.instance import Instance
from longhouse.house import SYSTEM

VALUE = "correct-horse-battery-staple-42"


def test_a_value_is_stored_and_no_answer_holds_it(client, add_job):
    add_job("mail", secrets=({"key": "SMTP_PASSWORD", "required": True},))
    before = client.get("/api/secrets").json()["items"]
    assert before == [
        {
            "name": "SMTP_PASSWORD",
            "stored": False,
            "tail": "",
            "set_at": None,
            "set_by": None,
            "jobs": ["mail"],
            "required_by": ["mail"],
        }
    ]
    stored = client.put("/api/secrets/SMTP_PASSWORD", json={"value": VALUE})
    assert stored.status_code == 200 and stored.json()["stored"] and stored.json()["tail"] == "e-42"
    assert client.delete("/api/secrets/SMTP_PASSWORD").json() == {"name": "SMTP_PASSWORD", "stored": False}
    assert client.delete("/api/secrets/SMTP_PASSWORD").status_code == 404
    for answer in (stored, client.get("/api/secrets"), client.get("/api/jobs/mail")):
        assert VALUE not in answer.text


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        ("SMTP", {"value": "short"}, 422, "fewer than 6"),
        ("SMTP", {"value": "password"}, 422, "ordinary word"),
        ("not-a-name", {"value": VALUE}, 422, "no name for a secret"),
        ("SMTP", {"value": [VALUE]}, 422, "value"),
        ("SMTP", {"value": VALUE, "more": VALUE}, 422, "more"),
        ("SMTP", VALUE, 422, "body"),
    ],
)
def test_a_refusal_names_the_reason_and_does_not_repeat_the_value(client, name, body, status, said):
    answer = client.put(f"/api/secrets/{name}", json=body)
    assert answer.status_code == status and said in answer.text
    assert VALUE not in answer.text
    assert client.get("/api/secrets").json()["items"] == []


def test_a_rotation_needs_more_than_the_scope_of_writing(client, anonymous, house):
    client.put("/api/secrets/A", json={"value": VALUE})
    assert client.post("/api/secrets/rotate", json={}).json() == {"values": 1}
    assert client.post("/api/secrets/rotate", json={"data": True}).json() == {"values": 1}
    writer = accounts.new_token(house, "one", ("secrets:write",), SYSTEM).value
    anonymous.headers["Authorization"] = f"Bearer {writer}"
    assert anonymous.post("/api/secrets/rotate", json={}).status_code == 403


# --- the command ------------------------------------------------------------------------------------------------------


class Terminal(io.TextIOWrapper):
    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8", newline="")


@pytest.mark.parametrize(
    ("piped", "kept"),
    [
        (f"{VALUE}\n", VALUE),
        (f"{VALUE}\r\n", VALUE),
        (VALUE, VALUE),
        ("line one of it\nline two of it\n\n", "line one of it\nline two of it\n"),
    ],
)
def test_the_command_reads_a_value_from_stdin(client, house, monkeypatch, capsysbinary, piped, kept):
    def call(method, path, query=None, body=None, seconds=0.0):
        answer = client.request(method, path, json=body) if body is not None else client.request(method, path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    reached = Instance.__new__(Instance)
    monkeypatch.setattr(reached, "_json", call)
    monkeypatch.setattr(Call, "instance", reached)
    monkeypatch.setattr("sys.stdin", Terminal(piped))
    assert root.run(["secrets", "set", "TOKEN"]) == 0
    with house.db.read() as db:
        assert secrets.opened(house, db, secrets.REALM, "TOKEN") == kept
    assert root.run(["secrets", "list"]) == 0
    out = capsysbinary.readouterr().out.decode()
    assert "TOKEN" in out and kept not in out
    assert root.run(["secrets", "rotate", "--data"]) == 0
    assert root.run(["secrets", "rm", "TOKEN"]) == 0
    assert client.get("/api/secrets").json()["items"] == []


def test_the_command_refuses_to_wait_for_a_value_that_does_not_come(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert root.run(["secrets", "set", "TOKEN"]) == 2
    assert "stdin holds no value" in capsys.readouterr().err

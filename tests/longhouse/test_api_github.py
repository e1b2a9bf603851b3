"""GitHub over the API: a code, the repositories, connecting; no answer holds a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from longhouse import accounts
from longhouse.house import By, House
from longhouse.outward import Outward
from longhouse.repo import bootstrap, github_device, remote, sync
from longhouse.repo.transport import network
from tests.conftest import HandClock
from tests.git_server import GitServer
from tests.github import CLIENT_ID, LoopbackGitHub


@pytest.fixture
def github(tmp_path: Path, app: FastAPI, house: House) -> Iterator[LoopbackGitHub]:
    """The app's house knows this GitHub."""
    with GitServer(tmp_path / "remote") as git, LoopbackGitHub(git) as found:
        outward = Outward(found.url, found.api_url, ca_file=git.ca_file)
        app.state.house = replace(house, outward=outward, network=network({"SSL_CERT_FILE": str(git.ca_file)}))
        bootstrap.ensure(house.paths, known_commits=False)
        yield found
        assert found.violations == []


def test_a_code_a_repository_a_sync(client: TestClient, app: FastAPI, github: LoopbackGitHub, clock: HandClock) -> None:
    house = app.state.house
    assert client.post("/api/github/device", json={}).json()["code"] == "invalid"
    begun = client.post("/api/github/device", json={"client_id": CLIENT_ID})
    assert begun.status_code == 201
    assert client.get("/api/github/repositories").json()["code"] == "github.reconnect"
    assert begun.json()["device"]["verification_uri"] == f"{github.url}/login/device"
    github.decided("/login/device", {"code": begun.json()["device"]["user_code"], "choice": "allow"})
    clock.advance(1)
    github_device.step(house)
    shown = client.get("/api/github")
    assert (shown.json()["login"], shown.json()["device"]) == ("ada", None)

    found = client.get("/api/github/repositories", params={"q": "JOBS"}).json()
    assert [each["full_name"] for each in found["items"]] == ["ada/jobs"]
    connected = client.post("/api/github/connect", json={"full_name": "ada/jobs"})
    assert connected.status_code == 201 and connected.json()["empty"] is True
    assert client.post("/api/jobs/repo/sync").json()["pushed"] == 1

    token = github.git.token
    url = connected.json()["url"]
    assert client.put("/api/jobs/repo/remote", json={"url": url, "auto_push": False}).json()["kind"] == "github"
    clock.advance(28_800)
    assert client.post("/api/jobs/repo/sync").json()["sync"]["state"] == "synced"
    assert github.git.token != token, "the changed connection still renews its token"
    answers = " ".join(
        client.get(path).text for path in ("/api/github", "/api/jobs/repo", "/api/jobs/repo/remote", "/api/secrets")
    )
    assert [each for each in github.issued if each in answers] == []

    assert client.request("DELETE", "/api/github").json() == {"signed_in": False}
    assert client.post("/api/jobs/repo/sync").json()["code"] == "github.reconnect"
    state = sync.state(house)
    assert state.last_error is not None and "Reconnect GitHub" in state.last_error.hint
    assert remote.get(house) is not None


def test_reading_and_acting_need_their_scopes(app: FastAPI, house: House, anonymous: TestClient) -> None:
    reader = accounts.new_token(house, "reader", ("jobs:read",), By("owner", "web")).value
    anonymous.headers["Authorization"] = f"Bearer {reader}"
    assert anonymous.get("/api/github").status_code == 200
    for method, path in (
        ("POST", "/api/github/device"),
        ("GET", "/api/github/repositories"),
        ("DELETE", "/api/github"),
    ):
        assert anonymous.request(method, path, json={}).status_code == 403, path

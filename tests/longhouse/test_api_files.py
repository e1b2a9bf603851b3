"""Files of the jobs repo over the API: ETags, refusals that carry both texts, several files as one commit, drafts."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from longhouse import loading
from longhouse.house import House
from longhouse.repo import bootstrap
from tests.instance import STARTER

FILES = "/api/jobs/repo/files"
CHANGES = "/api/jobs/repo/changes"
DRAFTS = "/api/jobs/repo/drafts"


@pytest.fixture
def home(house: House) -> House:
    bootstrap.ensure(house.paths, known_commits=False)
    loading.settle(house)
    return house


def put(client: TestClient, path: str, content: str, etag: str | None = None, **more: object):
    headers = {} if etag is None else {"If-Match": etag}
    return client.put(f"{FILES}/{path}", json={"content": content, **more}, headers=headers)


def test_a_file_is_made_read_changed_and_removed(client: TestClient, home: House):
    made = put(client, "jobs/new.py", "x = 1\n", message="New")
    assert made.status_code == 201 and made.json()["commit"]
    shown = client.get(f"{FILES}/jobs/new.py")
    assert shown.json()["content"] == "x = 1\n" and shown.headers["ETag"] == made.headers["ETag"]
    changed = put(client, "jobs/new.py", "x = 2\n", shown.headers["ETag"])
    assert changed.status_code == 200
    assert client.get("/api/jobs/repo/log").json()["items"][1]["subject"] == "New"
    listed = {each["path"]: each for each in client.get(FILES).json()["items"]}
    assert listed["jobs/new.py"]["blob"] == changed.headers["ETag"].strip('"') and not listed[".gitignore"]["editable"]
    assert client.delete(f"{FILES}/jobs/new.py").status_code == 428
    gone = client.delete(f"{FILES}/jobs/new.py", headers={"If-Match": changed.headers["ETag"]})
    assert gone.json()["files"] == [{"path": "jobs/new.py", "blob": None}]
    assert client.get(f"{FILES}/jobs/new.py").status_code == 404
    assert client.delete(f"{FILES}/jobs/new.py", headers={"If-Match": "*"}).status_code == 404


def test_conditions(client: TestClient, home: House):
    assert put(client, "README.md", "a\n").status_code == 201
    missing = put(client, "README.md", "b\n")
    assert (missing.status_code, missing.json()["code"]) == (428, "condition_missing")
    assert put(client, "README.md", "b\n", "*").status_code == 200
    made = client.put(f"{FILES}/README.md", json={"content": "c\n"}, headers={"If-None-Match": "*"})
    assert made.status_code == 412 and made.json()["conflicts"][0]["theirs"] == "b\n"
    stale = put(client, "README.md", "c\n", '"' + "1" * 40 + '"')
    assert (stale.status_code, stale.json()["code"]) == (412, "repo.edit_conflict")
    assert stale.json()["conflicts"][0]["yours"] == "c\n"


def test_refusals_are_problems_that_name_the_place(client: TestClient, home: House):
    etag = client.get(f"{FILES}/manifest.py").headers["ETag"]
    broken = put(client, "manifest.py", "import os\nboom(\n", etag)
    assert (broken.status_code, broken.json()["code"]) == (409, "manifest.broken")
    assert (broken.json()["file"], broken.json()["line"]) == ("manifest.py", 2)
    for path in ("..%2Fx.py", "jobs/%2e%2e/%2e%2e/x.py", "jobs/a%00.py", ".git/config", "etc/passwd"):
        assert client.get(f"{FILES}/{path}").status_code in (404, 422), path
    kept = put(client, "manifest.py", "import os\nboom(\n", etag, draft="half").json()
    assert kept["draft"] == "half" and kept["broken"]["line"] == 2 and "ETag" not in kept
    assert client.get(f"{DRAFTS}/half").json()["files"] == ["manifest.py"]
    assert client.post(f"{DRAFTS}/half/apply").json()["code"] == "manifest.broken"
    assert client.delete(f"{DRAFTS}/half").status_code == 204 and client.get(DRAFTS).json() == {"items": []}


def test_several_files_are_one_commit_and_a_repeated_request_is_not_done_again(client: TestClient, home: House):
    body = {"files": [{"path": "jobs/a.py", "content": "a = 1\n"}, {"path": "jobs/hello.py", "content": None}]}
    blob = client.get(f"{FILES}/jobs/hello.py").json()["blob"]
    body["files"][1]["blob"] = blob
    manifest = client.get(f"{FILES}/manifest.py").json()
    body["files"].append({"path": "manifest.py", "content": STARTER, "blob": manifest["blob"]})
    dry = client.post(CHANGES, json={**body, "dry_run": True}).json()
    assert dry["removed"] == ["hello"] and dry["commit"] is None and dry["needs_confirmation"]
    refused = client.post(CHANGES, json=body)
    assert refused.json()["code"] == "repo.removal_unconfirmed" and refused.json()["jobs"] == ["hello"]
    key = {"Idempotency-Key": "once"}
    first = client.post(CHANGES, json={**body, "confirm_removal": True}, headers=key)
    again = client.post(CHANGES, json={**body, "confirm_removal": True}, headers=key)
    assert first.status_code == 200 and first.json() == again.json() and again.headers["Idempotency-Replayed"]
    detail = client.get(f"/api/jobs/repo/commits/{first.json()['commit']}").json()
    assert [(each["kind"], each["path"]) for each in detail["changes"]] == [
        ("A", "jobs/a.py"),
        ("D", "jobs/hello.py"),
        ("M", "manifest.py"),
    ]
    twice = {"files": [{"path": "README.md", "content": "a"}, {"path": "README.md", "content": "b"}]}
    assert client.post(CHANGES, json=twice).status_code == 422


def test_writing_needs_its_scope(client: TestClient, anonymous: TestClient, home: House):
    token = client.post("/api/tokens", json={"name": "reader", "scopes": ["jobs:read"]}).json()["token"]
    anonymous.headers["Authorization"] = f"Bearer {token}"
    assert anonymous.get(FILES).status_code == 200
    assert put(anonymous, "README.md", "a\n").json()["code"] == "scope_missing"
    assert anonymous.post(CHANGES, json={"files": []}).status_code == 403


def test_without_a_repo_it_is_said(client: TestClient):
    for answer in (client.get(FILES), client.get(f"{FILES}/manifest.py"), put(client, "README.md", "a\n")):
        assert answer.status_code == 404 and "jobs repo" in answer.json()["detail"]

"""What could be meant in a filter: a few values that there are, for those who may look at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest
from starlette.testclient import TestClient

from longhouse import accounts, jobs, queue, suggestions
from longhouse.house import SYSTEM, By, House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store import run_search
from longhouse.store.database import run
from tests.conftest import Browser

AddJob = Callable[..., None]
OWNER = By("owner", "web")


def found(client: TestClient, kind: str, text: str = "") -> list[str]:
    answer = client.get(f"/api/suggestions/{kind}", params={"text": text})
    assert answer.status_code == 200, answer.text
    return [each["value"] for each in answer.json()["items"]]


def ran(house: House, commit: str, environment: str) -> None:
    run_id = jobs.run_now(house, "daily", OWNER).id
    assert queue.claim(house) is not None
    queue.finish(house, run_id, 1, Ending(state=RunState.SUCCEEDED))
    with house.db.write() as db:
        values = {"id": run_id, "commit": commit, "environment": environment}
        run(db, "UPDATE runs SET commit_sha = :commit, environment = :environment WHERE id = :id", values)


def test_jobs_tags_and_projects_that_hold_the_text(client: TestClient, add_job: AddJob) -> None:
    add_job("daily", tags=["Mail", "shop"], project="home", description="Send it.")
    add_job("old-daily", tags=["mail-old"], project="shop", description="Not any more.")
    add_job("backup", tags=["shop"], description="Copies.")
    assert found(client, "jobs/job") == ["backup", "daily", "old-daily"]
    assert found(client, "jobs/job", "DAI") == ["daily", "old-daily"], "those that begin with it come first"
    assert client.get("/api/suggestions/jobs/job", params={"text": "back"}).json()["items"] == [
        {"value": "backup", "about": "Copies."}
    ]
    assert found(client, "jobs/tag") == ["Mail", "mail-old", "shop"]
    assert found(client, "jobs/tag", "old") == ["mail-old"]
    assert found(client, "jobs/project", "s") == ["shop"]
    assert found(client, "jobs/name", "sho") == ["shop", "shop", "backup", "daily", "old-daily"]
    assert found(client, "jobs/tag", "nothing") == []


def test_commits_and_environments_that_runs_had(house: House, client: TestClient, add_job: AddJob) -> None:
    add_job("daily")
    for number in range(30):
        ran(house, f"{number:02}" + "ab" * 19, "e1" * 8 if number % 2 else "f2" * 8)
    newest = found(client, "runs/commit")
    assert len(newest) == suggestions.MOST and newest[:2] == ["29abababab" + "ab", "28abababab" + "ab"]
    assert found(client, "runs/commit", "0") == [f"{number:02}" + "ab" * 5 for number in range(10)]
    assert found(client, "runs/commit", "07" + "ab" * 6) == ["07" + "ab" * 6], "as much as was typed"
    assert found(client, "runs/environment") == ["e1" * 6, "f2" * 6]
    assert found(client, "runs/environment", "f") == ["f2" * 6]


def test_of_very_many_runs_only_the_newest_are_looked_at(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job("daily")
    ran(house, "aa" * 20, "")
    ran(house, "bb" * 20, "")
    assert len(suggestions.suggest(house, "commit", "")) == 2
    monkeypatch.setattr(run_search, "NEAR", 1)
    assert [each.value for each in suggestions.suggest(house, "commit", "")] == ["bb" * 6]


def rows_looked_at(house: House) -> int:
    """By the search for the environments of all runs."""
    seen: list[dict[str, Any]] = []
    with house.db.read() as db:
        db.trace_v2(apsw.SQLITE_TRACE_PROFILE, seen.append)
        found = run_search.values(db, "environment", "")
        db.trace_v2(0, None)
    assert found == []
    return sum(each["stmt_status"]["SQLITE_STMTSTATUS_FULLSCAN_STEP"] for each in seen)


def test_where_no_run_has_an_environment_the_newest_are_enough_to_know(
    house: House, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job("daily")
    monkeypatch.setattr(run_search, "NEAR", 5)
    looked = []
    for _ in range(3):
        for _ in range(10):
            ran(house, "aa" * 20, "")
        looked.append(rows_looked_at(house))
    assert looked[0] and looked == [looked[0]] * 3, "a long history costs no more than a short one"


def test_of_very_many_people_those_are_found_whose_names_fit(house: House, client: TestClient, add_job: AddJob) -> None:
    add_job("daily", overlap="allow")
    for name in (*(f"anna-{number:03}" for number in range(150)), "Zoe", "old zoe"):
        jobs.run_now(house, "daily", By(name, "api"))
    assert found(client, "activity/actor", "zoe") == ["Zoe", "old zoe"], "those that begin with it come first"
    assert found(client, "activity/actor", "149") == ["anna-149"]
    assert found(client, "activity/actor", "anna") == [f"anna-{number:03}" for number in range(suggestions.MOST)]
    assert len(found(client, "activity/actor")) == suggestions.MOST and found(client, "activity/actor", "%") == []


def test_who_did_what_is_for_those_who_may_know(house: House, client: TestClient, add_job: AddJob) -> None:
    add_job("daily")
    ran(house, "aa" * 20, "")
    assert "owner" in found(client, "activity/actor", "own")
    assert found(client, "activity/act", "run") == ["run.cancel", "run.create", "run.delete", "runs"]
    token = accounts.new_token(house, "look", ("runs:read", "jobs:read"), SYSTEM).value
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/suggestions/runs/commit", headers=headers).status_code == 200
    answer = client.get("/api/suggestions/activity/actor", headers=headers)
    assert (answer.status_code, answer.json()["scope"]) == (403, "admin")
    assert client.get("/api/suggestions/jobs/commit").status_code == 422


def test_a_short_list_is_on_the_page_and_a_long_one_is_fetched(browser: Browser, add_job: AddJob) -> None:
    for number in range(41):
        add_job(f"job-{number:02}", tags=[f"tag-{number:02}"], project=f"p{number % 40}")
    page = browser.get("/jobs?tag=tag-07")
    assert '<select id="project"' in page and "<option>p39</option>" in page
    assert 'data-offered="/api/suggestions/jobs/tag?text="' in page and 'value="tag-07"' in page
    assert "tag-23" not in page, "the others are not sent along"
    assert "offered" in page.partition("<body")[0]
    runs = browser.get("/runs")
    for kind in ("jobs/job", "runs/commit", "runs/environment"):
        assert f'data-offered="/api/suggestions/{kind}?text="' in runs
    activity = browser.get("/activity?act=session.open")
    assert "<option selected>session.open</option>" in activity and "signed in with" in activity

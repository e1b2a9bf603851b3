"""What is held after the clock was set forward: shown, caught up with or left, through API, command and page."""

from __future__ import annotations

import json

import pytest

from longhouse import accounts, history, jobs
from longhouse.engine.scheduler import Scheduler
from longhouse.house import SYSTEM, House

SAID = "The clock was set forward"


@pytest.fixture
def stepped(house, clock, add_job) -> House:
    """Two hours ahead at once: 120 due times of a job are held."""
    add_job("minutely", cron=None, every=60)
    scheduler = Scheduler(house)
    scheduler.step()
    clock.ms += 120 * 60_000
    scheduler.watch()
    scheduler.catch_up()
    return house


def runs(house: House) -> list[str]:
    return [run.trigger for run in history.list_runs(house, job_id="minutely")[0]]


def ends(house: House) -> list[tuple[str, int]]:
    return [(found.end, found.count) for found in jobs.firings(house, "minutely", low=0, high=2**52)]


def audited(house: House) -> list[tuple[str, str]]:
    with house.db.read() as db:
        return list(db.execute("SELECT verb, surface FROM audit WHERE subject = 'clock'"))


def test_the_api_shows_what_is_held_and_catches_up(client, stepped):
    found = client.get("/api/clock").json()
    assert found == {
        "now": "2026-02-04T10:00:00.000Z",
        "held": [
            {
                "before": "2026-02-04T08:00:00.000Z",
                "after": "2026-02-04T10:00:00.000Z",
                "jobs": 1,
                "due_times": 120,
            }
        ],
    }
    assert ends(stepped) == [("held_clock", 120)] and runs(stepped) == []
    assert client.post("/api/clock/accept").json() == {"runs": 1, "due_times": 120, "left": 0}
    assert runs(stepped) == ["catch_up"] and audited(stepped) == [("clock.accept", "api")]
    assert client.get("/api/clock").json()["held"] == []
    for verb in ("accept", "leave"):
        again = client.post(f"/api/clock/{verb}")
        assert again.status_code == 409 and "nothing is held" in again.json()["detail"]


def test_the_api_leaves_it(client, stepped):
    assert client.post("/api/clock/leave").json() == {"runs": 0, "due_times": 0, "left": 120}
    assert runs(stepped) == [] and ends(stepped) == [("held_clock", 120)]
    assert client.get("/api/clock").json()["held"] == []


def test_whoever_only_reads_decides_nothing(anonymous, stepped):
    reader = accounts.new_token(stepped, "reader", ("jobs:read", "runs:write"), SYSTEM).value
    anonymous.headers["Authorization"] = f"Bearer {reader}"
    assert len(anonymous.get("/api/clock").json()["held"]) == 1
    assert anonymous.post("/api/clock/accept").status_code == 403
    assert anonymous.post("/api/clock/leave").status_code == 403
    assert ends(stepped) == [("held_clock", 120)]


def test_the_command_shows_and_catches_up(command, stepped):
    code, out, _ = command("clock", "show")
    assert code == 0 and out.startswith(f"{SAID} from ") and "120 due times of 1 jobs are held" in out
    assert json.loads(command("clock", "show", "--json")[1])["held"][0]["due_times"] == 120
    assert command("clock", "accept")[:2] == (0, "120 due times are caught up with by 1 runs\n")
    assert runs(stepped) == ["catch_up"]
    code, out, _ = command("clock", "show")
    assert code == 0 and out.startswith("nothing is held; it is 2026-02-04 ")
    code, _, err = command("clock", "accept")
    assert code == 4 and "nothing is held" in err


def test_the_command_leaves_it(command, stepped):
    assert command("clock", "leave")[:2] == (0, "120 due times stay held; no run is started for them\n")
    assert runs(stepped) == []
    assert command("clock", "leave")[0] == 4


@pytest.mark.parametrize(("act", "started"), [("accept", ["catch_up"]), ("leave", [])])
def test_every_page_asks_until_somebody_has_decided(browser, stepped, act, started):
    for path in ("/jobs", "/jobs/minutely", "/runs"):
        assert f"<strong>{SAID}</strong>" in browser.get(path) and "120 due times in between are held" in browser.get(
            path
        )
    assert f"<strong>{SAID}</strong>" not in browser.post("/clock", act=act, back="/runs")
    assert runs(stepped) == started
    assert audited(stepped) == [(f"clock.{act}", "web")]
    browser.post("/clock", status=409, act=act)

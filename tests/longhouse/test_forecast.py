"""What would become of a due time: by the switches, the schedule, the runs of the job, and of what is due beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from longhouse import jobs, ledger, pauses
from longhouse.errors import Invalid, NotFound
from longhouse.forecast import Forecast, forecast
from longhouse.house import SYSTEM, House
from longhouse.store import jobs as job_rows
from tests.conftest import START, HandClock

Add = Callable[..., None]
TOMORROW = "2026-02-05 08:00"
"""In Europe/Berlin, where `daily-digest` is due at eight; START is nine o'clock the day before."""
HOUR = 3_600_000


def asked(house: House, at: str = TOMORROW, job_id: str = "daily-digest") -> Forecast:
    return forecast(house, job_id, at)


def test_a_due_time_to_come_runs_with_the_code_of_now_and_nothing_is_written(house: House, add_job: Add) -> None:
    add_job(params={"to": "me"})
    with house.db.read() as db:
        before = db.execute("SELECT total_changes()").fetchall()
    found = asked(house)
    assert (found.verdict, found.end, found.reasons) == ("A run would start.", "ran", ())
    assert found.scheduled and found.at == START + 23 * HOUR
    assert found.before == found.at - 24 * HOUR and found.after == found.at + 24 * HOUR
    assert found.params == {"to": "me"} and found.entry is None
    assert (
        not jobs.firings(house, "daily-digest", low=0, high=found.at) and jobs.active_runs(house, "daily-digest") == 0
    )
    with house.db.read() as db:
        assert db.execute("SELECT total_changes()").fetchall() == before


def test_a_moment_off_the_schedule_says_so_with_the_due_times_around_it(house: House, add_job: Add) -> None:
    add_job()
    add_job("by-hand", cron=None)
    found = asked(house, "2026-02-05 09:30")
    assert not found.scheduled and found.verdict == "A run would start."
    assert (found.before, found.after) == (found.at - HOUR * 3 // 2, found.at + HOUR * 45 // 2)
    alone = asked(house, job_id="by-hand")
    assert (alone.scheduled, alone.before, alone.after) == (False, None, None)


def test_the_switches_keep_it_from_running(house: House, add_job: Add) -> None:
    add_job()
    add_job("off", enabled=False)
    assert (asked(house, job_id="off").verdict, asked(house, job_id="off").end) == (
        "It would not run.",
        "skipped_disabled",
    )
    jobs.pause(house, "daily-digest", SYSTEM, until="2026-02-05 08:00")
    assert asked(house).end == "ran", "what is due at the very end of a pause fires"
    assert asked(house, "2026-02-05 07:59").end == "skipped_paused"
    assert asked(house, "2026-02-05 07:59").reasons == ("The job is paused then.",)
    pauses.pause(house, SYSTEM)
    assert asked(house).end == "skipped_paused"
    jobs.resume(house, "daily-digest", SYSTEM)
    assert asked(house).reasons == ("Everything is paused until somebody resumes.",)
    pauses.resume(house, SYSTEM)
    assert asked(house).end == "ran"


@pytest.mark.parametrize(
    ("overlap", "reasons"),
    [
        ("skip", ("If run 1 of the job has not ended by then, it is skipped: overlap.",)),
        ("queue", ("If run 1 of the job has not ended by then, it waits its turn.",)),
        ("allow", ()),
    ],
)
def test_a_run_that_goes_on_may_be_in_its_way(
    house: House, add_job: Add, overlap: str, reasons: tuple[str, ...]
) -> None:
    add_job(overlap=overlap)
    jobs.run_now(house, "daily-digest", SYSTEM)
    found = asked(house)
    assert found.reasons == reasons
    assert found.verdict == ("A run would start, if nothing comes in between." if reasons else "A run would start.")


def test_a_secret_without_a_value_is_said(house: House, add_job: Add) -> None:
    secret: dict[str, Any] = {"key": "SHOP_PASSWORD", "required": True}
    add_job(secrets=[secret])
    found = asked(house)
    assert found.secrets_missing == ("SHOP_PASSWORD",)
    assert found.verdict == "A run would start and fail: SHOP_PASSWORD has no value."


def test_more_jobs_than_slots_in_a_minute_are_said(house: House, add_job: Add) -> None:
    add_job()
    add_job("minutely", cron="* * * * *")
    assert asked(house).beside == ("minutely",) and asked(house).reasons == ()
    add_job("also", cron="0 8 * * *", timezone="Europe/Berlin")
    add_job("off", cron="* * * * *", enabled=False)
    found = asked(house)
    assert found.beside == ("also", "minutely")
    assert found.reasons == ("3 jobs are due in that minute and 2 runs go at once: some wait for a slot.",)


def test_of_a_time_that_has_passed_the_ledger_is_told(house: House, clock: HandClock, add_job: Add) -> None:
    add_job()
    clock.advance(24 * 3600)
    with house.db.write() as db:
        job = job_rows.get(db, "daily-digest")
        assert job is not None
        ledger.settle_job(house, db, job, clock.now())
    found = asked(house)
    assert found.entry is not None and found.end == found.entry.end
    ran = found.entry.run_id
    assert found.verdict == (
        f"That time has passed: run {ran} was started for it."
        if ran
        else "That time has passed, and it started no run."
    )
    assert asked(house, "2026-02-05 07:30").verdict == "That time has passed; nothing was due."


def test_what_cannot_be_asked_is_refused(house: House, add_job: Add) -> None:
    add_job()
    with pytest.raises(NotFound, match="nobody"):
        asked(house, job_id="nobody")
    for text in ("tomorrow", "", "2026-03-29 02:30"):
        with pytest.raises(Invalid, match="at: "):
            asked(house, text)


def test_the_api_says_the_same(client: TestClient, add_job: Add) -> None:
    add_job()
    found = client.get("/api/jobs/daily-digest/forecast", params={"at": TOMORROW}).json()
    assert (found["at"], found["verdict"]) == ("2026-02-05T07:00:00.000Z", "A run would start.")
    assert (found["before"], found["after"]) == ("2026-02-04T07:00:00.000Z", "2026-02-06T07:00:00.000Z")
    refused = client.get("/api/jobs/daily-digest/forecast", params={"at": "soon"})
    assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "/at"
    assert client.get("/api/jobs/daily-digest/forecast").status_code == 422
    assert client.get("/api/jobs/nobody/forecast", params={"at": TOMORROW}).status_code == 404

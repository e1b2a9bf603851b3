"""Is everything fine? What Home, the API and `status` say of a house that somebody has lived in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from longhouse import jobs, overview, pauses, search
from longhouse.house import House
from longhouse.store import firings
from tests.browser.furnished import NOW, OWNER, empty_house, furnish, hand_clock, settle

DAY = 86_400_000


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[tuple[House, dict[str, int]]]:
    with empty_house(tmp_path / "data") as house:
        yield house, furnish(house)


def codes(house: House) -> list[str]:
    return [need.code for need in overview.overview(house).needs]


def test_an_empty_instance_is_ready_and_not_fine_before_it_has_a_repo(tmp_path: Path) -> None:
    with empty_house(tmp_path / "data") as house:
        found = overview.overview(house)
        assert (found.jobs, found.upcoming, found.failures, found.missed) == (0, [], [], [])
        assert codes(house) == ["repo"]


def test_failures_are_told_by_job_until_they_have_been_seen(lived: tuple[House, dict[str, int]]) -> None:
    house, runs = lived
    found = overview.overview(house)
    assert [(each.job_id, each.count, each.recovered) for each in found.failures] == [
        ("backup-photos", 1, False),
        ("check-website", 2, True),
    ]
    assert found.failures[0].run.id == runs["failed"]
    assert found.headline == "1 thing needs you" and codes(house) == ["failures"]
    assert found.needs[0].sentence == "2 jobs have failed, 3 runs in all"
    assert overview.mark_seen(house) == NOW
    after = overview.overview(house)
    assert (after.headline, after.failures, after.fine) == ("Everything is fine", [], True)


def test_what_failed_after_the_page_was_made_is_not_marked_with_it(lived: tuple[House, dict[str, int]]) -> None:
    house, _ = lived
    newest = overview.overview(house).failures[0].run.finished_at
    assert newest is not None
    overview.mark_seen(house, newest - 1)
    assert [each.job_id for each in overview.overview(house).failures] == ["backup-photos"]
    overview.mark_seen(house, newest)
    assert overview.mark_seen(house, newest - 5 * DAY) == newest, "the mark never goes back"
    assert overview.mark_seen(house, NOW + DAY) == NOW, "and not ahead of the clock"


def test_one_failed_job_is_named_and_leads_to_its_run(lived: tuple[House, dict[str, int]]) -> None:
    house, runs = lived
    newest = overview.overview(house).failures[0].run.finished_at
    assert newest is not None
    overview.mark_seen(house, newest - 1)
    need = overview.overview(house).needs[0]
    assert (need.sentence, need.job_id, need.run_id) == ("backup-photos has failed", "backup-photos", runs["failed"])


def test_the_next_ten_firings_are_those_of_all_jobs_in_order(lived: tuple[House, dict[str, int]]) -> None:
    house, _ = lived
    found = overview.next_firings(house, 10)
    every = sorted(
        (due, item.job.id)
        for item in jobs.list_jobs(house)[0]
        if item.job.enabled
        for due in jobs.upcoming_of(house, item.job, 10)
    )
    assert [(each.due, each.job_id) for each in found] == every[:10]
    jobs.set_enabled(house, "check-website", False, OWNER)
    jobs.pause(house, "reindex-search", OWNER)
    assert {each.job_id for each in overview.next_firings(house, 50)} == {"weather", "daily-digest", "backup-photos"}


def test_a_pause_of_everything_needs_somebody_and_has_no_next_firing(lived: tuple[House, dict[str, int]]) -> None:
    house, _ = lived
    overview.mark_seen(house)
    pauses.pause(house, OWNER)
    found = overview.overview(house)
    assert (codes(house), found.upcoming, found.paused) == (["paused"], [], True)


def test_missed_due_times_are_told_with_their_reason_and_only_once(lived: tuple[House, dict[str, int]]) -> None:
    house, _ = lived
    overview.mark_seen(house)
    clock = hand_clock(house)
    clock.ms += 3 * 3_600_000
    back = replace(house, up_since=clock.ms)
    with back.db.write() as db:
        job = jobs.get_known(db, "check-website")
        for due in range(NOW + 300_000, NOW + 3_600_000, 300_000):
            firings.record(db, job.id, due, last=due, count=1, end="missed_down", run_id=None, now=clock.ms)
    found = overview.overview(back)
    missed = [each for each in found.missed if each.end == "missed_down" and each.new]
    assert [(each.job_id, each.count, each.first) for each in missed] == [("check-website", 11, NOW + 300_000)]
    assert found.needs[-1].sentence == "11 due times were missed, of check-website"
    overview.mark_seen(back)
    again = overview.overview(back)
    assert "missed" not in [need.code for need in again.needs] and again.missed, "still listed, no longer a need"
    clock.ms += 8 * DAY
    assert overview.overview(back).missed == []


def test_a_skip_that_the_overlap_setting_asks_for_needs_nobody(lived: tuple[House, dict[str, int]]) -> None:
    house, _ = lived
    overview.mark_seen(house, NOW - 2 * DAY)
    jobs.run_now(house, "daily-digest", OWNER)
    hand_clock(house).ms += DAY
    settle(house, "daily-digest")
    found = overview.overview(house)
    assert any(each.end == "skipped_overlap" for each in found.missed)
    assert "missed" not in [need.code for need in found.needs]


def test_what_the_engine_complains_of_comes_first(lived: tuple[House, dict[str, int]]) -> None:
    found = overview.overview(lived[0], ["the scheduler has not looked at the clock for 70 s"])
    assert (found.needs[0].code, found.headline) == ("engine", "2 things need you")


def test_jobs_are_found_by_any_part_of_what_they_say_and_runs_by_number(lived: tuple[House, dict[str, int]]) -> None:
    house, runs = lived
    assert [job.id for job in search.search(house, "WEB").jobs] == ["check-website"]
    assert [job.id for job in search.search(house, "shop").jobs] == ["check-website", "invoice-report"]
    assert [job.id for job in search.search(house, "mail").jobs] == ["daily-digest"]
    assert len(search.search(house, "", 3).jobs) == 3
    assert search.search(house, "%").jobs == []
    for text in (str(runs["failed"]), f"#{runs['failed']}", f"run {runs['failed']}"):
        found = search.search(house, text)
        assert found.run is not None and found.run.id == runs["failed"]
    assert search.search(house, "9" * 40).run is None


def test_the_api_says_the_same_and_marks_as_seen(client: TestClient) -> None:
    found = client.get("/api/overview").json()
    assert (found["fine"], found["headline"]) == (not found["needs"], found["headline"])
    assert {"running", "failures", "upcoming", "missed", "checks"} <= found.keys()
    assert found["looked_at"] is None
    marked = client.post("/api/overview/seen").json()["looked_at"]
    assert client.get("/api/overview").json()["looked_at"] == marked
    assert client.get("/api/search", params={"q": "nothing of that name"}).json() == {"jobs": [], "run": None}
    assert client.get("/api/search", params={"q": "x" * 101}).status_code == 422

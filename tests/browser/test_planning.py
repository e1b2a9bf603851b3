"""A real server and a real browser: pause everything and one job, run later, backfill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PROBLEMS, served, signed_in

pytestmark = pytest.mark.browser

MANIFEST = """from zerg.jobs import JobConfig, job_registry
from jobs.hello import run as hello

job_registry.register(JobConfig(id="hello", func=hello, cron="0 * * * *"))
"""


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    data = tmp_path_factory.mktemp("planning") / "data"
    with served(data) as link:
        (data / "jobs" / "manifest.py").write_text(MANIFEST)
        page = signed_in(browser, link)
        page.goto("/jobs")
        expect(page.locator("#job-hello")).to_contain_text("Every hour", timeout=10_000)
        yield page
        assert PROBLEMS[page] == []
        page.context.close()


def test_the_pause_of_everything_is_on_every_page_until_somebody_resumes(page: Page) -> None:
    page.goto("/jobs")
    page.get_by_label("How long to pause all jobs").select_option("for an hour")
    page.get_by_role("button", name="Pause all").click()
    banner = page.get_by_role("region", name="Everything is paused")
    expect(banner).to_contain_text("Paused by owner since")
    expect(banner).to_contain_text("nothing fires")
    expect(page.locator("#job-hello")).to_contain_text("Paused")
    expect(page.get_by_role("button", name="Pause all")).to_have_count(0)
    for path in ("/runs", "/repo", "/jobs/hello"):
        page.goto(path)
        expect(banner).to_contain_text("nothing fires")
    expect(page.locator("#paused")).to_contain_text("Paused with all jobs")
    banner.get_by_role("button", name="Resume").click()
    expect(banner).to_have_count(0)
    expect(page.locator("#paused")).to_have_count(0)


def test_one_job_is_paused_from_the_list_and_resumed_on_its_page(page: Page) -> None:
    page.goto("/jobs")
    page.get_by_role("button", name="Pause hello").click()
    expect(page.locator("#toasts")).to_contain_text("hello is paused until somebody resumes.")
    expect(page.get_by_role("button", name="Resume hello")).to_be_visible()
    page.goto("/jobs/hello")
    expect(page.locator("#job-head")).to_contain_text("until somebody resumes")
    expect(page.locator("#job-next")).to_contain_text("Would be due")
    page.locator("#job-head").get_by_role("button", name="Resume").click()
    expect(page.locator("#job-next")).not_to_contain_text("Would be due")
    expect(page.locator("#paused")).to_have_count(0)


def test_a_run_for_later_waits_with_its_time_and_is_cancelled(page: Page) -> None:
    page.goto("/jobs/hello")
    page.get_by_label("Later, at").fill("2020-01-01T08:00")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#e-at")).to_contain_text("has passed already")
    tomorrow = page.evaluate("new Date(Date.now() + 36 * 3600e3).toISOString().slice(0, 16)")
    page.get_by_label("Later, at").fill(tomorrow)
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("#state")).to_have_text("Queued")
    expect(page.locator("#run-head")).to_contain_text("It was asked for at this time.")
    expect(page.locator("#run-head")).to_contain_text("for this time, owner (browser)")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#state")).to_have_text("Cancelled")


def test_a_backfill_is_previewed_started_and_watched(page: Page) -> None:
    page.goto("/jobs/hello")
    page.get_by_label("From").fill("2026-02-04T05:00")
    page.get_by_label("To", exact=True).fill("2026-02-04T07:30")
    page.get_by_role("button", name="Preview …").click()
    expect(page.locator("#preview")).to_contain_text("3 due times")
    page.get_by_role("button", name="Run these 3").click()
    page.wait_for_url("**/runs?backfill=*")
    expect(page.locator("main")).to_contain_text("3 due times from")
    expect(page.locator("#run-list .badge.s-succeeded")).to_have_count(3, timeout=20_000)
    page.goto("/jobs/hello")
    expect(page.locator("#backfills")).to_contain_text("done")

"""Done 6 of the web UI: somebody new makes a job from a template, sees it run, breaks it, finds the error, mends it.
All by clicking, in front of a real server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PROBLEMS, editor_line, menu, served, signed_in
from tests.longhouse.job_template_servers import Web, listening

pytestmark = pytest.mark.browser

PATIENCE = 60_000
"""Milliseconds; other tests run beside."""
MOST_SECONDS = 300
"""What a new user may take; a test clicks faster and waits for the same things."""


def run_now(page: Page) -> str:
    """From the job's page to the run's; how it ended."""
    page.get_by_role("button", name="Run now").last.click()
    page.wait_for_url("**/runs/*")
    state = page.locator("#run-head[data-active=false] #state")
    expect(state).to_be_visible(timeout=PATIENCE)
    return state.inner_text().strip().lower()


def put_into(page: Page, line: str, text: str) -> None:
    """A line of the editor becomes another one."""
    editor_line(page, line).click(position={"x": 8, "y": 8})
    page.keyboard.press("Home")
    for _ in range(2):  # a phone wraps lines: to the end of what is seen, then to the end
        page.keyboard.press("Shift+End")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def test_a_new_user_makes_breaks_and_mends_a_job_by_clicking(browser: Browser, tmp_path: Path) -> None:
    began = time.monotonic()
    with listening(Web, pages={"/health": (200, b"all is well")}) as (_, port), served(tmp_path / "data") as link:
        page = signed_in(browser, link)

        menu(page).get_by_role("navigation").get_by_role("link", name="Jobs", exact=True).click()
        page.get_by_role("link", name="New job").first.click()
        page.get_by_role("link", name="HTTP check").click()
        page.get_by_label("Id").fill("my-website")
        page.get_by_label("Address needed").fill(f"http://127.0.0.1:{port}/health")
        page.get_by_label("Only by hand").check()
        expect(page.locator("#drawn")).to_contain_text("jobs/my_website.py", timeout=PATIENCE)
        page.get_by_role("button", name="Create job").click()
        expect(page.get_by_role("heading", name="my-website")).to_be_visible(timeout=PATIENCE)
        job = page.url

        assert run_now(page) == "succeeded"
        expect(page.locator("#log")).to_contain_text("answered 200", timeout=PATIENCE)

        page.get_by_role("link", name="my-website").first.click()
        page.wait_for_url(job)
        page.get_by_role("link", name="Edit", exact=True).click()
        put_into(page, "result = {", 'result = {"status": statuss}')
        page.get_by_role("button", name="Save and commit").click()
        expect(page.get_by_role("heading", name="jobs/my_website.py", exact=True)).to_be_visible(timeout=PATIENCE)

        page.goto(job)
        assert run_now(page) == "failed"
        error = page.get_by_role("region", name="NameError")
        expect(error).to_be_visible(timeout=PATIENCE)
        expect(error).to_contain_text("jobs/my_website.py:")
        expect(error).to_contain_text("name 'statuss' is not defined")
        error.get_by_role("link", name="Edit this line").click()

        expect(page.locator(".cm-activeLine")).to_contain_text("statuss")
        put_into(page, "statuss", 'result = {"status": status, "seconds": seconds}')
        page.get_by_label("What changed").fill("The status was misspelt")
        page.get_by_role("button", name="Save and commit").click()
        expect(page.get_by_role("heading", name="jobs/my_website.py", exact=True)).to_be_visible(timeout=PATIENCE)

        page.goto(job)
        assert run_now(page) == "succeeded"
        page.goto("/repo")
        expect(page.locator("#repo")).to_contain_text("The status was misspelt")
        expect(page.locator("#repo")).to_contain_text("Add job my-website, from the template HTTP check")
        assert PROBLEMS[page] == []
        page.context.close()
    assert time.monotonic() - began < MOST_SECONDS

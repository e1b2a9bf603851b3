"""A real server and a real browser: two versions beside each other, and an old one comes back."""

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


@pytest.fixture
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    data = tmp_path_factory.mktemp("past") / "data"
    with served(data) as link:
        page = signed_in(browser, link)
        page.goto("/jobs")
        for text, said in ((MANIFEST, "Every hour"), (MANIFEST.replace("0 *", "*/30 *"), "30 minutes")):
            (data / "jobs" / "manifest.py").write_text(text)
            expect(page.locator("#job-hello")).to_contain_text(said, timeout=20_000)
        yield page
        assert PROBLEMS[page] == []
        page.context.close()


def test_two_commits_are_compared_and_the_older_one_is_restored(page: Page) -> None:
    page.goto("/repo")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All files")
    expect(page.locator(".l.del")).to_contain_text('cron="0 * * * *"')
    expect(page.locator(".l.add")).to_contain_text('cron="*/30 * * * *"')
    page.get_by_role("link", name="Side by side").click()
    expect(page.get_by_role("region", name="manifest.py before")).to_contain_text('cron="0 * * * *"')
    expect(page.get_by_role("region", name="manifest.py after")).to_contain_text('cron="*/30 * * * *"')

    page.locator(".lead a").first.click()
    expect(page.locator("#impact")).to_contain_text("Due times in a week: 168")
    page.get_by_role("link", name="Restore this version").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Restore all files")
    expect(page.locator(".l.add")).to_contain_text('cron="0 * * * *"')
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Update jobs: restore")
    expect(page.locator("#impact")).to_contain_text("Due times in a week: 168; before, 336.")
    page.get_by_role("link", name="Blame of manifest.py").click()
    expect(page.locator(".blame")).to_contain_text("job_registry.register")
    page.goto("/jobs")
    expect(page.locator("#job-hello")).to_contain_text("Every hour")

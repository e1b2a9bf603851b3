"""A real server and a real browser: two versions beside each other, and an old one comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PROBLEMS, served, signed_in
from tests.instance import until

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


HELLO = 'def run():\n    print("the {} version")\n'


def test_a_single_file_comes_back_and_runs(browser: Browser, tmp_path: Path) -> None:
    tree = tmp_path / "data" / "jobs"
    with served(tmp_path / "data") as link:
        page = signed_in(browser, link)
        for name, text in (
            ("jobs/hello.py", HELLO.format("first")),
            ("jobs/hello.py", HELLO.format("second")),
            ("notes.md", "Written after both.\n"),
        ):
            known = len(log(page, name))
            (tree / name).write_text(text)
            until(lambda name=name, known=known: len(log(page, name)) > known)
        newest = log(page)[0]["id"]

        page.goto("/repo/files")
        page.get_by_role("link", name="jobs/hello.py").click()
        page.get_by_role("link", name="History").click()
        expect(page.get_by_role("heading", name="History of jobs/hello.py")).to_be_visible()
        page.get_by_role("link", name=re.compile("^Commit ")).nth(1).click()
        page.get_by_role("link", name="File jobs/hello.py as it was").click()
        expect(page.get_by_role("region", name="jobs/hello.py at")).to_contain_text("the first version")
        page.get_by_role("link", name="Restore this version").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Restore jobs/hello.py")
        expect(page.locator(".l.del")).to_contain_text("the second version")
        expect(page.locator(".l.add")).to_contain_text("the first version")
        page.get_by_role("button", name="Restore").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Update jobs: restore jobs/hello.py of")

        made = log(page)[0]
        assert made["parents"] == [newest]
        assert page.url.endswith(f"/repo/commits/{made['id']}")
        assert (tree / "jobs/hello.py").read_text() == HELLO.format("first")
        assert (tree / "notes.md").exists()
        page.goto("/jobs/hello")
        page.get_by_role("button", name="Run now").last.click()
        expect(page.locator("#run-head[data-active=false] #state")).to_contain_text("Succeeded", timeout=20_000)
        run = page.request.get(f"/api/runs/{page.url.rpartition('/')[2]}").json()
        assert run["commit"] == made["id"]
        expect(page.get_by_text("the first version")).to_be_visible(timeout=20_000)
        assert PROBLEMS[page] == []
        page.context.close()


def log(page: Page, path: str = "") -> list[dict[str, Any]]:
    """The newest commits, those of a file if one is named."""
    found: list[dict[str, Any]] = page.request.get(f"/api/jobs/repo/log?path={path}").json()["items"]
    return found

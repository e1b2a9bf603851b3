"""A real server and a real browser: sign in, run, watch, disable, cancel, break and mend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PROBLEMS, served, signed_in, wait_until

pytestmark = pytest.mark.browser

MANIFEST = """from zerg.jobs import JobConfig, job_registry
from jobs.counting import run as counting
from jobs.failing import run as failing
from jobs.flood import run as flood
from jobs.hello import run as hello

job_registry.register(JobConfig(id="hello", func=hello))
job_registry.register(JobConfig(id="counting", func=counting, description="Counts aloud."))
job_registry.register(JobConfig(id="flood", func=flood))
job_registry.register(JobConfig(id="failing", func=failing, max_attempts=2, retry_delay_seconds=1))
"""
COUNTING = """import time


def run(ctx, until: int = 3000):
    for number in range(1, until + 1):
        print(f"\\x1b[32mnumber\\x1b[0m {number}", flush=True)
        time.sleep(0.02)
"""
FLOOD = """def run():
    for number in range(30000):
        print(f"line {number} of a job that talks too much")
"""
FAILING = """def run():
    print("about to fail")
    raise RuntimeError("out of coffee")
"""
AT_END = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40"


class Home:
    def __init__(self, page: Page, tree: Path) -> None:
        self.page = page
        self.tree = tree

    def run(self, job: str) -> None:
        """Press Run now on the job's page, and stay on the page of the run."""
        self.page.goto(f"/jobs/{job}")
        self.page.get_by_role("button", name="Run now").click()
        self.page.wait_for_url("**/runs/*")

    def expect_state(self, state: str) -> None:
        expect(self.page.locator("#state")).to_have_text(state, timeout=15_000)


@pytest.fixture(scope="module")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    data = tmp_path_factory.mktemp("home") / "data"
    with served(data) as link:
        tree = data / "jobs"
        (tree / "jobs" / "counting.py").write_text(COUNTING)
        (tree / "jobs" / "flood.py").write_text(FLOOD)
        (tree / "jobs" / "failing.py").write_text(FAILING)
        (tree / "manifest.py").write_text(MANIFEST)
        page = signed_in(browser, link)
        page.goto("/jobs")
        expect(page.get_by_role("link", name="counting", exact=True)).to_be_visible(timeout=10_000)
        yield Home(page, tree)
        assert PROBLEMS[page] == []
        page.context.close()


def test_a_saved_manifest_appears_without_a_reload(home: Home) -> None:
    expect(home.page.locator("#job-counting")).to_contain_text("Counts aloud.")


def test_run_now_from_the_list_says_so_and_the_strip_grows(home: Home) -> None:
    page = home.page
    page.goto("/jobs")
    page.get_by_role("button", name="Run now: hello").click()
    expect(page.locator("#toasts")).to_contain_text("hello is on its way.")
    expect(page.locator("#job-hello .last")).to_contain_text("Succeeded", timeout=15_000)
    assert page.url.endswith("/jobs")


def test_run_now_shows_the_run_turn_green_with_its_output(home: Home) -> None:
    home.run("hello")
    home.expect_state("Succeeded")
    expect(home.page.locator("#log")).to_contain_text("Hello, Longhouse!")
    expect(home.page.locator("#result")).to_contain_text("greeted")
    expect(home.page.locator("#said")).to_have_text("The run is now: Succeeded")


def test_the_log_follows_the_end_until_the_reader_scrolls_and_cancel_ends_it(home: Home) -> None:
    page = home.page
    home.run("counting")
    expect(page.locator("#L120")).to_be_visible(timeout=15_000)
    expect(page.locator("#follow")).to_have_attribute("aria-pressed", "true")
    assert page.locator("#log").evaluate(AT_END)
    page.locator("#log").evaluate("(log) => { log.scrollTop = 0; }")
    expect(page.locator("#follow")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#L200")).to_be_attached(timeout=15_000)
    assert page.locator("#log").evaluate("(log) => log.scrollTop") == 0, "it stays where the reader is"
    numbers = page.locator("#log .l > a").all_text_contents()
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)], "no line twice, none left out"
    assert page.locator("#L7 .f2").text_content() == "number"
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#toasts")).to_contain_text("was asked to stop")
    home.expect_state("Cancelled")
    expect(page.get_by_role("button", name="Rerun same code")).to_be_visible()


def test_a_flood_of_lines_ends_at_its_last_one(home: Home) -> None:
    home.run("flood")
    home.expect_state("Succeeded")
    expect(home.page.locator("#L30000")).to_be_attached(timeout=15_000)
    wait_until(lambda: home.page.locator("#log").evaluate(AT_END))
    assert home.page.locator("#log .l").count() <= 4_000
    home.page.locator("#log").evaluate("(log) => { log.scrollTop = 0; }")
    first = home.page.locator("#log .l").first.get_attribute("id") or ""
    home.page.get_by_role("link", name="Load earlier lines").click()
    expect(home.page.locator(f"#L{int(first[1:]) - 1}")).to_be_attached()


def test_disable_is_at_once_and_is_committed(home: Home) -> None:
    page = home.page
    page.goto("/jobs")
    switch = page.get_by_role("switch", name="hello on")
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(page.locator("#toasts")).to_contain_text("hello is disabled")
    expect(switch).to_be_focused()
    toml = home.tree / "jobs.toml"
    wait_until(lambda: toml.exists() and "hello" in toml.read_text())
    page.goto("/repo")
    expect(page.locator("#repo")).to_contain_text("disable hello", timeout=10_000)
    page.goto("/jobs/hello")
    page.get_by_role("switch", name="hello on").click()
    expect(page.locator("#switch-label")).to_have_text("Enabled")


def test_a_retry_shows_its_own_output_and_the_traceback(home: Home) -> None:
    home.run("failing")
    home.expect_state("Failed")
    expect(home.page.locator("#traceback")).to_contain_text("RuntimeError: out of coffee")
    expect(home.page.locator("#log")).to_have_attribute("data-attempt", "2")
    expect(home.page.locator("#run-facts")).to_contain_text("Attempts")
    home.page.get_by_role("button", name="Rerun same code").click()
    expect(home.page.locator(".crumb")).to_contain_text("failing")
    home.expect_state("Failed")


def test_a_link_to_a_line_opens_there(home: Home) -> None:
    page = home.page
    home.run("flood")
    home.expect_state("Succeeded")
    page.goto("/runs?job=flood")
    page.locator("td.first a").first.click()
    page.wait_for_url("**/runs/*")
    page.goto(page.url + "#L3")
    expect(page.locator("#L3")).to_be_in_viewport()


def test_a_broken_manifest_is_said_and_a_mended_one_forgotten(home: Home) -> None:
    page = home.page
    page.goto("/runs")
    (home.tree / "manifest.py").write_text(MANIFEST + "import =\n")
    banner = page.get_by_role("region", name="The manifest cannot be read")
    expect(banner).to_contain_text(re.compile(r"manifest\.py:11"), timeout=10_000)
    (home.tree / "manifest.py").write_text(MANIFEST)
    expect(banner).to_have_count(0, timeout=10_000)


def test_the_theme_is_kept(home: Home) -> None:
    page = home.page
    page.goto("/jobs")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate("document.documentElement.dataset.theme ?? 'system'") == "system"


def test_a_bar_of_the_strip_leads_to_its_run(home: Home) -> None:
    page = home.page
    page.goto("/jobs")
    strip = page.locator("#job-hello a.bars svg")
    number = re.match(r"\d+", strip.get_attribute("data-runs") or "")
    box = strip.bounding_box()
    assert number and box
    strip.click(position={"x": box["width"] - 2, "y": box["height"] - 2})
    page.wait_for_url(f"**/runs/{number[0]}")


def test_copy_works_over_plain_http(home: Home) -> None:
    page = home.page
    page.goto("/repo")
    page.evaluate("Object.defineProperty(window, 'isSecureContext', {value: false})")
    page.get_by_role("button", name="Copy the folder's path").click()
    expect(page.locator("#said")).to_have_text("Copied")


def test_everything_works_from_the_keyboard(home: Home) -> None:
    page = home.page
    page.goto("/jobs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Run now: hello":
            break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "focus is seen"
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("hello is on its way.")

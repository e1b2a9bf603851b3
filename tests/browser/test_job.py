"""A job's page in a real browser: figures, chart, form, schedule, code, secrets, by pointer and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from longhouse import deletions, history, jobs, loading
from longhouse.house import House
from longhouse.queue import Ending
from longhouse.runs.state import Reason, RunState
from tests.browser.chromium import PROBLEMS, link_of, serving, signed_in
from tests.browser.furnished import JOBS, OWNER, attempt, empty_house, furnish, hand_clock, write_jobs
from tests.browser.looks import PHONE

pytestmark = pytest.mark.browser

MAILER = (
    'cron="30 2 * * *", timezone="America/New_York", secrets=["MAIL_PASSWORD"], description="Needs a password."',
    'def run(ctx, subject: str = "it\'s here"):\n    return subject  # said\n',
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with empty_house(tmp_path_factory.mktemp("job") / "data") as house:
        furnish(house)
        write_jobs(house.paths.tree, {**JOBS, "mailer": MAILER})
        loading.settle(house)
        yield house


@pytest.fixture(scope="module")
def address(house: House) -> Iterator[str]:
    with serving(house) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser: Browser, house: House, address: str) -> Iterator[Page]:
    page = signed_in(browser, link_of(house, address))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield page
    assert PROBLEMS[page] == []
    page.context.close()


def drawn(page: Page, count: int) -> None:
    expect(page.locator("#chart")).to_have_attribute("data-drawn", str(count), timeout=10_000)


def test_how_it_goes_is_said_and_drawn_and_follows_the_theme(page: Page) -> None:
    page.goto("/jobs/check-website")
    expect(page.locator("#figures dd").first).to_have_text("86.9 %")
    expect(page.locator("#figures")).to_contain_text("20 of 23 succeeded, 1 degraded, 2 failed")
    expect(page.locator("#figures")).to_contain_text("TimeoutError: no answer within 10 s")
    expect(page.locator("#chart-said")).to_contain_text("The last 23 runs: half took at most")
    drawn(page, 23)
    pictures = set()
    for _ in range(3):
        page.locator("#theme").click()
        pictures.add(page.evaluate("document.querySelector('#chart canvas').toDataURL()"))
    assert len(pictures) == 2, "system is light here"


def test_a_mark_of_the_chart_says_its_run_and_opens_it(page: Page) -> None:
    page.goto("/jobs/check-website")
    drawn(page, 23)
    page.locator("#chart .u-over").scroll_into_view_if_needed()
    box = page.locator("#chart .u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] * 0.75)
    expect(page.locator("#chart-run")).to_contain_text(re.compile(r"^Run 23: succeeded, 2\.4 s"))
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/runs/23")


def test_what_ends_is_counted_and_drawn_without_a_reload(page: Page, house: House) -> None:
    page.goto("/jobs/weather")
    before = page.locator("#chart")
    count = len([run for run in history.list_runs(house, job_id="weather")[0] if run.started_at and run.finished_at])
    drawn(page, count)
    assert before.count() == 1
    made = jobs.run_now(house, "weather", OWNER)
    error = {"type": "OSError", "traceback": "OSError: no rain", "file": "jobs/weather.py", "line": 1}
    failed = Ending(state=RunState.FAILED, reason=Reason.EXCEPTION, message="OSError: no rain\nat all", error=error)
    for _ in range(12):  # whatever waits before it, and its own tries
        if history.get(house, made.id).finished_at:
            break
        attempt(house, failed, 1500)
        hand_clock(house).ms += 600_000
    expect(page.locator("#figures")).to_contain_text("OSError: no rain", timeout=10_000)
    expect(page.locator("#figures")).not_to_contain_text("at all")
    drawn(page, count + 1)


def test_a_run_that_is_deleted_goes_from_the_chart(page: Page, house: House) -> None:
    page.goto("/jobs/weather")
    runs = [run for run in history.list_runs(house, job_id="weather")[0] if run.started_at and run.finished_at]
    drawn(page, len(runs))
    deletions.carry_out(house, deletions.named(house, [runs[-1].id]), OWNER, confirm=1)
    drawn(page, len(runs) - 1)


def test_a_job_that_never_ran_says_how_to_run_it_and_loads_no_chart(page: Page) -> None:
    page.goto("/jobs/mailer")
    assert page.evaluate("typeof uPlot") == "undefined"
    expect(page.locator("#runs")).to_contain_text("No runs yet")
    expect(page.locator("#runs")).to_contain_text("longhouse-jobs run mailer --follow")
    expect(page.locator("#figures")).to_have_count(0)


def test_the_form_says_what_is_wrong_before_it_sends_and_the_server_after(page: Page) -> None:
    page.goto("/jobs/invoice-report")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#e-month")).to_have_text("month is needed.")
    expect(page.locator("#p-month")).to_be_focused()
    page.locator("#p-month").fill("2026-02-28")
    expect(page.locator("#e-month")).to_have_count(0)
    page.locator("#p-copies").fill("1.5")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#e-copies")).to_have_text("copies has to be a whole number.")
    assert page.url.endswith("/jobs/invoice-report")
    page.get_by_label("With debug logging").check()
    page.evaluate("document.getElementById('run-form').submit()")  # past the script: the server looks, too
    expect(page.locator("#e-copies")).to_contain_text("parameter 'copies' is '1.5', but has to be a whole number")
    expect(page.get_by_label("With debug logging")).to_be_checked()
    expect(page.locator("#p-month")).to_have_value("2026-02-28")
    page.locator("#p-copies").fill("2")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("#run-head")).to_contain_text("with debug logging")


def test_the_keyboard_runs_it(page: Page, house: House) -> None:
    page.goto("/jobs/clean-up")
    page.locator("#main").focus()
    page.keyboard.press("r")
    page.wait_for_url("**/runs/*")
    newest = history.list_runs(house, job_id="clean-up")[0][0]
    assert page.url.endswith(f"/runs/{newest.id}") and not newest.debug


def test_code_has_colours_links_a_copy_and_its_history(page: Page) -> None:
    page.goto("/jobs/mailer#L2")
    expect(page.locator("#L2")).to_have_css("background-color", page.evaluate(WASH))
    expect(page.locator("#code .t-k").first).to_have_text("def")
    expect(page.locator("#code .t-c")).to_have_text("# said")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == MAILER[1].rstrip("\n")
    expect(page.locator("#commits li")).to_have_count(1)
    for name in ("Edit", "Who changed this", "All of them"):
        target = page.get_by_role("link", name=name, exact=True).get_attribute("href")
        assert target and page.request.get(target).ok, name
    page.locator("#commits a").click()
    page.wait_for_url("**/repo/commits/*")


WASH = """() => {
  const line = Object.assign(document.body.appendChild(document.createElement("p")), {className: "l here"});
  return getComputedStyle(line).backgroundColor;
}"""


def test_secrets_that_are_missing_are_named(page: Page) -> None:
    page.goto("/jobs/mailer")
    expect(page.locator("#needs")).to_contain_text("MAIL_PASSWORD")
    expect(page.locator("#needs")).to_contain_text("Missing")


def test_twenty_due_times_with_the_change_of_the_clocks(
    browser: Browser, page: Page, house: House, address: str
) -> None:
    page.goto("/jobs/check-website")
    expect(page.locator("#coming tbody tr")).to_have_count(20)
    clock = hand_clock(house)
    before = clock.ms
    clock.ms = 1_772_600_000_000  # 4 March 2026, four days before the change in New York
    try:
        later = signed_in(browser, link_of(house, address), size=PHONE)
        later.goto("/jobs/mailer")
        rows = later.locator("#coming tbody tr")
        expect(rows).to_have_count(21)
        expect(later.locator("#coming .turn")).to_contain_text("The clocks go forward, from 02:00 to 03:00")
        expect(later.locator("#coming .turn + tr")).to_contain_text("02:30 does not exist that day, runs at 03:00")
        expect(later.locator("#coming .turn + tr")).to_contain_text("07:00 UTC")
        assert later.evaluate("document.documentElement.scrollWidth <= innerWidth")
        later.context.close()
    finally:
        clock.ms = before

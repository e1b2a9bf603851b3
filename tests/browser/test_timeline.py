"""The timeline in a browser: the picture, its words, keys and links, the calendar, the phone's agenda, and news."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from longhouse import jobs
from longhouse.house import House
from longhouse.store import firings
from tests.browser.chromium import PROBLEMS, link_of, serving, signed_in
from tests.browser.furnished import HOUR, NOW, OWNER, empty_house, furnish

pytestmark = pytest.mark.browser

Lived = tuple[Page, House, dict[str, int]]


@pytest.fixture(scope="module")
def lived(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    with empty_house(tmp_path_factory.mktemp("timeline") / "data") as house:
        runs = furnish(house)
        with house.db.write() as db:
            due = NOW - 30 * HOUR
            firings.record(db, "weather", due, last=due, count=1, end="missed_down", run_id=None, now=NOW)
        with serving(house) as address:
            page = signed_in(browser, link_of(house, address))
            yield page, house, runs
            assert PROBLEMS[page] == []
            page.context.close()


@pytest.fixture
def page(lived: Lived) -> Page:
    return lived[0]


def mark(page: Page, job: str, kind: str) -> dict[str, float]:
    """Where the first mark of a kind is drawn."""
    box = page.locator(f"a.lane[data-job='{job}'] path.k-{kind}").bounding_box()
    assert box is not None
    return dict(box)


@pytest.mark.look("wide-light", "wide-dark", why="a phone has the agenda instead of the picture")
def test_every_job_is_a_lane_with_its_marks_its_words_and_a_key(page: Page) -> None:
    page.goto("/timeline")
    expect(page.get_by_role("link", name="Timeline").first).to_have_attribute("aria-current", "page")
    expect(page.locator(".tl-title")).to_contain_text("Wed 4 Feb 2026")
    row = page.locator("#tl-check-website")
    expect(row).to_contain_text("20 succeeded")
    expect(row.get_by_role("link", name="Runs of check-website: 20 succeeded")).to_be_visible()
    expect(page.locator(".tl-key")).to_contain_text("Failed")
    expect(page.locator("#tl-migrate-once .k-running")).to_have_count(1)
    expect(page.locator("#tl-clean-up")).to_have_count(0)
    page.get_by_label("Also idle jobs").check()
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#tl-clean-up")).to_contain_text("Disabled")


@pytest.mark.look("wide-light", "wide-dark", why="a phone has the agenda instead of the picture")
def test_the_mark_under_the_pointer_says_what_it_is_and_leads_to_its_run(lived: Lived, page: Page) -> None:
    page.goto("/timeline")
    page.wait_for_function("document.querySelector('.tl-tip')")
    box = mark(page, "backup-photos", "failed")
    assert box["width"] >= 3
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] + 9, box["y"] + box["height"] / 2)  # nine pixels beside it will do
    expect(page.locator(".tl-tip")).to_have_text("Failed, 04:00 · 1 min 26 s")
    page.mouse.click(box["x"] + box["width"] + 9, box["y"] + box["height"] / 2)
    page.wait_for_url(f"**/runs/{lived[2]['failed']}")


@pytest.mark.look("wide-light", "wide-dark", why="a phone has the agenda instead of the picture")
def test_the_arrow_keys_walk_along_a_lane(page: Page) -> None:
    page.goto("/timeline")
    page.wait_for_function("document.querySelector('.tl-tip')")
    lane = page.locator("a.lane[data-job='weather']")
    lane.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tl-tip")).to_contain_text("Succeeded, 03:00")
    expect(page.locator("#said")).to_contain_text("Succeeded, 03:00")
    page.keyboard.press("End")
    expect(page.locator(".tl-tip")).to_contain_text("Planned, 22:00")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")


@pytest.mark.look("wide-light", "wide-dark", why="a phone has the agenda instead of the picture")
def test_what_did_not_run_leads_to_its_reason(page: Page) -> None:
    page.goto("/timeline?at=2026-02-03&q=weather")
    page.wait_for_function("document.querySelector('.tl-tip')")
    lane = page.locator("a.lane[data-job='weather']")
    lane.focus()
    page.keyboard.press("Home")
    for _ in range(40):
        if "Missed" in page.locator(".tl-tip").inner_text():
            break
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/weather/firings?before=*")
    expect(page.locator("#job-firings")).to_contain_text("Longhouse was not running at that time.")


def test_views_moves_zone_and_filter_stay_in_the_address(page: Page) -> None:
    page.goto("/timeline?q=check")
    page.get_by_label("Time zone").select_option("UTC")
    page.wait_for_url("**zone=UTC*")
    page.get_by_role("link", name="Week", exact=True).click()
    expect(page.locator(".tl-title")).to_contain_text("Mon 2 Feb 2026 to Sun 8 Feb 2026")
    page.get_by_role("link", name="The week after").click()
    expect(page.locator(".tl-title")).to_contain_text("Mon 9 Feb 2026 to Sun 15 Feb 2026")
    assert "q=check" in page.url and "zone=UTC" in page.url
    page.get_by_role("link", name="This week").click()
    page.get_by_label("Jobs", exact=True).fill("nobody")
    page.keyboard.press("Enter")
    expect(page.locator("#timeline")).to_contain_text("Nothing of “nobody” here")
    page.goto("/timeline?at=2026-03-29")
    expect(page.locator(".tl-note")).to_contain_text("the clocks go from 02:00 to 03:00")


def test_collisions_are_said_in_words(page: Page) -> None:
    page.goto("/timeline")
    expect(page.get_by_role("region", name="Collisions ahead")).to_contain_text("Three jobs are due at 10:00")


def test_a_day_of_the_calendar_opens_its_day(page: Page) -> None:
    page.goto("/calendar")
    today = page.get_by_role("link", name="Wednesday 4 February 2026 Today")
    expect(today).to_contain_text("3 failed")
    expect(page.get_by_role("link", name="Thursday 5 February 2026")).to_contain_text("planned")
    today.click()
    expect(page.locator(".tl-title")).to_contain_text("Wed 4 Feb 2026")
    expect(page.get_by_role("link", name="Day", exact=True)).to_have_attribute("aria-current", "true")


@pytest.mark.look("phone-light", "phone-dark", why="a wide page has the picture")
def test_the_phone_has_an_agenda(lived: Lived, page: Page) -> None:
    page.goto("/timeline")
    expect(page.locator(".tl-picture")).to_be_hidden()
    agenda = page.get_by_role("region", name="One after the other")
    expect(agenda).to_contain_text("Now")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    agenda.get_by_role("listitem").filter(has_text="Running").get_by_role("link").click()
    page.wait_for_url(f"**/runs/{lived[2]['running']}")
    page.goto("/timeline?view=month")
    expect(page.get_by_role("link", name="Wednesday 4")).to_contain_text("failed")


def test_news_arrives_without_a_reload_and_the_page_stays_where_it_is(lived: Lived, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto("/timeline?all=on")
    expect(page.locator("#tl-invoice-report")).to_contain_text("Nothing")
    page.evaluate("scrollTo(0, 150)")
    jobs.run_now(lived[1], "invoice-report", OWNER, params={"month": "2026-01-01"})
    expect(page.locator("#tl-invoice-report")).to_contain_text("1 queued", timeout=15_000)
    assert page.evaluate("scrollY") == 150

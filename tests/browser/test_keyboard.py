"""The keyboard alone does everything: there is no mouse in this file. And every page is driven by some browser test.

What is done with keys elsewhere: bulk acts (test_lists), the timeline's lanes (test_timeline), the palette, the list of
keys and the phone's menu (test_frame), saving in the editor and leaving it with Escape Tab (test_editor).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, Locator, Page, expect

from longhouse import history, jobs, web
from longhouse.house import House
from tests.browser.chromium import PROBLEMS, link_of, serving, signed_in
from tests.browser.furnished import OWNER, empty_house, furnish
from tests.browser.looks import LOOKS, Look, wear

pytestmark = pytest.mark.browser

CHOSEN = "#palette-list li[aria-selected=true]"
OUTLINED = "getComputedStyle(document.activeElement.closest('.cm-editor') ?? document.activeElement).outlineStyle"


class Place(NamedTuple):
    house: House
    page: Page
    runs: dict[str, int]


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with empty_house(tmp_path_factory.mktemp("keyboard") / "data") as house:
        runs = furnish(house)
        with serving(house) as address:
            page = signed_in(browser, link_of(house, address))
            yield Place(house, page, runs)
            assert [each for each in PROBLEMS[page] if "422" not in each] == []
            page.context.close()


@pytest.fixture
def page(place: Place) -> Page:
    place.page.goto("/")
    expect(place.page.locator("#find")).to_be_visible()
    return place.page


def go(page: Page, key: str, path: str) -> None:
    page.keyboard.press("g")
    page.keyboard.press(key)
    page.wait_for_url(f"**{path}")
    expect(page.locator("#find")).to_be_visible()


def tab_to(page: Page, wanted: Locator, most: int = 120) -> None:
    """Tab on until it has the focus, and the focus is seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            assert page.evaluate(OUTLINED) != "none", f"the focus on {wanted!r} is not seen"
            return
    raise AssertionError(f"Tab does not reach {wanted!r}")


def test_a_run_is_started_opened_and_run_again_with_keys(place: Place, page: Page) -> None:
    go(page, "j", "/jobs")
    page.keyboard.press("/")
    page.keyboard.type("weather")
    expect(page.locator("#jobs th .id")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("r")
    expect(page.locator("#toasts")).to_contain_text("weather is on its way.")
    [run] = history.list_runs(place.house, job_id="weather", states=("queued",))[0]
    page.keyboard.press("Control+k")
    page.keyboard.type(str(run.id))
    expect(page.locator(CHOSEN)).to_contain_text(str(run.id))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{run.id}")
    expect(page.locator("#find")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Cancel").first)
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_have_text("Cancelled")
    page.reload()
    tab_to(page, page.get_by_role("button", name="Rerun latest code"))
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url.rpartition("/")[2] not in ("", str(run.id)))
    again = int(page.url.rpartition("/")[2])
    assert history.get(place.house, again).rerun_of == run.id


def test_runs_are_filtered_walked_and_opened_with_keys(place: Place, page: Page) -> None:
    go(page, "r", "/runs")
    page.keyboard.press("/")
    page.keyboard.type("refused")
    expect(page.locator("#run-list tbody tr")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{place.runs['failed']}")
    expect(page.locator("#find")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile(r"/runs(\?.*)?$"))


def test_a_moment_is_tried_and_a_job_switched_off_with_keys(place: Place, page: Page) -> None:
    page.goto("/jobs/reindex-search")
    expect(page.locator("#find")).to_be_visible()
    tab_to(page, page.locator("#if-at"))
    page.keyboard.type("02052026")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("103000A")
    page.keyboard.press("Enter")
    expect(page.locator("#forecast")).to_contain_text("A run would start")
    page.goto("/jobs/clean-up")
    tab_to(page, page.get_by_role("switch").first)
    page.keyboard.press("Space")
    expect(page.get_by_role("switch", name="clean-up on")).to_have_attribute("aria-checked", "true")
    assert jobs.get_job(place.house, "clean-up").job.enabled


def test_a_file_is_edited_and_saved_with_keys(place: Place, page: Page) -> None:
    page.goto("/repo/edit/jobs/weather.py")
    expect(page.locator(".cm-content")).to_be_visible()
    if not page.evaluate("document.activeElement.classList.contains('cm-content')"):
        tab_to(page, page.locator(".cm-content"))
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.insert_text("# said with keys\n")
    page.keyboard.press("Control+s")
    page.wait_for_url("**/repo/files/jobs/weather.py*")
    assert "# said with keys" in (place.house.paths.tree / "jobs" / "weather.py").read_text()


def test_a_job_is_made_from_a_template_with_keys(place: Place, page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("new job")
    expect(page.locator(CHOSEN)).to_contain_text("New job")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/new")
    tab_to(page, page.get_by_role("link", name="HTTP check"))
    page.keyboard.press("Enter")
    page.wait_for_url("**template=http-check*")
    for label, text in (("Id", "by-keys"), ("Address needed", "https://shop.example.org")):
        tab_to(page, page.get_by_label(label))
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="by-keys", exact=True)).to_be_visible()
    assert jobs.get_job(place.house, "by-keys").job.spec.params["url"] == "https://shop.example.org"


@pytest.mark.look("wide-light", why="it goes through all of them itself")
@pytest.mark.parametrize("worn", LOOKS.values(), ids=LOOKS)
def test_the_main_actions_work_in_every_look(place: Place, page: Page, worn: Look) -> None:
    """Run now, pause and resume, search: with every change, not in turns."""
    wear(page, worn)
    jobs.cancel_runs(place.house, "weather", OWNER)
    page.goto("/jobs/weather#run-now")
    page.get_by_role("button", name="Run now").first.click()
    page.wait_for_url("**/runs/*")
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.locator("#state")).to_have_text("Cancelled")
    page.goto("/jobs/weather")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    page.goto("/jobs")
    page.locator("#q").fill("weather")
    expect(page.locator("#jobs th .id")).to_have_count(1)


# --- every page, every action ----------------------------------------------------------------------------------------

OTHERS = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path != Path(__file__)]
SUITE = "\n".join(path.read_text(encoding="utf-8") for path in OTHERS)
PARTS = {
    "/banner": "a part that every page fetches (test_planning: the banner of a pause)",
    "/jobs/new/id": "what the form of a new job fetches (test_editor)",
    "/jobs/new/preview": "what the form of a new job fetches (test_editor)",
    "/schedules/preview": "what schedule fields fetch (test_editor)",
    "/repo/changed/{path:path}": "what the editor fetches (test_editor: a conflict)",
    "/runs/{run_id}/log": "what the output fetches (test_run)",
}
"""Routes that are nobody's page."""


def pages_of() -> list[str]:
    found = {each.path for each in web.router.routes if isinstance(each, APIRoute) and "GET" in each.methods}
    return sorted(found - PARTS.keys())


def test_every_page_is_driven_by_a_browser_test() -> None:
    """By its address, or by what leads to it: then its line in LED_TO names the link and the test."""
    missing = [path for path in pages_of() if not _visited(path) and path not in LED_TO]
    assert missing == []
    assert all(each in pages_of() for each in LED_TO), "a page that is gone"
    assert not _visited("/no/such/{page}"), "the control"
    for path, words in LED_TO.items():
        assert words in SUITE, path


def _visited(path: str) -> bool:
    """An address of the suite fits the route."""
    pattern = re.escape(path).replace(r"\{path:path\}", r"\{?[\w./ ]+\}?")
    pattern = re.sub(r"\\\{\w+\\\}", r"[^/\"?#]+", pattern)
    return re.search(rf'"(?:{{address}})?{pattern}(?:["?#])', SUITE) is not None


LED_TO = {
    "/connect/github/callback": "def github_and_back_leads_to_the_picker_and_a_first_sync",
    "/repo/diverged": "def two_histories_are_brought_together",
    "/repo/drafts/{name}": 'name="Keep as a draft"',
}

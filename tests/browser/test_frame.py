"""What every page has around it: one stream for all tabs, the keyboard, the palette, the phone's menu; and Home."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Route, TimeoutError, expect

from longhouse import jobs, queue
from longhouse.house import House
from longhouse.queue import Ending
from longhouse.runs.state import Reason, RunState
from tests.browser.chromium import PROBLEMS, link_of, menu, profile, serving, signed_in, tab, wait_until
from tests.browser.furnished import OWNER, empty_house, furnish, hand_clock
from tests.browser.looks import LOOKS, Look, wear
from tests.browser.test_accessible import AXE, RUN_AXE

pytestmark = pytest.mark.browser

TABS = 12
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
NO_WORKERS = "Object.defineProperty(window, 'SharedWorker', {value: undefined, writable: true});"


class Place(NamedTuple):
    house: House
    page: Page
    runs: dict[str, int]
    address: str

    def streams(self) -> int:
        return sum("tail" in listener.topics for listener in self.house.feed._listeners)

    def goto(self, path: str) -> Page:
        """A page whose scripts have run."""
        self.page.goto(path)
        expect(self.page.locator("#find")).to_be_visible()
        return self.page


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with empty_house(tmp_path_factory.mktemp("frame") / "data") as house:
        runs = furnish(house)
        with serving(house) as address:
            page = signed_in(browser, link_of(house, address))
            yield Place(house, page, runs, address)
            assert PROBLEMS[page] == []
            page.context.close()


def fails(house: House, job_id: str) -> int:
    """A run of the job that fails at once; its number."""
    run = jobs.run_now(house, job_id, OWNER)
    hand_clock(house).ms += 1_000
    claimed = queue.claim(house)
    assert claimed is not None and claimed.run.id == run.id
    queue.started(house, run.id, claimed.attempt, pid=4711, ticks=1, boot_id="boot")
    queue.finish(
        house, run.id, claimed.attempt, Ending(state=RunState.FAILED, reason=Reason.EXCEPTION, message="It broke.")
    )
    return run.id


def happens(page: Page, what: Callable[[], bool]) -> None:
    """Waits for it and hears what the browser asks meanwhile, which a sleep would not."""
    for _ in range(1000):
        if what():
            return
        page.wait_for_timeout(10)
    raise AssertionError("it did not happen in time")


def clear(house: House) -> None:
    """Nothing waits or runs that a test could meet."""
    for job_id in ("reindex-search", "migrate-once", "check-website"):
        jobs.cancel_runs(house, job_id, OWNER)


# --- Home -----------------------------------------------------------------------------------------------------------


def test_home_says_what_needs_somebody_until_it_has_been_seen_and_what_fails_then(place: Place) -> None:
    page = place.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 thing needs you")
    expect(page.get_by_role("link", name="2 jobs have failed, 3 runs in all.")).to_have_attribute(
        "href", "/runs?state=failed"
    )
    elapsed = page.locator("[data-since]").first
    before = elapsed.text_content()
    wait_until(lambda: elapsed.text_content() != before)
    page.get_by_role("button", name="Mark as seen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Everything is fine")
    clear(place.house)
    run = fails(place.house, "check-website")
    place.house.feed.committed()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 thing needs you")
    page.get_by_role("link", name="check-website has failed.").click()
    page.wait_for_url(f"**/runs/{run}")


# --- the stream -----------------------------------------------------------------------------------------------------


def test_twelve_tabs_load_and_update_over_one_stream(place: Place) -> None:
    clear(place.house)
    context = place.page.context
    place.goto("/jobs")
    pages = [place.page, *(tab(context) for _ in range(TABS - 1))]
    try:
        for page in pages[1:]:
            page.goto("/jobs")
        wait_until(lambda: place.streams() == 1)
        fails(place.house, "check-website")
        for page in pages:
            expect(page.locator("#job-check-website .last")).to_contain_text("Failed")
            assert PROBLEMS[page] == []
        assert place.streams() == 1
    finally:
        for page in pages[1:]:
            page.goto("about:blank")
            page.close()


def test_without_a_shared_worker_each_tab_has_a_stream_and_a_browser_has_room_for_few(
    place: Place, browser: Browser
) -> None:
    """The control: what one stream for all tabs is for."""
    context = _entered(browser, place)
    context.add_init_script(NO_WORKERS)
    other = tab(context)
    other.goto("/jobs")
    wait_until(lambda: place.streams() >= 1)
    fails(place.house, "check-website")
    expect(other.locator("#job-check-website .last")).to_contain_text("Failed")
    try:
        for _ in range(7):
            tab(context).goto("/jobs", timeout=2_500)
        raise AssertionError("a browser with seven streams still loads pages: one for all tabs would not be needed")
    except TimeoutError:
        pass
    finally:
        context.close()


def _entered(browser: Browser, place: Place) -> BrowserContext:
    page = signed_in(browser, link_of(place.house, place.address))
    page.goto("about:blank")
    return page.context


def test_updates_pause_at_a_button_that_says_so_and_catch_up(place: Place) -> None:
    clear(place.house)
    page = place.goto("/runs")
    wait_until(lambda: place.streams() == 1)
    page.get_by_role("button", name="Pause updates").click()
    expect(page.locator("#offline")).to_have_text("Updates paused")
    wait_until(lambda: place.streams() == 0)
    run = fails(place.house, "check-website")
    page.reload()
    expect(page.locator("#offline")).to_have_text("Updates paused")
    expect(page.get_by_role("button", name="Pause updates")).to_have_attribute("aria-pressed", "true")
    later = fails(place.house, "check-website")
    assert page.locator(f"#run-{run}").count() == 1 and page.locator(f"#run-{later}").count() == 0
    page.get_by_role("button", name="Pause updates").click()
    expect(page.locator(f"#run-{later}")).to_be_visible()
    expect(page.locator("#offline")).to_have_text("")


def test_a_hidden_tab_costs_no_stream_and_is_current_when_it_is_seen_again(place: Place) -> None:
    clear(place.house)
    page = place.goto("/runs")
    wait_until(lambda: place.streams() == 1)
    page.evaluate(HIDE, True)
    wait_until(lambda: place.streams() == 0)
    run = fails(place.house, "check-website")
    assert page.locator(f"#run-{run}").count() == 0
    page.evaluate(HIDE, False)
    expect(page.locator(f"#run-{run}")).to_be_visible()
    wait_until(lambda: place.streams() == 1)


def test_who_signs_out_in_one_tab_is_told_so_in_the_others(place: Place, browser: Browser) -> None:
    context = _entered(browser, place)
    one, other = tab(context), tab(context)
    one.goto("/runs")
    other.goto("/jobs")
    expect(other.locator("#find")).to_be_visible()
    menu(one).get_by_role("button", name="Sign out").click()
    one.wait_for_url("**/login*")
    expect(other.locator("#offline")).to_have_text("Signed out: reload to sign in", timeout=15_000)
    context.close()


# --- the keyboard ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "path"), [("h", "/"), ("j", "/jobs"), ("r", "/runs"), ("p", "/repo"), ("s", "/secrets")]
)
def test_g_and_a_letter_lead_to_a_page(place: Place, key: str, path: str) -> None:
    page = place.goto("/jobs/weather")
    page.keyboard.press("g")
    page.keyboard.press(key)
    page.wait_for_url(f"{place.address}{path}")


def test_j_and_k_walk_the_rows_enter_opens_and_escape_goes_up(place: Place) -> None:
    page = place.goto("/jobs")
    focused = "document.activeElement.textContent"
    for key, name in (("j", "backup-photos"), ("j", "check-website"), ("j", "clean-up"), ("k", "check-website")):
        page.keyboard.press(key)
        assert page.evaluate(focused) == name
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the row is seen"
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/check-website")
    expect(page.locator("#find")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url("**/jobs")


def test_r_runs_the_row_and_asks_where_something_is_to_be_filled_in(place: Place) -> None:
    clear(place.house)
    page = place.goto("/jobs")
    for _ in range(2):
        page.keyboard.press("j")
    page.keyboard.press("r")
    expect(page.locator("#toasts")).to_contain_text("check-website is on its way.")
    page.goto("/jobs/invoice-report")
    expect(page.locator("#find")).to_be_visible()
    page.keyboard.press("r")
    assert page.evaluate("document.activeElement.matches('input, select, textarea')")
    assert page.url.endswith("/jobs/invoice-report")


def test_keys_do_nothing_while_somebody_types_or_holds_another_key(place: Place) -> None:
    page = place.goto("/secrets")
    page.get_by_label("Name").first.fill("")
    page.get_by_label("Name").first.press_sequentially("gjt?")
    assert page.url.endswith("/secrets")
    expect(page.get_by_label("Name").first).to_have_value("gjt?")
    assert not page.locator("#help").is_visible()
    page.locator("body").press("Escape")
    page.evaluate("document.activeElement.blur()")
    for keys in ("Alt+t", "Control+Alt+t"):
        page.keyboard.press(keys)
    assert page.evaluate("document.documentElement.dataset.theme ?? 'system'") == "system"


def test_the_list_of_keys_opens_and_switches_single_keys_off_for_good(place: Place) -> None:
    page = place.goto("/jobs")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.keyboard.press("t")
    page.keyboard.press("t")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.get_by_role("switch", name="Single-key shortcuts").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    page.reload()
    expect(page.locator("#find")).to_be_visible()
    for key in ("t", "?", "j"):
        page.keyboard.press(key)
    assert not page.locator("#help").is_visible()
    assert page.evaluate("document.activeElement === document.body")
    place.goto(f"/runs/{place.runs['failed']}")
    page.locator("#log").focus()
    page.keyboard.press("j")
    expect(page.locator("#log")).to_be_focused()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_role("switch", name="Single-key shortcuts").click()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#log").focus()
    page.keyboard.press("j")
    expect(page.locator("#log .l > a:focus")).to_have_count(1)


def test_the_palette_finds_jobs_runs_pages_and_things_to_do(place: Place) -> None:
    clear(place.house)
    page = place.goto("/")
    page.keyboard.press("Control+k")
    text = page.get_by_role("combobox", name="Find a page")
    expect(text).to_be_focused()
    page.keyboard.type("timel")
    expect(page.get_by_role("option", selected=True)).to_contain_text("Timeline")
    text.fill("weath")
    expect(page.get_by_role("option", selected=True)).to_contain_text("weather")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_contain_text("Run weather")
    chosen = page.get_by_role("option", selected=True).get_attribute("id")
    assert text.get_attribute("aria-activedescendant") == chosen
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("weather is on its way.")
    page.keyboard.press("Control+k")
    page.keyboard.type(str(place.runs["failed"]))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{place.runs['failed']}")
    expect(page.locator("#find")).to_be_visible()
    for wanted, said in (("pause every", "Everything is paused"), ("resume every", "Jobs fire again")):
        page.keyboard.press("Control+k")
        page.keyboard.type(wanted)
        page.keyboard.press("Enter")
        expect(page.locator("#toasts")).to_contain_text(said)
        banner = page.get_by_role("region", name="Everything is paused")
        expect(banner).to_have_count(1 if wanted.startswith("pause") else 0)
    page.keyboard.press("Control+k")
    page.keyboard.type("no such thing at all")
    expect(page.locator("#palette-said")).to_have_text("Nothing is called that.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_enter_waits_for_the_answer_to_what_was_typed_last(place: Place) -> None:
    """However late the answers come: the one for the empty field, which names all jobs, is not acted on."""
    page = place.goto("/")
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    page.route("**/api/search?*", hold)
    page.keyboard.press("Control+k")
    happens(page, lambda: len(late) == 1)
    page.get_by_role("combobox", name="Find a page").fill(str(place.runs["failed"]))
    happens(page, lambda: len(late) == 2)
    page.keyboard.press("Enter")
    for route in late:
        with suppress(Error):  # the first question was taken back
            route.continue_()
    page.wait_for_url(f"**/runs/{place.runs['failed']}")
    page.unroute("**/api/search?*")


def test_enter_pressed_twice_acts_once_and_escape_takes_it_back(place: Place) -> None:
    page = place.goto("/")
    late: list[Route] = []
    sent: list[str] = []

    def hold(route: Route) -> None:
        late.append(route)

    def seen(route: Route) -> None:
        sent.append(route.request.method)
        route.fulfill(content_type="text/html", body='<div class="toast">Seen.</div>')

    def chosen_while_the_answer_is_late(*keys: str) -> None:
        page.route("**/api/search?*", hold)
        page.keyboard.press("Control+k")
        page.keyboard.type("mark failures")
        happens(page, lambda: any("mark" in route.request.url for route in late))
        for key in keys:
            page.keyboard.press(key)
        page.unroute("**/api/search?*")
        for route in late:
            with suppress(Error):  # taken back by now
                route.continue_()
        late.clear()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.keyboard.press("Control+k")  # a later question: once it is answered, the earlier one is over
        page.keyboard.type("weath")
        expect(page.get_by_role("option", selected=True)).to_contain_text("weather")
        page.keyboard.press("Escape")

    page.route("**/seen", seen)
    chosen_while_the_answer_is_late("Enter", "Enter", "Enter")
    assert sent == ["POST"]
    chosen_while_the_answer_is_late("Enter", "Escape")
    assert sent == ["POST"], "Escape takes Enter back"
    page.unroute("**/seen")


def test_a_page_is_dark_where_the_system_is(place: Place, look: Look) -> None:
    page = place.goto("/jobs")
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3)")
    assert (float(red) + float(green) + float(blue) < 3 * 128) == (look.theme == "dark")


# --- the phone ------------------------------------------------------------------------------------------------------


@pytest.mark.look("phone-light", "phone-dark", why="a wide page has all links in its side")
def test_the_menu_of_the_phone_works_with_the_keyboard_and_without_scripts(place: Place, browser: Browser) -> None:
    page = place.goto("/")
    page.locator("summary", has_text="Menu").focus()
    page.keyboard.press("Enter")
    menu = page.get_by_role("navigation", name="Menu")
    expect(menu.get_by_role("link")).to_have_count(8)
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Find anything").click()
    page.keyboard.type("secrets")
    page.get_by_role("option", name="Secrets").click()
    page.wait_for_url("**/secrets")
    state = page.context.storage_state()
    context = profile(browser, base_url=place.address, java_script_enabled=False, storage_state=state)
    bare = tab(context)
    bare.goto("/")
    bare.locator("summary", has_text="Menu").click()
    bare.get_by_role("navigation", name="Menu").get_by_role("link", name="Jobs", exact=True).click()
    bare.wait_for_url("**/jobs")
    context.close()


@pytest.mark.look("wide-light", why="it goes through all of them itself")
@pytest.mark.parametrize("worn", LOOKS.values(), ids=LOOKS)
def test_the_dialogs_are_accessible(place: Place, worn: Look) -> None:
    page = wear(place.page, worn)
    place.goto("/jobs")
    page.evaluate(AXE)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    assert page.evaluate(RUN_AXE) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("check")
    expect(page.get_by_role("option", name="check-website").first).to_be_visible()
    assert page.evaluate(RUN_AXE) == []
    page.keyboard.press("Escape")

"""Jobs, Runs and Errors: looking for rows, choosing many, acting on them, with the keyboard alone if need be."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from longhouse import history, jobs
from longhouse.house import House
from longhouse.store import jobs as job_rows
from tests.browser.chromium import PROBLEMS, link_of, profile, serving, signed_in, tab, wait_until
from tests.browser.furnished import OWNER, empty_house, furnish

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lived(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Page]]:
    with empty_house(tmp_path_factory.mktemp("lists") / "data") as house:
        furnish(house)
        with serving(house) as address:
            page = signed_in(browser, link_of(house, address))
            yield house, page
            assert PROBLEMS[page] == []
            page.context.close()


def shown(page: Page) -> list[str]:
    return page.locator("#jobs th .id").all_text_contents()


def press_until(page: Page, key: str, focused: str, most: int = 60) -> None:
    """Press `key` until the element with this accessible name, value or text has the focus."""
    told = "(e => e.getAttribute('aria-label') || e.value || e.textContent.trim())(document.activeElement)"
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate(told) == focused:
            return
    raise AssertionError(f"{focused!r} was not reached with {key}")


def test_typing_searches_keeps_the_focus_and_is_in_the_address(lived: tuple[House, Page]) -> None:
    house, page = lived
    page.goto("/jobs")
    page.evaluate("window.same = true")
    page.keyboard.press("/")
    page.keyboard.type("shop")
    expect(page.locator("#jobs th .id")).to_have_count(2)
    assert shown(page) == ["check-website", "invoice-report"], "one by its tag, one by its project"
    assert page.url.endswith("/jobs?q=shop") and page.evaluate("window.same"), "the page was not loaded again"
    expect(page.locator("#q")).to_be_focused()
    page.get_by_text("On", exact=True).first.click()
    page.get_by_label("Tag").select_option("http")
    expect(page.locator("#jobs th .id")).to_have_count(1)
    page.reload()
    assert page.url.endswith("/jobs?q=shop&show=on&tag=http")
    assert shown(page) == ["check-website"] and page.locator("#q").input_value() == "shop"
    assert page.get_by_role("radio", name="On").is_checked()
    jobs.run_now(house, "weather", OWNER)
    jobs.run_now(house, "check-website", OWNER)
    expect(page.locator("#job-check-website .last")).to_contain_text("Queued")
    assert shown(page) == ["check-website"], "what is renewed is what was looked for"
    page.locator("#q").fill("nothing of the kind")
    expect(page.locator("#jobs")).to_contain_text("No job fits")
    page.get_by_role("link", name="Show all jobs").click()
    expect(page.locator("#jobs th .id")).to_have_count(8)


def test_groups_have_counts_and_stay_closed(lived: tuple[House, Page]) -> None:
    house, page = lived
    page.goto("/jobs")
    page.get_by_label("Groups").select_option("project")
    group = page.locator("details.group").first
    expect(group.locator("summary")).to_contain_text("home")
    expect(group.locator("summary")).to_contain_text("1 job")
    assert page.url.endswith("?group=project")
    expect(page.locator("details.group").last.locator("summary")).to_contain_text("No project")
    group.locator("summary").click()
    expect(group.locator("table")).to_be_hidden()
    jobs.set_enabled(house, "clean-up", True, OWNER)
    expect(page.get_by_role("switch", name="clean-up on")).to_have_attribute("aria-checked", "true")
    expect(group.locator("table")).to_be_hidden()
    page.get_by_label("Groups").select_option("tag")
    expect(page.locator("#job-check-website")).to_have_count(1)
    expect(page.get_by_role("link", name="check-website", exact=True)).to_have_count(2)
    page.locator("input[value=check-website]").first.check()
    expect(page.locator("input[value=check-website]").last).to_be_checked()
    expect(page.locator("#bulk [data-count]")).to_have_text("1 selected")


def test_many_jobs_are_disabled_with_the_keyboard_alone(lived: tuple[House, Page]) -> None:
    house, page = lived
    page.goto("/jobs")
    expect(page.locator("#bulk button[value=disable]")).to_be_disabled()
    press_until(page, "Tab", "Select daily-digest")
    page.keyboard.press("Space")
    press_until(page, "Tab", "Select weather")
    page.keyboard.press("Space")
    expect(page.locator("#bulk [data-count]")).to_have_text("2 selected")
    jobs.pause(house, "backup-photos", OWNER)
    expect(page.locator("#job-backup-photos")).to_contain_text("Paused")
    expect(page.locator("#bulk [data-count]")).to_have_text("2 selected")
    press_until(page, "Shift+Tab", "disable")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Disable 2 jobs?")
    expect(dialog).to_contain_text("daily-digest")
    expect(dialog.get_by_role("link", name="Do not")).to_be_focused()  # an Enter that is held does nothing
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert jobs.get_job(house, "weather").job.enabled, "Escape does nothing"
    expect(page.locator("#bulk button[value=disable]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    done = page.get_by_role("dialog", name="2 jobs disabled")
    expect(done.get_by_role("link", name="Close")).to_be_focused()
    page.keyboard.press("Enter")
    expect(done).to_be_hidden()
    expect(page.get_by_role("switch", name="weather on")).to_have_attribute("aria-checked", "false")
    assert not jobs.get_job(house, "daily-digest").job.enabled


def test_what_each_refused_is_said(lived: tuple[House, Page]) -> None:
    _, page = lived
    page.goto("/jobs?q=o")
    page.get_by_label("Select all shown").check()
    page.locator("#bulk button[value=run]").click()
    page.locator("#asked button").click()
    dialog = page.locator("#asked")
    expect(dialog).to_contain_text("parameter 'month' is needed")
    expect(dialog).to_contain_text("migrate-once has run")
    expect(dialog.get_by_role("link", name="Run 44")).to_be_visible()


def test_without_scripts_the_same_is_asked_on_a_page_of_its_own(lived: tuple[House, Page]) -> None:
    house, page = lived
    state = page.context.storage_state()
    assert page.context.browser
    plain = profile(page.context.browser, java_script_enabled=False, storage_state=state)
    other = tab(plain)
    address = "/".join(page.url.split("/")[:3])
    other.goto(f"{address}/jobs")
    other.locator("#q").fill("clean")
    other.get_by_role("button", name="Search").first.click()
    assert other.url.endswith("q=clean&show=") or "q=clean" in other.url
    assert shown(other) == ["clean-up"]
    other.locator("input[value=clean-up]").check()
    other.locator("#bulk button[value=pause]").click()
    expect(other.get_by_role("heading", name="Pause 1 job?")).to_be_visible()
    other.get_by_role("button", name="Pause 1 job").click()
    expect(other.get_by_role("heading", name="1 job paused")).to_be_visible()
    assert jobs.get_job(house, "clean-up").pause is not None
    plain.close()


def test_runs_are_looked_for_and_cancelled_by_what_fits(lived: tuple[House, Page]) -> None:
    house, page = lived
    page.goto("/runs")
    page.locator("#q").fill("refused")
    expect(page.locator("#run-list tbody tr")).to_have_count(1)
    page.get_by_text("Succeeded", exact=True).first.click()
    expect(page.locator("#run-list")).to_contain_text("No such runs")
    assert page.url.endswith("/runs?q=refused&state=succeeded")
    page.reload()
    expect(page.locator("#run-list")).to_contain_text("No such runs")
    page.goto("/runs")
    page.locator("#job").press_sequentially("rein")
    expect(page.locator("#job-offered option")).to_have_count(1)
    page.locator("#job").fill("reindex-search")
    page.locator("label.chip", has_text="Active").click()
    expect(page.locator("#run-list tbody tr")).to_have_count(1)
    page.get_by_label("Select all shown").check()
    page.locator("#bulk button[value=cancel]").click()
    page.get_by_role("button", name="Cancel 1 run").click()
    expect(page.get_by_role("dialog", name="1 run asked to stop")).to_be_visible()
    expect(page.locator("#run-list")).to_contain_text("No such runs")
    assert not history.list_runs(house, job_id="reindex-search", states=("queued",))[0]
    page.goto("/runs?since=yesterday")
    expect(page.locator("#run-list")).to_contain_text("'yesterday' is no time")


def test_an_error_leads_to_its_runs_and_all_of_them_run_again(lived: tuple[House, Page]) -> None:
    house, page = lived
    if not history.list_runs(house, job_id="check-website", states=("queued",))[0]:
        jobs.run_now(house, "check-website", OWNER)  # in the way of the first try
    page.goto("/runs")
    page.get_by_role("link", name="Errors").click()
    row = page.locator("#errors tr", has_text="TimeoutError")
    expect(row).to_contain_text("jobs/check_website.py:2")
    expect(row.locator("[data-label=Runs]")).to_have_text("2")
    row.get_by_role("link", name="TimeoutError").click()
    expect(page.locator("h1")).to_contain_text("TimeoutError")
    expect(page.locator("#traceback")).to_contain_text("no answer within 10 s")
    expect(page.locator("#error tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Rerun all, latest code").click()
    page.get_by_role("button", name="Rerun 2 runs").click()
    dialog = page.locator("#asked")
    expect(dialog).to_contain_text("check-website has run")
    active = history.list_runs(house, job_id="check-website", states=("queued",))[0]
    for run in active:
        page.goto(f"/runs/{run.id}")
        page.get_by_role("button", name="Cancel").first.click()
        expect(page.locator("#state")).to_have_text("Cancelled")
    page.goto("/errors")
    page.locator("#errors tr", has_text="TimeoutError").get_by_role("link", name="TimeoutError").click()
    page.get_by_role("button", name="Rerun all, latest code").click()
    page.get_by_role("button", name="Rerun 2 runs").click()
    expect(page.get_by_role("dialog", name="2 runs started again")).to_be_visible()
    again = history.list_runs(house, job_id="check-website", states=("queued",))[0]
    assert len(again) == 2 and all(run.trigger == "rerun" for run in again)
    page.goto(f"/runs/{again[0].rerun_of}")
    page.get_by_role("link", name="1 more run failed this way").click()
    expect(page.locator("h1")).to_contain_text("TimeoutError")


def test_the_bar_under_the_pointer_is_the_run_that_opens(lived: tuple[House, Page]) -> None:
    _, page = lived
    page.goto("/jobs?q=weather")
    link = page.locator("#job-weather a.bars")
    first = link.locator("svg").get_attribute("data-runs") or ""
    box = link.locator("svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    newest = int(
        "".join(character for character in first.split()[0].split("S")[0].split("Q")[0] if character.isdigit())
    )
    assert link.get_attribute("href") == f"/runs/{newest}"
    assert (link.get_attribute("title") or "").startswith(f"Run {newest}: ")
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert link.get_attribute("href") == "/jobs/weather#runs"


def test_runs_are_deleted_from_the_list_and_from_their_own_page(lived: tuple[House, Page]) -> None:
    house, page = lived
    ended = [run.id for run in history.list_runs(house, job_id="reindex-search", states=("succeeded",))[0]]
    ticked, alone = ended[:2], ended[2]
    other = tab(page.context)
    other.goto(f"/runs/{ticked[0]}")
    page.goto("/runs?job=reindex-search&state=succeeded")
    expect(page.locator("#run-list tbody tr")).to_have_count(len(ended))
    for run_id in ticked:
        page.get_by_label(f"Select run {run_id}", exact=True).check()
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete 2 runs?")
    expect(dialog).to_contain_text("attempts, output and artifacts, and cannot be brought back")
    expect(dialog).to_contain_text("What was due stays in the ledger.")
    expect(dialog.get_by_role("link", name="Do not")).to_be_focused()  # an Enter that is held deletes nothing
    for key in ("Escape", "Enter"):
        page.keyboard.press(key)
        expect(dialog).to_be_hidden()
        expect(page.locator("#bulk").get_by_role("button", name="Delete")).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
    assert history.get(house, ticked[0]).state == "succeeded", "neither does anything"
    expect(other.locator("h1")).to_contain_text(f"Run {ticked[0]}")
    press_until(page, "Shift+Tab", "Delete 2 runs")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="2 runs deleted")).to_contain_text("of output and artifacts went with them")
    page.keyboard.press("Enter")
    expect(page.locator("#run-list tbody tr")).to_have_count(len(ended) - 2)
    expect(page.get_by_label("Select all shown")).to_be_focused()
    expect(other.locator("h1")).to_have_text(f"There is no run {ticked[0]}")
    PROBLEMS[other] = [each for each in PROBLEMS[other] if "404" not in each]
    other.close()
    page.goto(f"/runs/{alone}")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="Delete 1 run?")).to_be_visible()
    page.get_by_role("button", name="Delete 1 run").click()
    expect(page.get_by_role("heading", name="1 run deleted")).to_be_visible()
    page.get_by_role("link", name="Close").click()
    expect(page).to_have_url(re.compile("/runs$"))
    page.goto("/jobs/reindex-search/firings")
    expect(page.get_by_text("no longer kept")).to_have_count(3)


def test_the_focus_stays_at_the_list_when_the_last_of_it_is_deleted(lived: tuple[House, Page]) -> None:
    _, page = lived
    page.goto("/runs?job=check-website&state=degraded")
    page.get_by_label("Select all shown").check()
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 run").click()
    expect(page.get_by_role("dialog", name="1 run deleted")).to_be_visible()
    expect(page.locator("#run-list")).to_contain_text("No such runs")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("main")).to_be_focused()


def test_filters_suggest_what_there_is(lived: tuple[House, Page]) -> None:
    """From the moment that the field has the focus; what was typed is what is looked for."""
    house, page = lived
    commit = history.list_runs(house, job_id="weather", limit=1)[0][0].commit_sha or ""
    page.goto("/runs")
    page.get_by_text("More filters").click()
    field = page.get_by_label("Commit")
    expect(page.locator("#commit-offered option")).to_have_count(0)
    field.focus()
    expect(page.locator(f"#commit-offered option[value='{commit[:12]}']")).to_have_count(1)
    field.press_sequentially(commit[:5])
    expect(page.locator("#commit-offered option")).to_have_count(1)
    expect(page).to_have_url(re.compile(f"commit={commit[:5]}"))
    page.goto("/activity")
    page.get_by_label("Job", exact=True).focus()
    expect(page.locator("#job-offered option")).to_have_count(8)
    page.keyboard.type("weat")
    expect(page.locator("#job-offered option")).to_have_count(1)
    assert page.locator("#job-offered option").get_attribute("label") == "Fetch the forecast for the greenhouse."


def test_a_name_that_has_to_fit_whole_is_looked_for_once_it_is_one(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Projects, where they are too many to choose from: half a name would be that of no job."""
    with empty_house(tmp_path_factory.mktemp("projects") / "data") as house:
        furnish(house)
        spec = jobs.get_job(house, "weather").job.spec
        with house.db.write() as db:
            for number in range(41):
                made = spec.replace(id=f"job-{number}", project=f"team-{number:02}")
                job_rows.put(db, made, enabled=True, commit="0" * 40, environment="", now=house.clock.now())
        with serving(house) as address:
            page = signed_in(browser, link_of(house, address))
            page.goto("/jobs")
            everything = page.locator("#jobs th .id").count()
            field = page.get_by_label("Project")
            field.press_sequentially("team-1")
            expect(page.locator("#project-offered option")).to_have_count(10)
            page.wait_for_timeout(400)  # longer than anything waits for the next key
            assert page.url.endswith("/jobs") and page.locator("#jobs th .id").count() == everything
            field.press("7")
            expect(page.locator("#jobs th .id")).to_have_text(["job-17"])
            assert page.url.endswith("?project=team-17")
            field.fill("team")
            expect(page.locator("#project-offered option")).to_have_count(20)
            page.keyboard.press("Tab")
            expect(page.locator("#jobs")).to_contain_text("No job fits")
            field.fill("")
            expect(page.locator("#jobs th .id")).to_have_count(everything)
            assert PROBLEMS[page] == []
            page.context.close()


HELD = """() => {
  const { fetch } = window;
  window.held = [];
  window.fetch = (address, ...more) => String(address).includes("/api/suggestions/")
    ? new Promise((answer) => held.push(answer)) : fetch(address, ...more);
}"""
ANSWER = 'held[1]({ ok: true, json: async () => ({ items: [{ value: "weather", about: "" }] }) })'


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [
        ("", "held[0]({ ok: false })", ""),
        (
            "held[0]({ ok: true, json: () => new Promise((read) => { window.read = read; }) })",
            "",
            "read({ items: [] })",
        ),
    ],
    ids=["fails", "is read slowly"],
)
def test_an_earlier_question_is_nothing_to_the_answer_of_a_later_one(
    lived: tuple[House, Page], before: str, between: str, after: str
) -> None:
    _, page = lived
    page.goto("/runs")
    page.evaluate(HELD)
    page.locator("#job").focus()
    wait_until(lambda: page.evaluate("held.length") == 1)
    page.evaluate(f"() => {{ {before} }}")
    page.keyboard.insert_text("weather")  # at once: on a busy machine every few letters are a question
    wait_until(lambda: page.evaluate("held.length") == 2)
    for each in (between, ANSWER, after):
        page.evaluate(f"() => {{ {each} }}")
    page.wait_for_timeout(50)  # nothing else is to come
    expect(page.locator("#job-offered option")).to_have_count(1)

"""The editor and New job in a real browser: nothing typed is lost, whatever is wrong or changes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from longhouse import jobs, loading
from longhouse.house import House
from longhouse.repo import bootstrap
from tests.browser.chromium import PROBLEMS, editor_line, link_of, profile, serving, signed_in, tab
from tests.browser.furnished import empty_house, write_jobs

pytestmark = pytest.mark.browser

FILE = "jobs/daily_digest.py"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with empty_house(tmp_path_factory.mktemp("editor") / "data") as house:
        bootstrap.ensure(house.paths, known_commits=False)
        write_jobs(house.paths.tree)
        loading.settle(house)
        yield house


@pytest.fixture(scope="module")
def address(home: House) -> Iterator[str]:
    with serving(home) as address:
        yield address


@pytest.fixture
def page(home: House, address: str, browser: Browser) -> Iterator[Page]:
    page = signed_in(browser, link_of(home, address))
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    assert [each for each in PROBLEMS[page] if "412" not in each and "422" not in each] == []
    page.context.close()


def write(page: Page, text: str) -> None:
    """All of it anew, as somebody who pastes."""
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def shown(page: Page) -> str:
    """What the form would send."""
    found = page.evaluate("() => new FormData(document.getElementById('edit')).get('content')")
    return str(found).replace("\r\n", "\n")


def save(page: Page) -> None:
    page.get_by_role("button", name="Save and commit").click()


def test_a_refusal_stands_at_its_line_and_the_mended_text_is_saved_by_key(page: Page, home: House) -> None:
    before = (home.paths.tree / FILE).read_text()
    page.goto(f"/repo/edit/{FILE}")
    expect(page.locator(".cm-line").first).to_have_text('def run(ctx, recipient: str = "me@example.org"):')
    write(page, before.replace("for number, item in", "for number, item of"))
    expect(page.locator("#unsaved")).to_have_text("Not saved yet")
    save(page)
    expect(page.get_by_role("heading", name="Not saved")).to_be_visible()
    expect(page.locator(".cm-badLine")).to_contain_text("for number, item of")
    expect(page.locator(".cm-lint-marker-error")).to_be_visible()
    expect(page.locator(".cm-content")).to_be_focused()
    expect(page.locator(".cm-activeLineGutter").first).to_have_text("4")
    assert (home.paths.tree / FILE).read_text() == before
    write(page, before + "# mended\n")
    expect(page.locator(".cm-badLine")).to_have_count(0)
    page.keyboard.press("Control+s")
    expect(page.get_by_role("heading", name=FILE, exact=True)).to_be_visible()
    assert (home.paths.tree / FILE).read_text() == before + "# mended\n"


def test_a_refused_text_is_kept_as_a_draft(page: Page, home: House) -> None:
    page.goto("/repo/edit/manifest.py")
    write(page, "import nothing_like_it\n")
    save(page)
    page.get_by_label("Or keep it as a draft named").fill("later")
    page.get_by_role("button", name="Keep as a draft").click()
    expect(page.get_by_role("link", name="later")).to_be_visible()
    assert jobs.manifest(home).ok


def test_a_conflict_shows_both_sides_and_takes_mine_theirs_or_both(page: Page, home: House) -> None:
    file = home.paths.tree / FILE
    before = file.read_text()
    page.goto(f"/repo/edit/{FILE}")
    write(page, before + "MINE = 1\n")
    file.write_text(before + "THEIRS = 2\n")
    loading.settle(home)
    expect(page.locator("#changed")).to_contain_text("changed this file")
    assert shown(page) == before + "MINE = 1\n", "nothing typed is lost"
    save(page)

    expect(page.get_by_role("heading", name="The file changed while you edited it")).to_be_visible()
    both = f"{before}<<<<<<< yours\nMINE = 1\n=======\nTHEIRS = 2\n>>>>>>> theirs\n"
    assert shown(page) == both
    expect(page.get_by_role("region", name="What you changed").locator(".add")).to_contain_text("MINE = 1")
    expect(page.get_by_role("region", name="What the others changed").locator(".add")).to_contain_text("THEIRS = 2")
    for name, text in (("mine", before + "MINE = 1\n"), ("theirs", before + "THEIRS = 2\n")):
        page.get_by_role("button", name=f"Take {name}").click()
        assert shown(page) == text
    page.get_by_role("button", name="Back to both").click()
    assert shown(page) == both
    save(page)
    expect(page.locator(".wrong").first).to_contain_text("remove the marks")
    assert file.read_text() == before + "THEIRS = 2\n"

    write(page, before + "MINE = 1\nTHEIRS = 2\n")
    page.get_by_label("What changed").fill("Both of them")
    save(page)
    expect(page.get_by_role("heading", name=FILE, exact=True)).to_be_visible()
    assert file.read_text() == before + "MINE = 1\nTHEIRS = 2\n"


def test_leaving_with_unsaved_text_asks_first(page: Page) -> None:
    page.goto(f"/repo/edit/{FILE}")
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type))
    page.goto(f"/repo/edit/{FILE}")
    assert asked == [], "nothing was typed"
    write(page, "other\n")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", name=FILE, exact=True)).to_be_visible()
    assert asked == ["beforeunload"]


def test_tab_indents_and_escape_tab_leaves_the_editor(page: Page) -> None:
    page.goto(f"/repo/edit/{FILE}")
    expect(page.locator("#editor-keys")).to_contain_text("Esc then Tab leaves the editor")
    content = page.locator(".cm-content")  # the plain field has the same role and name until the editor is there
    expect(content).to_have_accessible_name("Content")
    content.click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Tab")
    expect(page.locator(".cm-line").first).to_have_text('    def run(ctx, recipient: str = "me@example.org"):')
    expect(content).to_be_focused()
    page.keyboard.press("Control+z")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(content).not_to_be_focused()


def test_the_schedule_at_the_cursor_is_said_while_it_is_typed(page: Page) -> None:
    page.goto("/repo/edit/manifest.py")
    box = page.locator("#cursor-schedule")
    editor_line(page, 'id="backup-photos"').click()
    expect(box).to_contain_text("Every day at 02:30 in America/New_York")
    editor_line(page, 'id="reindex-search"').click()
    expect(box).to_contain_text("Every 30 min")
    write(page, 'from zerg.jobs import JobConfig\nJobConfig(id="x", cron="0 99 * * *")\n')
    expect(box.locator("mark")).to_have_text("99")
    expect(box).to_contain_text("is no hour")


def test_without_scripts_the_form_does_all_of_it(home: House, address: str, browser: Browser) -> None:
    context = profile(browser, base_url=address, java_script_enabled=False)
    page = tab(context)
    page.goto(link_of(home, address))
    page.get_by_role("button", name="Sign in").click()
    page.goto("/repo/edit/jobs/weather.py")
    page.get_by_label("Content").fill("def run():\n    return 1\n")
    page.get_by_role("button", name="Save and commit").click()
    expect(page.get_by_role("heading", name="jobs/weather.py")).to_be_visible()
    assert (home.paths.tree / "jobs" / "weather.py").read_text() == "def run():\n    return 1\n"
    page.goto("/jobs/new?template=clean-up")
    page.get_by_label("Id").fill("daily-digest")
    page.get_by_label("Folder needed").fill("/srv/x")
    page.get_by_role("button", name="Create job").click()
    expect(page.locator("#id-said")).to_contain_text("There is a job daily-digest already")
    expect(page.get_by_label("Folder needed")).to_have_value("/srv/x")
    page.get_by_label("Id").fill("by-form")
    page.get_by_label("Only by hand").check()
    page.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", name="by-form")).to_be_visible()
    assert jobs.get_job(home, "by-form").job.spec.cron is None
    context.close()


def test_a_new_job_is_checked_and_drawn_while_the_form_is_filled_in(page: Page, home: House) -> None:
    page.goto("/jobs")
    page.get_by_role("link", name="New job").first.click()
    page.get_by_role("link", name="HTTP check").click()
    job_id, said = page.get_by_label("Id"), page.locator("#id-said")
    for text, answer in (("new", "taken by an address"), ("weather", "There is a job weather"), ("Shop", "a-z")):
        job_id.fill(text)
        expect(said).to_contain_text(answer)
        expect(job_id).to_have_attribute("aria-invalid", "true")
    job_id.fill("shop")
    expect(said).to_contain_text("Free")
    cron, preview = page.get_by_label("Cron text"), page.locator("#schedule-preview")
    cron.fill("0 8 * * 8")
    expect(preview.locator("mark")).to_have_text("8")
    expect(cron).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Weekdays at 9").click()
    expect(preview).to_contain_text("Weekdays at 09:00 in Europe/Berlin")
    page.get_by_label("Time zone").fill("America/New_York")
    expect(preview).to_contain_text("in America/New_York")
    expect(page.locator("#drawn")).to_contain_text("Shown when the form is complete")
    page.get_by_label("Address needed").fill("https://shop.example.org")
    expect(page.locator("#drawn")).to_contain_text('params={"url": "https://shop.example.org"}')
    expect(page.locator("#drawn")).to_contain_text("jobs/shop.py")
    page.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", name="shop", exact=True)).to_be_visible()
    assert page.url.endswith("/jobs/shop")
    spec = jobs.get_job(home, "shop").job.spec
    assert (spec.cron, spec.timezone) == ("0 9 * * 1-5", "America/New_York")


def test_a_template_says_which_secrets_it_lacks(page: Page) -> None:
    page.goto("/jobs/new?template=s3-backup")
    needed = page.get_by_role("region", name="Secrets it reads")
    expect(needed.get_by_role("link", name="set it")).to_have_count(2)
    expect(needed).to_contain_text("S3_ACCESS_KEY_ID")

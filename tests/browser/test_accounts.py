"""An owner at the door and behind it: by link and by password, with tokens, sessions, settings and the activity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.request import Request, urlopen

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, Page, expect

from longhouse import accounts, passwords
from longhouse.house import SYSTEM, House
from tests.browser.chromium import PROBLEMS, link_of, menu, profile, serving, signed_in, tab
from tests.browser.furnished import empty_house, furnish

pytestmark = pytest.mark.browser

PASSWORD, BETTER = "correct horse battery", "a better horse battery"


class Home(NamedTuple):
    house: House
    address: str
    page: Page


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """The least that argon2 can do: what a real hash costs is looked at elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="module")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with empty_house(tmp_path_factory.mktemp("accounts") / "data") as house:
        furnish(house)
        with serving(house) as address:
            page = signed_in(browser, link_of(house, address))
            yield Home(house, address, page)
            assert PROBLEMS[page] == []
            page.context.close()


def test_a_password_is_set_changed_and_signs_in(browser: Browser, home: Home) -> None:
    context = profile(browser, base_url=home.address)
    page = tab(context)
    page.goto("/login")
    expect(page.get_by_text("No password is set yet")).to_be_visible()
    page.goto(link_of(home.house, home.address))
    page.get_by_role("button", name="Sign in").click()
    page.goto("/settings/password")
    fill(page, password="short", again="short")
    expect(page.get_by_text("A password has 12 to 1024 characters")).to_be_visible()
    fill(page, password=PASSWORD, again=PASSWORD + "?")
    expect(page.get_by_text("The two are not the same.")).to_be_visible()
    fill(page, password=PASSWORD, again=PASSWORD)
    expect(page.get_by_text("The password is set.")).to_be_visible()
    page.get_by_role("link", name="Change the password").click()
    fill(page, current="not this one at all", password=BETTER, again=BETTER)
    expect(page.get_by_text("This is not the password of now.")).to_be_visible()
    menu(page).get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.get_by_label("Password").fill("not this one at all")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The password is wrong. A login link works, too.")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto("/sessions")
    expect(page.get_by_text("this browser")).to_be_visible()
    assert PROBLEMS[page] == []
    context.close()
    home.page.goto("/sessions")  # its session ended with the new password
    home.page.wait_for_url("**/login?next=%2Fsessions")
    home.page.goto(link_of(home.house, home.address))
    home.page.get_by_role("button", name="Sign in").click()


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.locator(f"#{name}").fill(value)
    page.locator("form .main").click()


def test_a_token_is_made_shown_once_used_and_revoked(home: Home) -> None:
    page = home.page
    page.goto("/tokens")
    page.get_by_label("Name").fill("Reader")
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_role("alert")).to_contain_text("Scopes are one or more of")
    expect(page.get_by_label("Name")).to_have_value("Reader")
    page.get_by_label("See jobs, their schedules and the jobs repo").check()
    page.get_by_label("It ends").select_option("in 30 days")
    page.get_by_role("button", name="Make the token").click()
    value = page.locator("#made").inner_text()
    assert (
        value.startswith("lhj_") and calls(home, value, "/api/jobs") == 200 and calls(home, value, "/api/runs") == 403
    )
    page.locator(".made").get_by_role("button", name="Copy").click()
    expect(page.locator(".made").get_by_role("button", name="Copied")).to_be_visible()
    page.goto("/tokens")
    row = page.get_by_role("row", name="Reader")
    assert value not in page.content()
    expect(row).to_contain_text("jobs:read")
    row.locator("summary").click()
    row.get_by_role("button", name="Revoke it for good").click()
    expect(page.get_by_role("row", name="Reader")).to_contain_text("revoked")
    assert calls(home, value, "/api/jobs") == 401


def calls(home: Home, value: str, path: str) -> int:
    """What a program gets that sends this token."""
    try:
        with urlopen(Request(home.address + path, headers={"Authorization": f"Bearer {value}"})) as answer:
            return int(answer.status)
    except OSError as error:
        return int(getattr(error, "code", 0))


def test_another_session_is_seen_and_ended(browser: Browser, home: Home) -> None:
    other = signed_in(browser, link_of(home.house, home.address))
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1"
    code = accounts.login_link(home.house, home.address, SYSTEM).partition("code=")[2]
    accounts.redeem(home.house, code, "192.0.2.9", phone)
    page = home.page
    page.goto("/sessions")
    row = page.get_by_role("row", name="Safari on iPhone")
    expect(row).to_contain_text("192.0.2.9")
    row.get_by_role("button", name="End").click()
    expect(page.get_by_role("row", name="Safari on iPhone")).to_have_count(0)
    page.get_by_text("End all others").click()
    page.get_by_role("button", name=re.compile("End .* other session")).click()
    expect(page.get_by_role("row")).to_have_count(2)  # the head, and this one
    other.goto("/jobs")
    other.wait_for_url("**/login?next=%2Fjobs")
    other.context.close()


def test_settings_are_changed_and_say_what_is_wrong(home: Home) -> None:
    page = home.page
    page.goto("/settings")
    page.get_by_label("Runs that may be alive at once").fill("0")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Slots is a whole number from 1 to 256.")).to_be_visible()
    page.get_by_label("Runs that may be alive at once").fill("6")
    page.get_by_label("Days that runs are kept").fill("14")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are stored and count from now on.")).to_be_visible()
    expect(page.locator("#slots-from")).to_contain_text("config.toml")
    assert home.house.keep.days == 14 and "slots = 6" in home.house.paths.config.read_text()
    page.get_by_label("Days that runs are kept").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Days that runs are kept")).to_have_value("90")
    assert "keep_days" not in home.house.paths.config.read_text() and home.house.keep.days == 90
    expect(page.get_by_text("LONGHOUSE_JOBS_TIMEZONE")).to_be_visible()


def test_contrast_and_motion_are_set_for_this_browser(home: Home) -> None:
    page = home.page
    soft = "getComputedStyle(document.documentElement).getPropertyValue('--soft')"
    moves = "getComputedStyle(document.querySelector('.switch'), '::before').transitionDuration"
    page.goto("/settings")
    before = page.evaluate(soft)
    assert page.evaluate(moves) == "0.12s"
    page.get_by_role("button", name="More contrast").click()
    page.get_by_role("button", name="Less motion").click()
    page.goto("/settings")
    expect(page.get_by_role("button", name="More contrast", pressed=True)).to_be_visible()
    assert page.evaluate(soft) != before and page.evaluate(moves) == "0s"
    page.keyboard.press("Control+k")
    page.keyboard.type("contrast")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="More contrast", pressed=False)).to_be_visible()
    page.get_by_role("button", name="Less motion").click()
    assert page.evaluate(soft) == before and page.evaluate(moves) == "0.12s"


def test_the_activity_is_narrowed_and_leads_to_the_things(home: Home) -> None:
    page = home.page
    page.goto("/activity")
    page.get_by_label("What", exact=True).select_option("Runs")
    page.get_by_label("Job", exact=True).fill("daily-digest")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url("**/activity?**job=daily-digest**")
    expect(page.locator(".acts > li")).to_have_count(1)
    expect(page.locator(".acts")).to_contain_text(re.compile(r"owner started run \d+ of daily-digest"))
    page.reload()
    expect(page.get_by_label("Job", exact=True)).to_have_value("daily-digest")
    page.locator(".acts a").click()
    page.wait_for_url("**/runs/*")
    page.goto("/activity?actor=nobody")
    expect(page.get_by_text("Nothing of that kind was done")).to_be_visible()
    page.get_by_role("link", name="Show all activity").click()
    expect(page.locator(".acts > li").first).to_be_visible()
    page.goto("/activity?since=yesterday")
    expect(page.get_by_role("alert")).to_contain_text("is no time such as")


@pytest.mark.rule("S4")
def test_a_page_that_rebinds_its_name_to_us_gets_nothing(browser: Browser, home: Home) -> None:
    """What a page of evil.test would read once its name leads to 127.0.0.1, in the browser that is signed in here."""
    port = home.address.rpartition(":")[2]
    page = tab(home.page.context)
    for path in ("/", "/jobs", "/api/jobs", "/login", "/livez", "/static/longhouse.css"):
        answer = page.goto(f"http://evil.test:{port}{path}")
        assert answer is not None and answer.status == 421, path
        assert "daily-digest" not in page.content()
    read = (
        f"fetch('http://127.0.0.1:{port}/api/jobs', {{credentials: 'include'}}).then((a) => a.text(), () => 'refused')"
    )
    assert "daily-digest" not in page.evaluate(read)
    page.close()

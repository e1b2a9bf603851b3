"""Connect GitHub in a real browser, three ways to a first sync; a failure, and two histories that have gone apart.

The server is real, GitHub is the one on loopback, its repositories are behind a real git server with TLS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PROBLEMS, profile, served, signed_in, tab, wait_until
from tests.git_server import GitServer
from tests.github import CLIENT_ID, CLIENT_SECRET, LoopbackGitHub, settings

pytestmark = pytest.mark.browser
SLOW = 40_000


class World:
    """One instance, one GitHub, one browser."""

    def __init__(self, page: Page, github: LoopbackGitHub, data: Path) -> None:
        self.page, self.github, self.git, self.data = page, github, github.git, data

    def write(self, name: str, text: str) -> None:
        (self.data / "jobs" / name).write_text(text)

    def in_sync(self) -> None:
        expect(self.page.locator("#connection")).to_contain_text("In sync", timeout=SLOW)
        assert self.git.at("main") is not None

    def disconnect(self) -> None:
        self.page.goto("/connect")
        if not self.page.locator("#connection").count():
            return
        self.page.get_by_text("Disconnect …").click()
        self.page.get_by_role("button", name="Disconnect", exact=True).click()
        expect(self.page.locator("#connection")).to_have_count(0)

    def nothing_shown(self) -> None:
        """No token, code or verifier is in a page that the browser has, nor in its address."""
        for path in ("/connect", "/repo"):
            self.page.goto(path)
            text = self.page.content() + self.page.url
            assert [each for each in (*self.github.issued, CLIENT_SECRET) if each in text] == []


@pytest.fixture(scope="module")
def world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("connecting")
    with GitServer(folder / "remote") as git, LoopbackGitHub(git) as github:
        for number in range(105):
            github.add_repository(f"acme/part-{number:03}")
        data = folder / "data"
        data.mkdir(mode=0o700)
        text = "".join(f'{name} = "{value}"\n' for name, value in settings(github).items())
        (data / "config.toml").write_text(text)
        with served(data) as link:
            page = signed_in(browser, link)
            yield World(page, github, data)
            assert PROBLEMS[page] == []
            page.context.close()
        assert github.violations == []


def test_a_pasted_token_connects_a_revoked_one_is_said_and_two_histories_are_brought_together(world: World) -> None:
    world.disconnect()
    a_token_is_verified_saved_and_synced(world)
    a_revoked_token_is_said_on_the_page_and_nothing_stops(world)
    two_histories_are_brought_together(world)


def test_signed_in_with_a_code_or_by_going_there_one_chooses_and_syncs(browser: Browser, world: World) -> None:
    world.disconnect()
    a_code_leads_to_the_picker_and_a_first_sync(world)
    the_page_of_a_code_goes_on_without_scripts(browser, world)
    github_and_back_leads_to_the_picker_and_a_first_sync(world)


def a_token_is_verified_saved_and_synced(world: World) -> None:
    page, github = world.page, world.github
    page.goto("/repo")
    page.get_by_role("link", name="Connect GitHub").click()
    token = github.pasted()
    page.get_by_label("Repository", exact=True).fill("ada/jobs")
    page.get_by_label("Token", exact=True).fill("github_pat_that_nobody_knows")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("alert")).to_contain_text("does not accept the token", timeout=SLOW)
    expect(page.get_by_label("Repository", exact=True)).to_have_value("ada/jobs")
    expect(page.get_by_label("Token", exact=True)).to_have_value("")

    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Verify").click()
    found = page.locator("#verified-panel")
    expect(found).to_contain_text("Verified: ada/jobs", timeout=SLOW)
    for text in ("Signed in as", "ada", "2027-01-01", "read and push", "nothing yet", "private"):
        expect(found).to_contain_text(text)
    found.get_by_role("button", name="Save and sync").click()
    world.in_sync()
    assert world.git.text("manifest.py") == (world.data / "jobs" / "manifest.py").read_text()
    world.nothing_shown()


def a_revoked_token_is_said_on_the_page_and_nothing_stops(world: World) -> None:
    page, github = world.page, world.github
    github.revoke()
    page.goto("/repo")
    page.get_by_role("button", name="Sync now").click()
    alert = page.locator("#sync").get_by_role("alert")
    expect(alert).to_contain_text("401", timeout=SLOW)
    expect(alert).to_contain_text("jobs go on firing")
    expect(page.locator("#sync")).to_contain_text("Sync fails")
    page.goto("/connect")
    expect(page.locator("#connection").get_by_role("alert")).to_contain_text("401")

    token = github.pasted("github_pat_11CANARY0the0second0one0of0ada")
    page.get_by_label("Repository", exact=True).fill(world.git.url)
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("#verified-panel")).to_contain_text("commits", timeout=SLOW)
    page.get_by_role("button", name="Save and sync").click()
    world.in_sync()


def two_histories_are_brought_together(world: World) -> None:
    page = world.page
    page.goto("/connect")
    page.locator("#now-branch").wait_for()
    settings_panel = page.get_by_role("region", name="Settings")
    settings_panel.get_by_label("Push after every commit").uncheck()
    settings_panel.get_by_role("button", name="Save settings").click()
    expect(settings_panel.get_by_label("Push after every commit")).not_to_be_checked()
    theirs = world.git.commit({"notes.md": "theirs\n"})
    world.write("notes.md", "ours\n")
    page.goto("/repo")
    expect(page.get_by_role("region", name="Status")).to_contain_text("none: the files are", timeout=SLOW)
    wait_until(lambda: page.request.get("/api/jobs/repo").json()["dirty"] is False, 20)
    page.get_by_role("button", name="Sync now").click()
    page.get_by_role("link", name="Bring them together").click(timeout=SLOW)
    expect(page.locator("main")).to_contain_text("notes.md")
    page.get_by_label("Merged").fill("theirs\nours\n")
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator("#sync")).to_contain_text("In sync", timeout=SLOW)
    assert world.git.text("notes.md") == (world.data / "jobs" / "notes.md").read_text() == "theirs\nours\n"
    assert world.git.has(theirs, "main")


def a_code_leads_to_the_picker_and_a_first_sync(world: World) -> None:
    page, github = world.page, world.github
    page.goto("/connect")
    page.get_by_label("Client id").fill(CLIENT_ID)
    page.get_by_role("button", name="Get a code").click()
    page.wait_for_url("**/connect/code")
    code = page.locator("#user-code").inner_text()
    assert re.fullmatch(r"[A-Z]{4}-[A-Z]{4}", code)
    expect(page.get_by_role("button", name="Copy the code")).to_be_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open").click()
    there = opened.value
    there.get_by_label("Code", exact=True).fill(code)
    there.get_by_role("button", name="Cancel").click()
    there.close()
    expect(page.get_by_role("alert")).to_contain_text("cancelled at GitHub", timeout=SLOW)

    page.get_by_role("button", name="Get a new code").click()
    page.wait_for_url("**/connect/code")
    github.decided("/login/device", {"code": page.locator("#user-code").inner_text(), "choice": "allow"})
    expect(page.locator("#signing")).to_contain_text("Signed in as ada", timeout=SLOW)
    page.get_by_role("link", name="Choose a repository").click()
    expect(page.get_by_role("row")).to_have_count(101)
    page.get_by_role("link", name="More").click()
    expect(page.get_by_role("row", name="acme/part-104")).to_be_visible()
    page.get_by_label("Filter").fill("part-10")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(6)
    page.get_by_label("Name", exact=True).fill("from-a-code")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#verified-panel")).to_contain_text("Verified: ada/from-a-code", timeout=SLOW)
    page.get_by_role("button", name="Save and sync").click()
    world.in_sync()
    assert github.repositories["ada/from-a-code"]["private"] is True
    world.nothing_shown()


def the_page_of_a_code_goes_on_without_scripts(browser: Browser, world: World) -> None:
    page, github = world.page, world.github
    page.goto("/connect")
    page.get_by_role("button", name="Sign out of GitHub").click()
    page.get_by_role("button", name="Get a code").click()
    page.wait_for_url("**/connect/code")
    code = page.locator("#user-code").inner_text()
    state, base = page.context.storage_state(), page.url.split("/connect")[0]
    context = profile(browser, java_script_enabled=False, storage_state=state, base_url=base)
    plainly = tab(context)
    plainly.goto("/connect/code")
    expect(plainly.locator("#user-code")).to_have_text(code)
    github.decided("/login/device", {"code": code, "choice": "allow"})
    expect(plainly.locator("#signing")).to_contain_text("Signed in", timeout=SLOW)
    context.close()
    world.disconnect()


def github_and_back_leads_to_the_picker_and_a_first_sync(world: World) -> None:
    page, github = world.page, world.github
    github.may_create = True
    page.goto("/connect")
    page.get_by_role("button", name="Sign in at").click()
    page.get_by_role("link", name="Continue at").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("cancelled at GitHub")
    back = page.url

    page.goto("/connect")
    page.get_by_role("button", name="Sign in at").click()
    page.get_by_role("link", name="Continue at").click()
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url("**/connect/repositories")
    page.get_by_label("Filter").fill("from-a-code")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("button", name="Choose ada/from-a-code").click()
    expect(page.locator("#verified-panel")).to_contain_text("Verified: ada/from-a-code", timeout=SLOW)
    page.get_by_role("button", name="Save and sync").click()
    world.in_sync()
    page.goto(back)
    expect(page.get_by_role("alert")).to_contain_text("came a second time")
    world.nothing_shown()

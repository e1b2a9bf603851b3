"""A real server and a real browser: edit a file that somebody else changes meanwhile, and resolve the conflict."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import PROBLEMS, served, signed_in

pytestmark = pytest.mark.browser


def test_an_edit_with_a_conflicting_change_in_between_is_resolved(browser: Browser, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as link:
        page = signed_in(browser, link)
        file = data / "jobs" / "jobs" / "hello.py"
        page.goto("/repo")
        page.get_by_role("link", name="Files", exact=True).click()
        page.get_by_role("link", name="jobs/hello.py").click()
        page.get_by_role("link", name="Edit").click()
        before = page.get_by_label("Content").input_value()
        assert before == file.read_text()
        page.get_by_label("Content").fill(before + "MINE = 1\n")
        file.write_text(before + "THEIRS = 2\n")
        page.get_by_role("button", name="Save and commit").click()

        expect(page.get_by_role("heading", name="The file changed while you edited it")).to_be_visible()
        result = page.get_by_label("Result")
        assert result.input_value() == f"{before}<<<<<<< yours\nMINE = 1\n=======\nTHEIRS = 2\n>>>>>>> theirs\n"
        page.get_by_text("Theirs", exact=True).click()
        expect(page.locator("#theirs")).to_contain_text("THEIRS = 2")
        result.fill(f"{before}MINE = 1\nTHEIRS = 2\n")
        page.get_by_label("What changed").fill("Both")
        page.get_by_role("button", name="Save and commit").click()

        expect(page.get_by_role("heading", name="jobs/hello.py")).to_be_visible()
        assert file.read_text() == f"{before}MINE = 1\nTHEIRS = 2\n"
        page.goto("/repo")
        expect(page.locator("#repo")).to_contain_text("Both")
        assert [each for each in PROBLEMS[page] if "412" not in each] == []
        page.context.close()

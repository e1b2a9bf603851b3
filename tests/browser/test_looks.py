"""The tests of the tests: every look is worn by some, and what no key reaches is found."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser import keys
from tests.browser.chromium import profile, tab
from tests.browser.looks import LOOKS, Look, chosen

pytestmark = pytest.mark.browser


def test_each_test_keeps_one_look_and_together_they_have_all() -> None:
    names = [f"tests/browser/test_some.py::test_{number}" for number in range(100)]
    assert {chosen(name, None) for name in names} == set(LOOKS)
    assert [chosen(name, None) for name in names[:3]] == ["wide-light", "phone-light", "wide-light"]
    assert {chosen(name, "phone-dark") for name in names} == {"phone-dark"}


def test_a_test_about_one_look_has_no_other() -> None:
    for number in range(20):
        assert chosen(f"test_{number}", None, ("phone-light", "phone-dark")) in ("phone-light", "phone-dark")
    assert chosen("test", "wide-light", ("phone-light",)) is None
    with pytest.raises(ValueError, match="LONGHOUSE_LOOK is 'tablet'; it is one of wide-light, wide-dark, phone-light"):
        chosen("test", "tablet")


def test_a_page_has_the_look_of_its_test(browser: Browser, look: Look) -> None:
    page = tab(profile(browser))
    assert page.evaluate("innerWidth") == look.size["width"]
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (look.theme == "dark")
    page.context.close()


def test_what_no_key_reaches_or_nobody_sees_is_found(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 5)
    page = tab(profile(browser))
    page.set_content("""<button onclick="this.id = 'pressed'">One</button> <span onclick="this.id = 'no'">Two</span>
      <button style="outline: none">Three</button> <label><input type="checkbox">Four</label>""")
    keys.press(page.locator("button", has_text="One"))
    assert page.locator("#pressed").count() == 1
    keys.press(page.locator("label", has_text="Four"))
    assert page.locator("input").is_checked()
    with pytest.raises(AssertionError, match="Tab does not reach <span"):
        keys.press(page.locator("span", has_text="Two"))
    with pytest.raises(AssertionError, match="the focus is not seen on <button"):
        keys.press(page.locator("button", has_text="Three"))
    page.context.close()

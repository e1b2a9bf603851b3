"""One Chromium for all browser tests of a worker, and a look for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium, open_pages
from tests.browser.keys import take_the_mouse_away
from tests.browser.looks import LOOKS, Look, Now, chosen, wear

WISH, HANDS = "LONGHOUSE_LOOK", "LONGHOUSE_HANDS"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if os.environ.get(HANDS) == "keys":
        take_the_mouse_away()
    with chromium() as found:
        yield found


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture: what they open has the look already."""
    mark = item.get_closest_marker("look")
    name = chosen(item.nodeid, os.environ.get(WISH), mark.args if mark else ())
    if name is None:
        assert mark
        pytest.skip(f"always {' or '.join(mark.args)}: {mark.kwargs['why']}")
    Now.look = LOOKS[name]
    item.add_report_section("setup", "look", f"{WISH}={name}")


@pytest.fixture(autouse=True)
def look() -> Look:
    """The look of this test, on every page that is open; the theme that an earlier test has set is forgotten."""
    for page in open_pages():
        page.context.clear_cookies(name="theme")
        wear(page)
    return Now.look

"""Pictures of all pages for the docs, light, dark and on the phone: `python -m tests.browser FOLDER`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from longhouse import secrets
from longhouse.house import SYSTEM, House
from longhouse.repo import panel
from longhouse.vault import Secret
from tests.browser.chromium import PROBLEMS, chromium, link_of, profile, serving, signed_in, tab
from tests.browser.furnished import empty_house, furnish
from tests.browser.looks import PHONE, WIDE, Look, wear

LOOKS = {"": Look(WIDE, "light"), "-dark": Look(WIDE, "dark"), "-phone": Look(PHONE, "light")}
"""Of the pictures: what their names end with."""
PAGES = {
    "home": "/",
    "jobs": "/jobs",
    "job": "/jobs/check-website",
    "new-job": "/jobs/new",
    "run-form": "/jobs/invoice-report#run-now",
    "runs": "/runs",
    "errors": "/errors",
    "timeline": "/timeline",
    "repo": "/repo",
    "editor": "/repo/edit/jobs/check_website.py",
    "connect": "/connect",
    "secrets": "/secrets",
    "activity": "/activity",
    "settings": "/settings",
    "sessions": "/sessions",
    "tokens": "/tokens",
    "design": "/settings/design",
}


RUNS = ("failed", "digest", "running")


def place() -> str | None:
    """Where a server keeps its data, because pages show the folder; else where temporary things are."""
    return "/var/lib" if os.access("/var/lib", os.W_OK) else None


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, tempfile.TemporaryDirectory(prefix="longhouse-", dir=place()) as data:
        with empty_house(Path(data) / "new") as house, serving(house) as address:
            page = tab(profile(browser, base_url=address))
            pictures(page, folder, {"login": link_of(house, address).removeprefix(address)})
            pictures(entered(browser, house, address), folder, {"home-empty": "/"})
        with empty_house(Path(data) / "lived") as house:
            runs = furnish(house)
            secrets.put(house, "SHOP_PASSWORD", Secret("correct horse battery"), SYSTEM)
            paths = PAGES | {f"run-{name}": f"/runs/{number}" for name, number in runs.items() if name in RUNS}
            paths |= {"commit": f"/repo/commits/{panel.status(house).head}"}
            with serving(house) as address:
                page = entered(browser, house, address)
                pictures(page, folder, paths)
                page.set_viewport_size(WIDE)
                page.goto("/")
                page.locator("#find").wait_for()
                page.keyboard.press("Control+k")
                page.keyboard.type("check")
                page.get_by_role("option", name="Run check-website").wait_for()
                page.screenshot(path=folder / "palette.png")
                page.context.close()


def entered(browser: Browser, house: House, address: str) -> Page:
    return signed_in(browser, link_of(house, address))


def pictures(page: Page, folder: Path, paths: dict[str, str]) -> None:
    """Each page in each look; raises if a page is not there or its scripts complain."""
    for ending, look in LOOKS.items():
        wear(page, look)
        for name, path in paths.items():
            answer = page.goto(path)
            assert answer is not None and answer.ok, f"{path}: {answer and answer.status}"
            page.wait_for_load_state("load")
            page.screenshot(path=folder / f"{name}{ending}.png")
    assert PROBLEMS[page] == []


main(Path(sys.argv[1]))

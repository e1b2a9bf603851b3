"""Debian's Chromium, and servers for it to look at."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, ViewportSize, sync_playwright

from longhouse import accounts
from longhouse.house import SYSTEM, House
from tests.browser.furnished import app_of
from tests.browser.looks import Now, wear
from tests.instance import Instance

EXECUTABLE = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
ARGUMENTS += ["--host-resolver-rules=MAP evil.test 127.0.0.1"]  # a name of somebody else that leads to us


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serving(house: House) -> Iterator[str]:
    """The house's pages over HTTP, from a thread of this process; the address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app_of(house), log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            house.feed.close()
            server.should_exit = True
            thread.join(10)


@contextmanager
def served(data: Path) -> Iterator[str]:
    """The real thing in a process of its own; the login link that it prints."""
    instance = Instance(data)
    try:
        found = re.search(r"http://\S+/login\?code=\S+", instance.start().log)
        assert found, f"no login link: {instance.log}"
        yield found[0]
    finally:
        instance.stop()


def profile(browser: Browser, *, size: ViewportSize | None = None, **options: Any) -> BrowserContext:
    """A browser profile of its own, in the look of the test."""
    return browser.new_context(viewport=size or Now.look.size, color_scheme=Now.look.theme, **options)


def tab(context: BrowserContext) -> Page:
    """One more page in a profile, which may be that of other tests, too."""
    page = wear(context.new_page())
    watch(page)
    return page


def signed_in(browser: Browser, link: str, *, size: ViewportSize | None = None) -> Page:
    """A page of its own browser profile, past the login."""
    page = profile(browser, size=size, base_url=link.partition("/login")[0]).new_page()
    watch(page)
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)
    return page


def menu(page: Page) -> Page:
    """With the links to all pages and Sign out in sight: on a phone they are behind Menu."""
    if Now.look.phone:
        page.locator("summary", has_text="Menu").click()
    return page


NEXT_PART = """(scroller) => new Promise((done) => {
  scroller.scrollTop += scroller.clientHeight / 2;
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""


def editor_line(page: Page, text: str) -> Locator:
    """The first line with this text; the editor draws only what is in sight and a little more."""
    page.locator(".cm-line").first.wait_for()
    line = page.locator(".cm-line", has_text=text).first
    for _ in range(40):
        if line.count():
            break
        page.locator(".cm-scroller").evaluate(NEXT_PART)
    return line


PROBLEMS: dict[Page, list[str]] = {}
"""Of every page: what its scripts and its content policy complained about."""


def open_pages() -> list[Page]:
    return [page for page in PROBLEMS if not page.is_closed()]


def watch(page: Page) -> None:
    """Note every script error and every breach of the content policy."""
    found = PROBLEMS[page] = []

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            found.append(message.text)

    page.on("console", said)
    page.on("pageerror", lambda error: found.append(str(error)))


def link_of(house: House, address: str) -> str:
    return accounts.login_link(house, address, SYSTEM)


def wait_until(what: object, seconds: float = 10.0) -> None:
    """`what` is a function that becomes true."""
    assert callable(what)
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)

"""axe finds nothing on any page, in both themes, wide and narrow; nothing sticks out; the content policy holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from longhouse import failures, loading
from longhouse.house import SYSTEM
from longhouse.repo import panel, remote
from longhouse.vault import Secret
from tests.browser.chromium import PROBLEMS, link_of, profile, serving, signed_in, tab
from tests.browser.furnished import empty_house, furnish
from tests.browser.looks import LOOKS

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
RUN_AXE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}});
  const told = (node) => `${node.html} ${node.failureSummary}`;
  return found.violations.map((each) => `${each.id}: ${each.nodes.slice(0, 3).map(told).join(" | ")}`);
}"""


SQUEEZED = """[...document.querySelectorAll("textarea, .cm-editor, input:is(:not([type]), [type=text], [type=search])")]
  .filter((each) => each.checkVisibility() && each.clientWidth < (each.matches("input") ? 80 : 280))
  .map((each) => `${each.id || each.className}: ${each.clientWidth} pixels`)"""
"""What is typed into has room for it: a line of text or, in an editor, nearly the width of a phone."""


@pytest.fixture(scope="module")
def lived(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, list[str]]]:
    with empty_house(tmp_path_factory.mktemp("lived") / "data") as house:
        runs = furnish(house)
        head = panel.status(house).head
        (house.paths.tree / "manifest.py").write_text("import nothing_of_that_name\n")
        loading.settle(house)
        house.notices.append("The instance runs as root.")
        pages = [
            "/",
            "/jobs",
            "/jobs/check-website",
            "/jobs/check-website/firings",
            "/jobs/invoice-report",
            "/jobs/clean-up",
        ]
        pages += [
            "/runs",
            "/runs?state=failed",
            "/jobs?group=tag",
            "/runs?reason=exception&q=refused",
            "/errors",
            "/errors?job=nobody",
            f"/errors/{failures.list_failures(house)[0][0].fingerprint}",
            "/runs?job=nobody",
            *(f"/runs/{runs[name]}" for name in runs if runs[name]),
            f"/runs/{runs['digest']}/rerun",
        ]
        remote.save(house, "https://github.com/ada/jobs.git", Secret("github_pat_11AAAA0000"), SYSTEM, pull_minutes=7)
        pages += ["/connect", "/connect/code", "/connect/repositories"]
        pages += [f"/timeline?view={view}&all=on" for view in ("hour", "day", "week", "month")]
        pages += ["/settings/design", "/jobs/check-website/forecast?at=2026-02-04T10:30", "/calendar"]
        pages += ["/jobs/check-website/backfill?from=2026-02-04+08:00&to=2026-02-04+08:30", "/repo/blame/manifest.py"]
        pages += [f"/repo/diff?from={head}", f"/repo/restore?commit={head}", f"/repo/commits/{head}/files/manifest.py"]
        pages += [f"/runs/{runs['digest']}/artifacts/1", f"/runs/{runs['failed']}/changes"]
        pages += ["/sessions", "/tokens", "/settings", "/settings/password", "/activity", "/activity?job=nobody"]
        pages += ["/repo", f"/repo/commits/{head}", "/nowhere"]
        pages += ["/jobs/new", "/jobs/new?template=s3-backup", "/repo/new", "/repo/files", "/repo/files/manifest.py"]
        pages += ["/repo/edit/manifest.py", "/repo/edit/jobs/weather.py?line=1"]
        with serving(house) as address:
            page = signed_in(browser, link_of(house, address))
            yield page, pages
            page.context.close()


@pytest.mark.look("wide-light", why="it goes through all of them itself")
@pytest.mark.parametrize(
    "looks",
    [
        pytest.param(("wide-light", "phone-dark"), id="wide-light-and-phone-dark"),
        pytest.param(("phone-light", "wide-dark"), id="phone-light-and-wide-dark", marks=pytest.mark.soak),
    ],
)
def test_every_page_is_accessible(lived: tuple[Page, list[str]], looks: tuple[str, str]) -> None:
    """As it is loaded in the first look, and turned to the second."""
    page, paths = lived
    first, second = (LOOKS[name] for name in looks)
    page.context.add_cookies([{"name": "theme", "value": first.theme, "url": "/".join(page.url.split("/")[:3])}])
    found, squeezed = {}, {}
    for path in paths:
        page.set_viewport_size(first.size)
        page.goto(path)
        page.evaluate(AXE)
        for name, look in zip(looks, (first, second), strict=True):
            if look is second:
                page.set_viewport_size(look.size)
                page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", look.theme)
            assert page.evaluate("document.documentElement.dataset.theme") == look.theme
            found[f"{path} {name}"] = page.evaluate(RUN_AXE)
            squeezed[f"{path} {name}"] = page.evaluate(SQUEEZED)
            wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not wide, f"{path} is wider than the window, {name}"
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    assert {path: wrong for path, wrong in squeezed.items() if wrong} == {}
    assert PROBLEMS[page] == []


ENHANCED = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"], runOnly: ["color-contrast-enhanced"],
    rules: {"color-contrast-enhanced": {enabled: true}}});
  return found.violations.flatMap((each) => each.nodes.map((node) => `${node.html} ${node.failureSummary}`));
}"""


@pytest.mark.look("wide-light", "phone-light", why="it sets both themes itself")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_who_asks_for_more_contrast_gets_seven_to_one(lived: tuple[Page, list[str]], theme: str) -> None:
    page, paths = lived
    failed = next(path for path in paths if path.startswith("/runs/"))
    page.context.add_cookies([{"name": "theme", "value": theme, "url": "/".join(page.url.split("/")[:3])}])
    try:
        for path in ("/", "/jobs", failed, "/jobs/check-website", "/repo"):
            page.emulate_media(contrast="no-preference")
            page.goto(path)
            page.evaluate(AXE)
            if path == "/jobs":
                assert page.evaluate(ENHANCED), "the control: without the wish some text is softer"
            page.emulate_media(contrast="more")
            assert page.evaluate(ENHANCED) == [], path
    finally:
        page.emulate_media(contrast="null")


def test_with_the_colours_of_the_system_alone_what_is_on_is_seen(lived: tuple[Page, list[str]]) -> None:
    page, _ = lived
    page.emulate_media(forced_colors="active")
    try:
        page.goto("/jobs")
        colour = "element => getComputedStyle(element).backgroundColor"
        on, off = (page.locator(f".switch[aria-checked={way}]").first.evaluate(colour) for way in ("true", "false"))
        assert on != off
        here = page.locator(".nav a[aria-current]").evaluate(colour)
        assert here == on != page.locator(".nav a:not([aria-current])").first.evaluate(colour)
        page.goto("/runs")
        border = page.locator(".badge").first.evaluate("element => getComputedStyle(element).borderTopStyle")
        assert border == "solid", "a badge without its colour keeps its shape"
    finally:
        page.emulate_media(forced_colors="null")


@pytest.mark.look("wide-light", "phone-light", why="it sets both themes itself")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_door_is_accessible(browser: Browser, tmp_path: Path, theme: str) -> None:
    with empty_house(tmp_path / "data") as house, serving(house) as address:
        page = tab(profile(browser, base_url=address))
        page.context.add_cookies([{"name": "theme", "value": theme, "url": address}])
        for path in (link_of(house, address), "/login", "/problems/not-found"):
            page.goto(path)
            page.evaluate(AXE)
            assert page.evaluate(RUN_AXE) == [] or path.startswith("/problems"), path
        page.context.close()


def test_an_empty_house_is_accessible_and_teaches(browser: Browser, tmp_path: Path) -> None:
    with empty_house(tmp_path / "data") as house, serving(house) as address:
        page = signed_in(browser, link_of(house, address))
        for path in ("/", "/jobs", "/runs", "/repo"):
            page.goto(path)
            page.evaluate(AXE)
            assert page.evaluate(RUN_AXE) == [], path
        assert page.get_by_role("button", name="Initialize jobs repo").is_visible()
        page.context.close()

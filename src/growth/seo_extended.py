"""The opt-in rules: accessibility, structure, duplicates, robots.txt and sitemap.xml, links as browsers follow them."""

import json
import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from selectolax.lexbor import LexborHTMLParser

from growth.pages import Folder, Page
from growth.seo_finding import Finding, html_element
from growth.seo_links import ResolvedLinks

_LOCATION = re.compile(r"<loc>\s*(.*?)\s*</loc>", re.DOTALL | re.IGNORECASE)
_ROOT = re.compile(r"<(?:\w+:)?(urlset|sitemapindex)\b", re.IGNORECASE)
_NAMED: Final = 10  # addresses named in one finding


class ExtendedRules:
    """Looks at every page once; what concerns the whole site is known when all pages were seen."""

    def __init__(self, folder: Folder, urls: list[str]) -> None:
        self.folder = folder
        self.urls = urls
        self.links = ResolvedLinks(urls, folder.files)
        self.titles: dict[str, list[str]] = {}
        self.descriptions: dict[str, list[str]] = {}
        self.found: list[Finding] = []

    def look(self, page: Page, document: LexborHTMLParser) -> None:
        self.found = list(_structure(page.url, document))
        base = document.css_first("base[href]")
        if base is not None:
            self.links.bases[page.url] = base.attributes["href"] or ""
        if page.title:
            self.titles.setdefault(page.title, []).append(page.url)
        if page.description:
            self.descriptions.setdefault(page.description, []).append(page.url)

    def of_page(self, url: str) -> list[Finding]:
        return [finding for finding in self.found if finding.url == url]

    def of_site(self, hidden: list[str]) -> Iterator[Finding]:
        yield from _duplicates(self.titles, "title", "title")
        yield from _duplicates(self.descriptions, "meta_description", "description")
        listed = self._listed()
        yield from self._sitemap(listed, set(hidden))
        yield from self._robots(listed or [])

    def _listed(self) -> list[str] | None:
        """The paths in sitemap.xml; None if there is none, or one that only names other sitemaps."""
        if "sitemap.xml" not in self.folder.files:
            return None
        text = self.folder.read("sitemap.xml").decode("utf-8", "replace")
        root = _ROOT.search(text)
        if not root or root[1].lower() == "sitemapindex":
            return None
        return [_path(unescape(location)) for location in _LOCATION.findall(text)]

    def _sitemap(self, listed: list[str] | None, hidden: set[str]) -> Iterator[Finding]:
        if "sitemap.xml" not in self.folder.files:
            yield _site(
                "opportunity", "sitemap", "sitemap.xml", "The site has no sitemap.xml.", "Publish one.", len(self.urls)
            )
            return
        if listed is None:
            if not _ROOT.search(self.folder.read("sitemap.xml").decode("utf-8", "replace")):
                message = "sitemap.xml is not a sitemap."
                yield _site("warning", "sitemap", "sitemap.xml", message, "Use a urlset element.")
            return
        known = {_bare(url) for url in self.urls}
        gone = [path for path in listed if _bare(path) not in known and not self.links.works("/", path)]
        if gone:
            yield _site(
                "warning",
                "sitemap",
                "sitemap.xml",
                f"sitemap.xml names {len(gone)} address(es) that are no page: {_some(gone)}.",
                "Remove them from the sitemap.",
                len(gone),
            )
        named = {_bare(path) for path in listed}
        missing = [url for url in self.urls if _bare(url) not in named and url not in hidden]
        if missing:
            yield _site(
                "info",
                "sitemap",
                "sitemap.xml",
                f"sitemap.xml leaves out {len(missing)} page(s): {_some(missing)}.",
                "Add them, or mark them noindex.",
                len(missing),
            )
        unwanted = [url for url in self.urls if _bare(url) in named and url in hidden]
        if unwanted:
            yield _site(
                "warning",
                "sitemap",
                "sitemap.xml",
                f"sitemap.xml names {len(unwanted)} page(s) that say noindex: {_some(unwanted)}.",
                "Decide for each page which of the two is meant.",
                len(unwanted),
            )

    def _robots(self, listed: list[str]) -> Iterator[Finding]:
        if "robots.txt" not in self.folder.files:
            yield _site("opportunity", "robots", "robots.txt", "The site has no robots.txt.", "Publish one.")
            return
        text = self.folder.read("robots.txt").decode("utf-8", "replace")
        rules = _disallowed(text)
        if "/" in rules:
            yield _site(
                "warning",
                "robots",
                "robots.txt",
                "robots.txt keeps every crawler out of the whole site.",
                "Remove `Disallow: /` if the site is meant to be found.",
            )
        blocked = [path for path in listed if any(path.startswith(rule) for rule in rules)]
        if blocked:
            yield _site(
                "warning",
                "robots",
                "robots.txt",
                f"robots.txt blocks {len(blocked)} address(es) that the sitemap lists: {_some(blocked)}.",
                "Allow them, or take them out of the sitemap.",
                len(blocked),
            )
        if "sitemap.xml" in self.folder.files and not re.search(r"(?im)^\s*sitemap:", text):
            yield _site(
                "info",
                "robots",
                "robots.txt",
                "robots.txt does not say where the sitemap is.",
                "Add a line `Sitemap: https://…/sitemap.xml`.",
            )


def _structure(url: str, document: LexborHTMLParser) -> Iterator[Finding]:
    root = document.css_first("html")
    if not ((root.attributes.get("lang") or "").strip() if root is not None else ""):
        yield _structural(
            url, "warning", "html[lang]", "The page does not say its language.", "Set lang on the html element."
        )
    if document.css_first('meta[name="viewport"]') is None:
        yield _structural(
            url,
            "warning",
            'meta[name="viewport"]',
            "The page is not prepared for phones.",
            'Add <meta name="viewport" content="width=device-width, initial-scale=1">.',
        )
    unnamed = sum("alt" not in image.attributes for image in document.css("img"))
    if unnamed:
        yield _structural(
            url,
            "warning",
            "img:not([alt])",
            f"{unnamed} image(s) have no alt text.",
            "Describe each image, or set an empty alt on decoration.",
            unnamed,
        )
    yield from _headings(url, [int(node.tag[1]) for node in document.css("h1, h2, h3, h4, h5, h6") if node.tag])
    for number, script in enumerate(document.css('script[type="application/ld+json" i]'), 1):
        try:
            json.loads(script.text(deep=True))
        except (ValueError, RecursionError):
            yield _structural(
                url,
                "warning",
                'script[type="application/ld+json"]',
                f"Block {number} of structured data is not valid JSON.",
                "Correct it: search engines ignore it as it is.",
                number,
            )


def _headings(url: str, levels: list[int]) -> Iterator[Finding]:
    if levels.count(1) != 1:
        yield _structural(
            url,
            "info",
            "h1",
            f"The page has {levels.count(1)} main headings.",
            "Use exactly one h1 that says what the page is about.",
            levels.count(1),
        )
    for above, below in pairwise(levels):
        if below > above + 1:
            yield _structural(
                url,
                "info",
                f"h{below}",
                f"A heading of level {below} follows one of level {above}.",
                "Do not skip heading levels.",
                below,
            )
            return


def _duplicates(texts: dict[str, list[str]], category: str, name: str) -> Iterator[Finding]:
    for text, urls in texts.items():
        if len(urls) > 1:
            yield Finding(
                urls[0],
                "warning",
                category,
                f"{len(urls)} pages share this {name}: {_some(urls)}.",
                f"Give every page a {name} of its own.",
                {
                    "type": "calculation",
                    "path": f"{name}:count",
                    "description": f"Pages with the same {name}",
                    "value": len(urls),
                },
                text,
            )


def _structural(
    url: str, severity: str, path: str, message: str, recommendation: str, value: int | None = None
) -> Finding:
    evidence = html_element(path, "Where it was looked for", value)
    return Finding(url, severity, "structure", message, recommendation, evidence)


def _site(
    severity: str, category: str, path: str, message: str, recommendation: str, value: int | None = None
) -> Finding:
    evidence: dict[str, Any] = {"type": "url", "path": f"/{path}", "description": "The file in question"}
    return Finding(
        "/", severity, category, message, recommendation, evidence if value is None else {**evidence, "value": value}
    )


def _disallowed(text: str) -> set[str]:
    """The paths kept from crawlers in general (`User-agent: *`)."""
    rules: set[str] = set()
    agents: list[str] = []
    in_rules = False
    for line in text.lstrip("\ufeff").splitlines():
        name, colon, value = line.split("#")[0].partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon:
            continue
        if name == "user-agent":
            agents = [value] if in_rules else [*agents, value]
            in_rules = False
        else:
            in_rules = True
            if name == "disallow" and value and "*" in agents:
                rules.add(value)
    return rules


def _path(location: str) -> str:
    try:
        return unquote(urlsplit(location).path) or "/"
    except ValueError:
        return location


def _bare(url: str) -> str:
    return url.removesuffix(".html").removesuffix("/") or "/"


def _some(urls: list[str]) -> str:
    more = f" and {len(urls) - _NAMED} more" if len(urls) > _NAMED else ""
    return ", ".join(urls[:_NAMED]) + more

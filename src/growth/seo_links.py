"""Does a link lead to a page of the site? Literally, as the reference asks, or as a browser would resolve it."""

import posixpath
import re
from collections.abc import Iterable
from typing import Protocol
from urllib.parse import unquote, urljoin, urlsplit

Broken = tuple[str, str]  # url of the page, href
_OWN = "http://own.invalid"  # stands for the site's own origin, which an export does not know


class Links(Protocol):
    def works(self, url: str, href: str) -> bool: ...


class PlainLinks:
    """An internal link works if its text, minus one trailing slash, is the address of a page."""

    def __init__(self, urls: Iterable[str]) -> None:
        self.urls = {_bare(url) for url in urls}

    def works(self, url: str, href: str) -> bool:
        return href.startswith(("http", "#", "javascript:")) or _bare(href) in self.urls


def _bare(url: str) -> str:
    return url.removesuffix("/") or "/"


class ResolvedLinks:
    """Relative, query, fragment, percent-encoded and asset links as a browser resolves them; no other schemes."""

    def __init__(self, urls: Iterable[str], files: Iterable[str]) -> None:
        self.pages = {_bare(url) for url in urls}
        self.files = {f"/{file}" for file in files}
        self.bases: dict[str, str] = {}  # url of a page -> its base element's href

    def works(self, url: str, href: str) -> bool:
        href = href.strip()
        if href.startswith("/") and not href.startswith("//") and url not in self.bases:
            return self._leads_somewhere(re.split("[?#]", href, maxsplit=1)[0])
        try:
            base = urljoin(f"{_OWN}{url}", self.bases.get(url, ""))
            target = urlsplit(urljoin(base, href))
        except ValueError:
            return False
        if f"{target.scheme}://{target.netloc}" != _OWN:
            return True
        return self._leads_somewhere(target.path)

    def _leads_somewhere(self, quoted: str) -> bool:
        path = unquote(quoted) or "/"
        if "/." in path:
            path = posixpath.normpath(path) + ("/" if path.endswith(("/", "/.", "/..")) else "")
        return _bare(path) in self.pages or path in self.files or self._as_page(path)

    def _as_page(self, path: str) -> bool:
        """`/about.html` and `/about/index.html` are addresses of pages too."""
        return _bare(path.removesuffix("index.html")) in self.pages or path.removesuffix(".html") in self.pages

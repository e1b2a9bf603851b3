"""A Next.js source tree as pages: routes of `app/` and `pages/`, their exported metadata or Head, and their links."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from growth.javascript import COMPUTED, literal_at, without_comments
from growth.pages import Folder, Page

_SOURCE: Final = ("tsx", "ts", "jsx", "js", "mdx")
_APP_PAGE = re.compile(r"(?:src/)?app/(?:(?P<route>.+)/)?page\.(?:tsx|ts|jsx|js|mdx)")
_PAGES_PAGE = re.compile(r"(?:src/)?pages/(?P<route>.+)\.(?:tsx|ts|jsx|js|mdx)")
_METADATA = re.compile(r"export\s+const\s+metadata\b[^=]*=\s*")
_GENERATED = re.compile(
    r"export\s+(?:async\s+)?(?:function|const)\s+generateMetadata\b|export\s*\{[^}]*\b(?:generateM|m)etadata\b"
)
_HEAD = re.compile(r"<Head\b[^>]*>(.*?)</Head>", re.DOTALL)
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title>", re.DOTALL)
_ELEMENT = re.compile(r"<(meta|link)\b((?:[^>\"'{]|\"[^\"]*\"|'[^']*'|\{[^}]*\})*)/?>", re.DOTALL)
_ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|\{([^}]*)\})")
_HREF = re.compile(
    r"<(?:Link|a)\b(?:[^>\"'{]|\"[^\"]*\"|'[^']*'|\{[^}]*\})*?\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|\{\s*([\"'`])((?:(?!\3).)*)\3\s*\})"
)
_FIELDS = ("title", "description", "og:title", "og:description", "og:url", "og:type", "canonical")


@dataclass(frozen=True)
class Tree:
    pages: list[Page]
    links: "Routes"


class Routes:
    """Internal links against the routes of the tree, dynamic segments included, and the files of `public/`."""

    def __init__(self, routes: Iterable[str], files: Iterable[str]) -> None:
        self.patterns = [_pattern(route) for route in routes]
        self.files = {"/" + file.partition("public/")[2] for file in files if file.startswith("public/")}

    def works(self, url: str, href: str) -> bool:
        if not href.startswith("/") or href.startswith("//"):
            return True
        path = unquote(re.split(r"[?#]", href)[0])
        bare = path.removesuffix("/") or "/"
        return path in self.files or any(pattern.fullmatch(bare) for pattern in self.patterns)


def is_source_tree(folder: Folder) -> bool:
    """True if the folder holds routes in source form and no exported page; files in `public/` are no export."""
    exported = any(
        path.endswith(".html") and not path.startswith("public/") and "node_modules/" not in path
        for path in folder.files
    )
    return not exported and any(route_of(path) is not None for path in folder.files)


def route_of(path: str) -> str | None:
    """The address a source file is served under, None if it is no page."""
    if found := _APP_PAGE.fullmatch(path):
        segments = (found["route"] or "").split("/")
        if any(segment.startswith(("_", "(.")) for segment in segments):
            return None
        kept = [segment for segment in segments if segment and segment[0] not in "(@"]
        return "/" + "/".join(kept)
    if found := _PAGES_PAGE.fullmatch(path):
        route = found["route"]
        if route.split("/")[0] in ("api", "_app", "_document", "_error", "404", "500") or route.endswith(".d"):
            return None
        return "/" + ("" if route == "index" else route.removesuffix("/index"))
    return None


def read_source_tree(folder: Folder) -> Tree:
    files = set(folder.files)
    sources = [(path, route) for path in folder.files if (route := route_of(path)) is not None]
    pages = [_page(folder, files, path, route) for path, route in sources]
    return Tree(pages, Routes((route for _, route in sources), folder.files))


def _page(folder: Folder, files: set[str], path: str, route: str) -> Page:
    source = without_comments(folder.read(path).decode("utf-8", "replace"))
    known: dict[str, Any] = {}
    for outer in _shared(path, files):
        known = _merged(known, _described(without_comments(folder.read(outer).decode("utf-8", "replace"))), outer=True)
    known = _merged(known, _described(source))
    page = Page(route, links=[_href(found) for found in _HREF.finditer(source)])
    page.computed = frozenset(name for name in _FIELDS if known.get(name) is COMPUTED or known.get("*") is COMPUTED)
    texts = {name: value for name, value in known.items() if isinstance(value, str)}
    page.title = texts.get("title", "")
    page.og = {name: value for name, value in texts.items() if name.startswith("og:") and value}
    page.description = texts.get("description", "") or page.og.get("og:description", "")
    page.canonical = texts.get("canonical", "")
    page.robots = texts.get("robots", "")
    return page


def _shared(path: str, files: set[str]) -> list[str]:
    """The files whose metadata a page inherits, outermost first: layouts of `app/`, or `_document` and `_app`."""
    folders = path.split("/")[:-1]
    start = folders.index("app") if "app" in folders else -1
    names = ("layout",) if start >= 0 else ("_document", "_app")
    at = (
        [folders[: depth + 1] for depth in range(start, len(folders))]
        if start >= 0
        else [path[: path.find("pages/") + 5].split("/")]
    )
    candidates = ("/".join([*folder, f"{name}.{ending}"]) for folder in at for name in names for ending in _SOURCE)
    return [candidate for candidate in candidates if candidate in files]


def _merged(outer_known: dict[str, Any], own: dict[str, Any], *, outer: bool = False) -> dict[str, Any]:
    """`own` over what was inherited; a layout's title template wraps the titles below it."""
    merged = {**outer_known, **own}
    template = outer_known.get("template")
    title = own.get("title")
    if not outer and isinstance(template, str) and isinstance(title, str) and not own.get("absolute"):
        merged["title"] = template.replace("%s", title)
    return merged


def _described(source: str) -> dict[str, Any]:
    """What a module says about its pages, by rule name; `*` COMPUTED if it is only known when the site is built."""
    known: dict[str, Any] = {}
    if found := _METADATA.search(source):
        metadata = literal_at(source, found.end())
        if not isinstance(metadata, dict):
            return {"*": COMPUTED}
        known = _from_metadata(metadata)
    elif _GENERATED.search(source):
        return {"*": COMPUTED}
    for head in _HEAD.findall(source):
        known.update(_from_head(head))
    return known


def _from_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {"*": COMPUTED} if "..." in metadata else {}
    title = metadata.get("title")
    if isinstance(title, dict):
        known["title"] = title.get("absolute") or title.get("default") or ""
        known["absolute"] = bool(title.get("absolute"))
        known["template"] = title.get("template")
    elif "title" in metadata:
        known["title"] = title
    if "description" in metadata:
        known["description"] = metadata["description"]
    known.update(_graph(metadata, known))
    alternates = metadata.get("alternates")
    if alternates is COMPUTED:
        known["canonical"] = COMPUTED
    elif isinstance(alternates, dict) and "canonical" in alternates:
        canonical = alternates["canonical"]
        known["canonical"] = canonical.get("url", "") if isinstance(canonical, dict) else canonical
    robots = metadata.get("robots")
    if isinstance(robots, dict):
        known["robots"] = "noindex" if robots.get("index") is False else ""
    elif isinstance(robots, str):
        known["robots"] = robots
    return known


def _graph(metadata: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Open Graph tags; Next.js fills title and description from the page's own if the rest is set."""
    graph = metadata.get("openGraph")
    if graph is COMPUTED:
        return dict.fromkeys(("og:title", "og:description", "og:url", "og:type"), COMPUTED)
    if not isinstance(graph, dict):
        return {}
    if "..." in graph:
        return dict.fromkeys(("og:title", "og:description", "og:url", "og:type"), COMPUTED)
    title = graph.get("title", known.get("title"))
    tags = {
        "og:title": (title.get("absolute") or title.get("default")) if isinstance(title, dict) else title,
        "og:description": graph.get("description", known.get("description")),
        "og:url": graph.get("url"),
        "og:type": graph.get("type"),
    }
    return {tag: value for tag, value in tags.items() if value}


def _from_head(head: str) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if found := _TITLE.search(head):
        known["title"] = _jsx_text(found[1].strip())
    for _, attributes in _ELEMENT.findall(head):
        given = {
            name: _attribute(double or single, code) for name, double, single, code in _ATTRIBUTE.findall(attributes)
        }
        name, value = given.get("name") or given.get("property"), given.get("content", "")
        if isinstance(name, str) and (name in ("description", "robots") or name.startswith("og:")):
            known[name] = value
        if given.get("rel") == "canonical":
            known["canonical"] = given.get("href", "")
    return known


def _jsx_text(text: str) -> Any:
    if text.startswith("{") and text.endswith("}") and "{" not in text[1:]:
        return literal_at(text[1:-1], 0)
    return COMPUTED if "{" in text else text


def _attribute(text: str, code: str) -> Any:
    return literal_at(code, 0) if code else text


def _href(found: re.Match[str]) -> str:
    text = found[1] or found[2] or found[4] or ""
    return "#" if found[3] == "`" and "${" in text else text


def _pattern(route: str) -> re.Pattern[str]:
    """`/blog/[slug]` and `/docs/[[...path]]` as what they match."""
    pattern = ""
    for segment in route.strip("/").split("/"):
        if segment.startswith("[[..."):
            pattern += "(?:/.+)?"
        elif segment.startswith("[..."):
            pattern += "/.+"
        elif segment:
            pattern += "/" + "".join(
                "[^/]+" if part.startswith("[") else re.escape(part) for part in re.split(r"(\[[^\]]+\])", segment)
            )
    return re.compile(pattern or "/")

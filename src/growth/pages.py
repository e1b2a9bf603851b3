"""Pages as the SEO rules see them, read from a folder of exported HTML."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode

from growth.errors import DependencyFailed, InputRefused

LARGEST_PAGE: Final = 64 * 1024 * 1024  # bytes; a page beyond it is refused by name, not read in part
Progress = Callable[[int, int], None]  # pages done, pages in all


@dataclass(slots=True)
class Page:
    """What one page says about itself. A name in `computed` is decided when the site is built, so no rule judges it."""

    url: str
    title: str = ""
    description: str = ""
    og: dict[str, str] = field(default_factory=dict)
    canonical: str = ""
    robots: str = ""
    links: list[str] = field(default_factory=list)
    computed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Folder:
    """The regular files under `root`, as paths relative to it with `/`, in UTF-16 order of the whole path."""

    root: Path
    files: tuple[str, ...]

    def html(self) -> list[str]:
        return [path for path in self.files if path.endswith(".html")]

    def read(self, path: str) -> bytes:
        full = self.root / path
        try:
            if full.stat().st_size > LARGEST_PAGE:
                raise InputRefused(
                    f"{full} has more than {LARGEST_PAGE // 2**20} MiB.", hint="Leave it out of the export."
                )
            return full.read_bytes()
        except OSError as error:
            raise DependencyFailed(
                f"{full} cannot be read: {error.strerror}.", hint="Check its permissions."
            ) from error


def open_folder(path: Path, *, named_by: str) -> Folder:
    """Lists the folder. Dot files are left out; a symbolic link counts only if it is a file that stays inside."""
    try:
        root = path.resolve(strict=True)
        if not root.is_dir():
            raise NotADirectoryError(20, "it is not a folder")
        files = sorted(_walk(root), key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not usable"
        raise InputRefused(
            f"{path} ({named_by}) cannot be scanned: {reason}.",
            hint="Name the folder of an exported site or of a Next.js source tree.",
            code="growth.no_such_folder",
        ) from error
    return Folder(root, tuple(files))


def _walk(root: Path) -> Iterator[str]:
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif entry.is_file(follow_symlinks=False) or (entry.is_symlink() and _inside(root, entry)):
                    yield path


def _inside(root: Path, link: "os.DirEntry[str]") -> bool:
    try:
        target = Path(link.path).resolve(strict=True)
        return stat.S_ISREG(target.stat().st_mode) and target.is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def page_url(path: str) -> str:
    """`/` and the path without a trailing `index.html`, or else without `.html`."""
    if path.endswith("index.html"):
        return "/" + path.removesuffix("index.html")
    return "/" + path.removesuffix(".html")


def parse_html(data: bytes) -> LexborHTMLParser:
    """HTML5 as a browser with scripting reads it, so that the content of noscript is text."""
    text = data.decode("utf-8", "replace")
    return LexborHTMLParser(text, scripting=True, options=LexborDocumentOptions.WO_EVENTS)


def read_page(url: str, document: LexborHTMLParser) -> Page:
    page = Page(url)
    titles: list[str] = []
    description: str | None = None
    robots: str | None = None
    canonical: str | None = None
    for node in _relevant(document):
        attributes = node.attributes
        match node.tag:
            case "title":
                titles.append(node.text(deep=True))
            case "a" if "href" in attributes:
                page.links.append(attributes["href"] or "")
            case "meta":
                name, content = attributes.get("name"), attributes.get("content") or ""
                if name == "description" and description is None:
                    description = content
                if name == "robots" and robots is None:
                    robots = content
                kind = attributes.get("property") or ""
                if kind.startswith("og:") and content:
                    page.og[kind] = content
            case "link" if canonical is None and (attributes.get("rel") or "").lower() == "canonical":
                canonical = attributes.get("href") or ""
    page.title = "".join(titles)
    page.description = description or page.og.get("og:description", "")
    page.canonical = canonical or ""
    page.robots = robots or ""
    return page


_RELEVANT = "title, meta, link, a"


def _relevant(document: LexborHTMLParser) -> Iterator[LexborNode]:
    """The nodes rules look at in document order; the content of a template counts where the template stands."""
    if document.css_first("template") is None:
        yield from document.css(_RELEVANT)
        return
    pending: list[LexborNode] = [document.root] if document.root else []
    while pending:
        node = pending.pop()
        if node.tag in ("title", "meta", "link", "a"):
            yield node
        children = list(node.iter())
        if node.tag == "template":
            children = [child for fragment in node.template_fragments()[:1] for child in fragment.iter()]
        pending.extend(reversed(children))

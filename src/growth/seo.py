"""The default SEO rules, comparable with the reference to the finding, and the audit they add up to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from growth.errors import InputRefused
from growth.figures import utf16_length
from growth.nextjs import is_source_tree, read_source_tree
from growth.pages import Folder, Page, Progress, open_folder, page_url, parse_html, read_page
from growth.redaction import Redaction
from growth.run import Run
from growth.seo_extended import ExtendedRules
from growth.seo_finding import SEVERITIES, Finding, html_element
from growth.seo_links import Broken, Links, PlainLinks
from jobforge.canonical import sha256_of

SHORTEST_TITLE: Final = 10  # UTF-16 units, as all lengths here
LONGEST_TITLE: Final = 70
SHORTEST_DESCRIPTION: Final = 50
OG_TAGS: Final = ("og:title", "og:description", "og:url", "og:type")


@dataclass
class Audit:
    """The findings of one scan in the order of the rules."""

    source_path: str
    source_type: str
    urls_scanned: int
    findings: list[Finding] = field(default_factory=list)

    def summary(self) -> dict[str, int]:
        counts = dict.fromkeys(SEVERITIES, 0)
        for finding in self.findings:
            counts[finding.severity] += 1
        return counts

    def document(self, run: Run, redaction: Redaction) -> dict[str, Any]:
        """The audit as the inputs file takes it; its id is derived from the redacted findings, never from a clock."""
        findings = [finding.document(f"seo-{number}") for number, finding in enumerate(self.findings, 1)]
        content: dict[str, Any] = {
            "tenant_id": run.tenant_id,
            "project_id": run.project_id,
            "source_type": self.source_type,
            "source_path": self.source_path,
            "urls_scanned": self.urls_scanned,
            "findings": findings,
        }
        content = redaction.value(content)
        return {
            **content,
            "id": f"audit-{sha256_of(content)[:32]}",
            "scanned_at": run.now,
            "summary": self.summary(),
        }


def scan(
    path: Path,
    source_path: str,
    source_type: str,
    *,
    rules: str = "default",
    named_by: str = "source_path",
    progress: Progress | None = None,
) -> Audit:
    """Reads `path` page by page; only findings are kept. `source_path` is how the audit names the folder."""
    folder = open_folder(path, named_by=named_by)
    if source_type == "nextjs_routes" and is_source_tree(folder):
        tree = read_source_tree(folder)
        return _audit(source_path, source_type, tree.pages, tree.links, source=True, progress=progress)
    files = folder.html()
    if not files:
        raise no_html(path, named_by)
    urls = [page_url(file) for file in files]
    extended = ExtendedRules(folder, urls) if rules == "extended" else None
    links = extended.links if extended else PlainLinks(urls)
    pages = _read(folder, files, urls, extended)
    return _audit(source_path, source_type, pages, links, total=len(files), extended=extended, progress=progress)


def no_html(path: Path, named_by: str) -> InputRefused:
    return InputRefused(
        f"{path} ({named_by}) holds no .html file.",
        hint="Export the site first, or name the folder that holds index.html.",
        code="growth.no_pages",
    )


def _read(folder: Folder, files: list[str], urls: list[str], extended: ExtendedRules | None) -> Iterator[Page]:
    for file, url in zip(files, urls, strict=True):
        document = parse_html(folder.read(file))
        page = read_page(url, document)
        if extended:
            extended.look(page, document)
        yield page


def _audit(
    source_path: str,
    source_type: str,
    pages: Iterable[Page],
    links: Links,
    *,
    total: int = 0,
    source: bool = False,
    extended: ExtendedRules | None = None,
    progress: Progress | None = None,
) -> Audit:
    audit = Audit(source_path, source_type, 0)
    broken: list[Broken] = []
    hidden: list[str] = []
    for page in pages:
        audit.urls_scanned += 1
        audit.findings.extend(page_findings(page, source=source))
        if extended:
            audit.findings.extend(extended.of_page(page.url))
        broken.extend((page.url, href) for href in page.links if not links.works(page.url, href))
        if "noindex" in page.robots:
            hidden.append(page.url)
        if progress:
            progress(audit.urls_scanned, total)
    audit.findings.extend(_broken(url, href) for url, href in broken)
    if hidden:
        audit.findings.append(_hidden(hidden))
    audit.findings.extend(extended.of_site(hidden) if extended else [_sitemap(audit.urls_scanned)])
    return audit


def page_findings(page: Page, *, source: bool = False) -> Iterator[Finding]:
    """The findings of one page in the order of the contract; `source` words places as in code, not in HTML."""
    if "title" not in page.computed:
        yield from _title(page, "metadata.title" if source else "head > title")
    if "description" not in page.computed:
        yield from _description(page, "metadata.description" if source else 'meta[name="description"]')
    for tag in OG_TAGS:
        if not page.og.get(tag) and tag not in page.computed:
            place = f"metadata.openGraph.{tag.removeprefix('og:')}" if source else f'meta[property="{tag}"]'
            yield Finding(
                page.url,
                "info",
                "og_tags",
                f"{tag} is not set, so a shared link shows less than it could.",
                f"Set {tag} on this page.",
                html_element(place, f"No {tag} was found"),
            )
    if not page.canonical and "canonical" not in page.computed:
        yield Finding(
            page.url,
            "info",
            "canonical",
            "The page names no canonical address.",
            "Name the one address under which search engines should list it.",
            html_element(
                "metadata.alternates.canonical" if source else 'link[rel="canonical"]', "No canonical link was found"
            ),
        )


def _title(page: Page, place: str) -> Iterator[Finding]:
    length = utf16_length(page.title)
    if not page.title:
        yield Finding(
            page.url,
            "critical",
            "title",
            "The page has no title.",
            "Give it a title of 30 to 60 characters that says what it is about.",
            html_element(place, "No title text was found"),
        )
    elif length < SHORTEST_TITLE or length > LONGEST_TITLE:
        short = length < SHORTEST_TITLE
        yield Finding(
            page.url,
            "warning",
            "title",
            f"The title has {length} characters and is too {'short to say much' if short else 'long to show whole'}.",
            "Aim for 30 to 60 characters.",
            html_element(place, "Length of the title", length),
            page.title,
        )


def _description(page: Page, place: str) -> Iterator[Finding]:
    length = utf16_length(page.description)
    if not page.description:
        yield Finding(
            page.url,
            "warning",
            "meta_description",
            "The page has no description.",
            "Describe it in one or two sentences of 50 to 160 characters.",
            html_element(place, "No description was found"),
        )
    elif length < SHORTEST_DESCRIPTION:
        yield Finding(
            page.url,
            "info",
            "meta_description",
            f"The description has only {length} characters.",
            "Use the room: 50 to 160 characters are shown in results.",
            html_element(place, "Length of the description", length),
            page.description,
        )


def _broken(url: str, href: str) -> Finding:
    return Finding(
        url,
        "warning",
        "broken_link",
        "A link of this page leads to no page of the site.",
        "Correct the link, or add the page it names.",
        html_element(f'a[href="{href}"]', "Where the link points", href),
        href,
    )


def _hidden(urls: list[str]) -> Finding:
    return Finding(
        "/",
        "info",
        "robots",
        f"{len(urls)} page(s) ask search engines not to list them.",
        "Make sure that each of them is meant to stay out of search results.",
        {
            "type": "calculation",
            "path": "robots:noindex",
            "description": "Pages with noindex",
            "value": len(urls),
        },
        ", ".join(urls),
    )


def _sitemap(pages: int) -> Finding:
    return Finding(
        "/",
        "opportunity",
        "sitemap",
        f"A sitemap would tell search engines about all {pages} page(s).",
        "Publish sitemap.xml and name it in robots.txt.",
        {"type": "calculation", "path": "pages:count", "description": "Pages of the site", "value": pages},
    )

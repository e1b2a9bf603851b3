"""The SEO scan: files, links, Next.js sources and the extended rules."""

import os

import pytest

from growth.errors import InputRefused
from growth.pages import open_folder, page_url, parse_html, read_page
from growth.seo import scan

WHOLE = (
    '<!DOCTYPE html><html lang="en"><head><meta name="viewport" content="w"><title>{title}</title>'
    '<meta name="description" content="{description}"><meta property="og:title" content="t">'
    '<meta property="og:description" content="d"><meta property="og:url" content="u">'
    '<meta property="og:type" content="w">'
    '<link rel="canonical" href="/x"></head><body><h1>H</h1>{body}</body></html>'
)


def place(folder, pages):
    for path, text in pages.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", errors="surrogatepass")


def page(title="A title that is long enough", description="d" * 60, body=""):
    return WHOLE.format(title=title, description=description, body=body)


def found(folder, source_type="html_export", **more):
    return [(f.url, f.severity, f.category) for f in scan(folder, "site", source_type, **more).findings]


def test_addresses():
    assert [page_url(path) for path in ("index.html", "a/index.html", "a.html", "myindex.html", "a.html.html")] == [
        "/",
        "/a/",
        "/a",
        "/my",
        "/a.html",
    ]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("", "critical"),
        ("x" * 9, "warning"),
        ("x" * 10, None),
        ("x" * 70, None),
        ("x" * 71, "warning"),
        ("😀" * 5, None),
    ],
)
def test_title_lengths_are_utf16_units(tmp_path, title, expected):
    place(tmp_path, {"index.html": page(title)})
    severities = [severity for _, severity, category in found(tmp_path) if category == "title"]
    assert severities == ([expected] if expected else [])


def test_links_never_leave_the_scanned_folder(tmp_path):
    place(tmp_path, {"site/index.html": page(), "outside/secret.html": page()})
    os.symlink(tmp_path / "outside" / "secret.html", tmp_path / "site" / "leak.html")
    os.symlink(tmp_path / "outside", tmp_path / "site" / "folder")
    os.symlink(tmp_path / "site" / "index.html", tmp_path / "site" / "same.html")
    os.symlink(tmp_path / "site", tmp_path / "site" / "circle")
    os.symlink("nowhere.html", tmp_path / "site" / "dangling.html")
    os.mkfifo(tmp_path / "site" / "pipe.html")
    assert open_folder(tmp_path / "site", named_by="--path").files == ("index.html", "same.html")


def test_a_folder_without_pages_and_no_folder_are_refused_by_name(tmp_path):
    for path, words in (
        (tmp_path, "holds no .html file"),
        (tmp_path / "none", "No such file"),
        (tmp_path / "f", "folder"),
    ):
        (tmp_path / "f").write_text("")
        with pytest.raises(InputRefused, match=words) as refused:
            scan(path, "x", "html_export")
        assert str(path) in refused.value.message


def test_html_is_read_as_a_browser_with_scripting_does():
    html = (
        "<template><a href='/t'>x</a><template><a href='/deep'></a></template></template>"
        "<noscript><a href='/no'>x</a></noscript>"
        "<a href=/plain>x</a><svg><title>S</title></svg><!-- <a href='/comment'> --><title>T</title>"
    )
    read = read_page("/", parse_html(html.encode()))
    assert read.links == ["/t", "/deep", "/plain"]
    assert read.title == "ST"


def test_extended_rules_find_what_the_default_ones_do_not_look_for(tmp_path):
    place(
        tmp_path,
        {
            "index.html": "<title>The same long title</title><img src=a><img src=b alt=''><h1>a</h1><h3>b</h3>"
            "<script type='application/ld+json'>{bad</script><a href='gone'>x</a><a href='a.pdf'>y</a>"
            "<a href='?q=1'>z</a><a href='mailto:a@b.c'>m</a><a href='sub/page#part'>p</a>"
            "<a href='/sub/page.html'>q</a>",
            "sub/page.html": page("The same long title", body="<a href='../'>up</a><a href='./page'>self</a>"),
            "hidden.html": page().replace("<head>", "<head><meta name=robots content=noindex>"),
            "a.pdf": "x",
            "robots.txt": "User-agent: *\nDisallow: /sub/\n",
            "sitemap.xml": "<urlset><url><loc>https://e.test/sub/page</loc></url><url><loc>https://e.test/old</loc></url>"
            "<url><loc>https://e.test/hidden</loc></url></urlset>",
        },
    )
    audit = scan(tmp_path, "site", "html_export", rules="extended")
    messages = "\n".join(finding.message for finding in audit.findings)
    for words in (
        "does not say its language",
        "not prepared for phones",
        "1 image(s) have no alt",
        "level 3 follows one of level 1",
        "structured data is not valid",
        "2 pages share this title",
        "names 1 address(es) that are no page: /old",
        "leaves out 1 page(s): /",
        "names 1 page(s) that say noindex",
        "blocks 1 address(es)",
        "does not say where the sitemap is",
    ):
        assert words in messages
    broken = [finding.current_value for finding in audit.findings if finding.category == "broken_link"]
    assert broken == ["gone"]


def test_a_good_site_passes_the_extended_rules(tmp_path):
    place(
        tmp_path,
        {
            "index.html": page(),
            "robots.txt": "User-agent: *\nDisallow:\nSitemap: https://e.test/sitemap.xml\n",
            "sitemap.xml": "<urlset><url><loc>https://e.test/</loc></url></urlset>",
        },
    )
    assert found(tmp_path, rules="extended") == []


NEXT = {
    "app/layout.tsx": "export const metadata = { title: {default: 'A default title', template: '%s | Our site'} }",
    "app/page.tsx": """// export const metadata = { title: 'commented out' }
        export const metadata = {
          description: "A description that is certainly longer than fifty characters, as it should be.",
          openGraph: { title: 'T', description: `D`, url: 'https://e.test', type: 'website' },
          alternates: { canonical: '/' },
        } satisfies Metadata
        export default () => <><Link href="/blog/first">a</Link><Link href="/gone">b</Link>
          <a href={'/logo.png'}>c</a></>""",
    "app/(marketing)/about/page.jsx": "export const metadata = { title: 'Short', robots: { index: false } }",
    "app/blog/[slug]/page.tsx": "export async function generateMetadata() { return {} }",
    "app/api/route.ts": "export const GET = 1",
    "app/_private/page.tsx": "",
    "public/logo.png": "x",
    "public/google1.html": "verification",
    "pages/_app.tsx": "",
    "pages/api/x.ts": "",
    "pages/old.tsx": """import Head from 'next/head'
        export default () => <Head><title>An old page with a title</title><meta name="description" content={"short"} />
          <link rel="canonical" href="https://e.test/old" /></Head>""",
    "pages/empty.tsx": "export default () => null",
}


def test_a_next_source_tree_is_read_as_its_routes(tmp_path):
    place(tmp_path, NEXT)
    audit = scan(tmp_path, ".", "nextjs_routes")
    seen = [(f.url, f.severity, f.category) for f in audit.findings]
    assert audit.urls_scanned == 5
    assert [entry for entry in seen if entry[0] == "/"] == [
        ("/", "warning", "broken_link"),
        ("/", "info", "robots"),
        ("/", "opportunity", "sitemap"),
    ]
    assert not [entry for entry in seen if entry[0] == "/blog/[slug]"]
    assert ("/empty", "critical", "title") in seen
    assert ("/about", "warning", "title") not in seen  # the layout's template makes it long enough
    assert [f.current_value for f in audit.findings if f.category == "broken_link"] == ["/gone"]
    old = [(severity, category) for url, severity, category in seen if url == "/old"]
    assert ("info", "meta_description") in old
    assert ("info", "canonical") not in old


def test_a_tree_with_an_export_is_scanned_as_html(tmp_path):
    place(tmp_path, {"app/page.tsx": "", "out/index.html": page()})
    assert found(tmp_path, "nextjs_routes") == [("/", "opportunity", "sitemap")]


@pytest.mark.soak
def test_twenty_thousand_pages(tmp_path):
    place(tmp_path, {f"s{number // 200}/p{number}.html": page() for number in range(20_000)})
    assert scan(tmp_path, "site", "html_export").urls_scanned == 20_000

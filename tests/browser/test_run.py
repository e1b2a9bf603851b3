"""A run's page in a browser: its output searched, narrowed, linked and followed; artifacts, errors, rerun."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from longhouse import history, jobs, loading, queue
from longhouse.engine.capture import Capture
from longhouse.frames import Stream
from longhouse.house import House
from longhouse.queue import Ending
from longhouse.repo import bootstrap
from longhouse.runs.state import Reason, RunState
from longhouse.store import runs as run_rows
from tests.browser.chromium import PROBLEMS, link_of, profile, serving, signed_in, tab
from tests.browser.furnished import OWNER, attempt, empty_house, write_jobs
from tests.browser.looks import Look

pytestmark = pytest.mark.browser

LINES = 20_000
AT_END = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40"
TRACEBACK = """Traceback (most recent call last):
  File "jobs/report.py", line 7, in run
    send(total)
  File "/opt/lib/python/http/client.py", line 99, in send
    self.connect()
  File "/opt/lib/python/socket.py", line 12, in connect
    raise OSError("no route")
  File "jobs/report.py", line 12, in send
    raise ValueError("<b>no</b> answer")
ValueError: <b>no</b> answer"""
ARTIFACTS = (
    ("page.html", "text/html", b"<h1>Inside</h1><script>parent.pwned = 1; document.title = 'ran'</script>"),
    ("numbers.csv", "text/csv", b"id,amount\n1,12345678901234567890.10\n" + b"2,3\n" * 300),
    ("report.json", "application/json", b'[{"id": 12345678901234567890123, "price": 1.10}, {"id": 2}]'),
    ("notes.md", "text/markdown", b"# Notes\n\n[out](https://example.org) ![p](https://evil.test/x.png) <b>raw</b>\n"),
    (
        "dot.svg",
        "image/svg+xml",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    ),
    ("a/b ä.bin", "application/octet-stream", b"\0"),
)


@dataclass
class Home:
    house: House
    page: Page
    long: int
    rich: int

    def open(self, path: str) -> None:
        self.page.goto(path)


def claimed_of(house: House, job_id: str, **params: object) -> tuple[int, int, Capture]:
    run = jobs.run_now(house, job_id, OWNER, params=params or None)
    claimed = queue.claim(house)
    assert claimed is not None and claimed.run.id == run.id
    queue.started(house, run.id, claimed.attempt, pid=4711, ticks=1, boot_id="boot")
    path = house.paths.output / claimed.output
    path.parent.mkdir(parents=True, exist_ok=True)
    return run.id, claimed.attempt, Capture(path, 0.0)


@pytest.fixture(scope="module")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with empty_house(tmp_path_factory.mktemp("run") / "data") as house:
        bootstrap.ensure(house.paths, known_commits=False)
        write_jobs(
            house.paths.tree,
            {
                "report": ('overlap="allow"', "def run(ctx, month: int = 1, title: str = 'x'):\n    pass\n"),
                "alone": ("", "def run():\n    pass\n"),
            },
        )
        loading.settle(house)
        long, number, capture = claimed_of(house, "report")
        for line in range(1, LINES + 1):
            stream = Stream.ERR if line % 5_000 == 0 else Stream.OUT
            capture.write(
                stream, b"\x1b[32mline\x1b[0m %d%s\n" % (line, b" needle" if line % 4_000 == 7 else b""), line
            )
        capture.seal()
        queue.finish(house, long, number, Ending(state=RunState.SUCCEEDED, exit_code=0))
        rich = jobs.run_now(house, "report", OWNER, params={"month": 7}).id
        error = {"type": "ValueError", "traceback": TRACEBACK, "file": "jobs/report.py", "line": 12}
        failed = Ending(
            state=RunState.FAILED,
            reason=Reason.EXCEPTION,
            message="no answer",
            error=error,
            exit_code=1,
            result=[{"id": 1, "n": 12345678901234567890123}],
            retry_after_seconds=0,
        )
        for _ in range(3):
            attempt(house, failed, 900, late=2_000)
        folder = house.paths.artifacts / str(rich)
        folder.mkdir(parents=True)
        for place, (name, media_type, data) in enumerate(ARTIFACTS):
            (folder / str(place)).write_bytes(data)
            values = {"run_id": rich, "attempt": 3, "name": name, "media_type": media_type, "size": len(data)}
            with house.db.write() as db:
                run_rows.add_artifact(db, {**values, "file": f"{rich}/{place}", "now": house.clock.now()})
        expect.set_options(timeout=20_000)
        with serving(house) as address:
            page = signed_in(browser, link_of(house, address))
            yield Home(house, page, long, rich)
            inert = "Blocked script execution in"  # what the sandbox of an artifact says
            assert [said for said in PROBLEMS[page] if inert not in said] == []
            page.context.close()
        expect.set_options(timeout=5_000)


def test_a_long_output_opens_at_its_end_with_a_part_of_it(home: Home) -> None:
    home.open(f"/runs/{home.long}")
    expect(home.page.locator(f"#L{LINES}")).to_be_visible()
    assert home.page.locator("#log").evaluate(AT_END)
    assert home.page.locator("#log .l").count() <= 150
    assert "Succeeded · Run" in home.page.title()


def test_search_looks_through_all_of_it_and_walks(home: Home) -> None:
    page = home.page
    home.open(f"/runs/{home.long}")
    page.locator("#log-search").fill("NEEDLE")
    expect(page.locator("#log-count")).to_have_text("5 of 5")
    page.locator("#log-later").click()
    expect(page.locator("#L7")).to_be_in_viewport()
    expect(page.locator("#log-count")).to_have_text("1 of 5")
    page.locator("#log-search").press("Enter")
    expect(page.locator("#L4007")).to_be_in_viewport()
    page.locator("#log-search").press("Shift+Enter")
    expect(page.locator("#L7")).to_be_in_viewport()
    marked = page.evaluate("[...CSS.highlights.get('found')].map((range) => range.toString())")
    assert marked[0] == "needle"
    page.locator("#log-search").fill("line 19999")
    expect(page.locator("#log-count")).to_have_text("1 of 1")
    expect(page.locator("#L19999")).to_be_in_viewport()
    page.locator("#log-search").fill("nothing like it")
    expect(page.locator("#log-count")).to_have_text("Not found")


def test_search_works_without_scripts(browser: Browser, home: Home) -> None:
    state, base = home.page.context.storage_state(), home.page.url.split("/runs")[0]
    context = profile(browser, java_script_enabled=False, storage_state=state, base_url=base)
    page = tab(context)
    page.goto(f"/runs/{home.long}?q=needle")
    expect(page.locator("#log-count")).to_have_text("1 of 5")
    page.locator("#log-later").click()
    expect(page.locator("#log-count")).to_have_text("2 of 5")
    expect(page.locator("#L4007")).to_be_in_viewport()
    context.close()


def test_one_stream_alone(home: Home) -> None:
    page = home.page
    home.open(f"/runs/{home.long}")
    page.locator("#log-stream").select_option("err")
    expect(page.locator("#log .l")).to_have_count(4)
    assert page.locator("#log .l > a").all_text_contents() == ["5000", "10000", "15000", "20000"]
    page.locator("#log-stream").select_option("log")
    expect(page.locator("#no-output")).to_have_text("Nothing of this kind was printed.")
    page.locator("#log-stream").select_option("")
    expect(page.locator("#L19998")).to_be_attached()


def test_a_window_of_lines_is_kept_whichever_way_the_reader_goes(home: Home) -> None:
    page, log = home.page, home.page.locator("#log")
    home.open(f"/runs/{home.long}")
    # how many times, depends on what comes by itself as one gets near the top
    while int((page.locator("#log .l").last.get_attribute("id") or "")[1:]) > 19_500:
        first = page.locator("#log .l").first.get_attribute("id")
        assert first != "L1", "the whole output is on the page"
        page.locator("#earlier").click()
        expect(page.locator("#log .l").first).not_to_have_id(first or "")
    log.evaluate("(log) => { log.scrollTop = log.scrollHeight / 2; }")
    expect(log).to_have_attribute("aria-busy", "false")
    assert page.locator("#log .l").count() <= 1_500
    numbers = [int(text) for text in page.locator("#log .l > a").all_text_contents()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "none left out, none twice"
    expect(page.locator("#news")).to_have_text("Jump to the end")
    log.evaluate("(log) => { log.scrollTop = log.scrollHeight; }")
    expect(page.locator(f"#L{numbers[-1] + 1}")).to_be_attached()
    page.locator("#news").click()
    expect(page.locator(f"#L{LINES}")).to_be_in_viewport()
    expect(page.locator("#news")).to_be_hidden()


def test_lines_and_ranges_are_linked(home: Home) -> None:
    page = home.page
    home.open(f"/runs/{home.long}#L1200-L1203")
    expect(page.locator("#L1200")).to_be_in_viewport()
    expect(page.locator("#log .l.here")).to_have_count(4)
    page.locator("#L1205 > a").click()
    page.locator("#L1207 > a").click(modifiers=["Shift"])
    assert page.url.endswith("#L1205-L1207")
    expect(page.locator("#log .l.here")).to_have_count(3)


def test_lines_are_linked_with_keys(home: Home) -> None:
    page = home.page
    home.open(f"/runs/{home.long}#L100")
    expect(page.locator("#L100")).to_be_in_viewport()
    page.locator("#log").focus()
    page.keyboard.press("j")
    first = page.locator("#log .l > a:focus")
    number = int(first.inner_text())
    assert 1 < number <= 100
    assert first.evaluate("(link) => getComputedStyle(link).outlineStyle") != "none", "the line is seen"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**#L{number + 1}")
    page.keyboard.press("k")
    page.keyboard.press("Shift+Enter")
    page.wait_for_url(f"**#L{number}-L{number + 1}")
    expect(page.locator(".l.here")).to_have_count(2)


def test_times_and_wrap_are_remembered(home: Home, look: Look) -> None:
    page = home.page
    home.open(f"/runs/{home.long}")
    shown = "getComputedStyle(document.querySelector('#L20000 > a'), '::before').content"
    assert page.evaluate(shown) == "none"
    before, after = ("true", "false") if look.phone else ("false", "true")  # a phone wraps unless told otherwise
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", before)
    page.get_by_role("button", name="Times").click()
    page.get_by_role("button", name="Wrap").click()
    page.reload()
    expect(page.get_by_role("button", name="Times")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", after)
    assert page.evaluate(shown).count(":") == 2
    page.get_by_role("button", name="Times").click()
    page.evaluate("localStorage.clear()")


def test_a_stream_of_lines_leaves_the_reader_where_he_is_and_the_page_alive(home: Home) -> None:
    page, house = home.page, home.house
    run, number, capture = claimed_of(house, "report")
    home.open(f"/runs/{run}")
    expect(page.locator("#log.live")).to_be_visible()
    page.evaluate(
        "() => { window.frames_seen = []; let last = performance.now(); const next = (now) => {"
        " frames_seen.push(now - last); last = now; requestAnimationFrame(next); }; requestAnimationFrame(next); }"
    )
    printed = [0]

    def pour(until: int) -> None:
        while printed[0] < until:
            for _ in range(250):
                printed[0] += 1
                capture.write(Stream.OUT, b"line %d\n" % printed[0], printed[0])
            house.feed.publish(f"log:{run}")
            time.sleep(0.05)  # the pace of what is measured, 5,000 lines a second

    pouring = threading.Thread(target=pour, args=(10_000,))
    pouring.start()
    pouring.join()
    expect(page.locator("#L10000")).to_be_attached()
    assert page.locator("#log").evaluate(AT_END)
    assert page.locator("#log .l").count() <= 600
    # up, but not to where the lines before are fetched: a page that fell behind shows no more than the newest 120
    page.locator("#log").evaluate("(log) => { log.scrollTop -= 400; }")
    place = page.locator("#log").evaluate("(log) => log.scrollTop")
    pour(10_500)
    expect(page.locator("#news")).to_have_text("500 new lines, jump to the end")
    assert page.locator("#log").evaluate("(log) => log.scrollTop") == place
    page.locator("#news").click()
    expect(page.locator("#L10500")).to_be_in_viewport()
    assert max(page.evaluate("frames_seen")) < 8_000, "it froze"
    capture.seal()
    queue.finish(house, run, number, Ending(state=RunState.SUCCEEDED, exit_code=0))
    expect(page.locator("#state")).to_have_text("Succeeded")
    expect(page).to_have_title(f"Succeeded · Run {run} of report · Longhouse")


def test_artifacts_are_shown_without_any_rights(home: Home) -> None:
    page = home.page
    home.open(f"/runs/{home.rich}")
    frame = page.frame_locator(".artifact iframe")
    expect(frame.locator("h1")).to_have_text("Inside")
    assert page.evaluate("window.pwned === undefined")
    assert page.locator(".artifact iframe").get_attribute("sandbox") == ""
    page.locator("summary", has_text="numbers.csv").click()
    table = page.get_by_role("region", name="numbers.csv")
    expect(table.locator("tbody tr")).to_have_count(200)
    expect(table).to_contain_text("12345678901234567890.10")
    expect(page.locator(".artifacts")).to_contain_text("Left out: rows after the first 200.")
    page.locator("summary", has_text="report.json").click()
    expect(page.get_by_role("region", name="report.json")).to_contain_text("12345678901234567890123")
    expect(page.get_by_role("region", name="report.json")).to_contain_text("1.10")
    page.locator("summary", has_text="notes.md").click()
    expect(page.locator(".md a")).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(page.locator(".md")).to_contain_text("<b>raw</b>")
    assert page.locator(".md img").count() == 0
    page.locator("summary", has_text="dot.svg").click()
    expect(page.get_by_role("img", name="dot.svg")).to_have_js_property("naturalWidth", 9)
    page.locator("summary", has_text="a/b").click()
    with page.expect_download() as download:
        page.locator("details", has_text="a/b").get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == b"\0"
    answer = page.request.get(f"/runs/{home.rich}/artifacts/1/file")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_an_error_shows_the_steps_in_our_own_files(home: Home) -> None:
    page = home.page
    home.open(f"/runs/{home.rich}")
    error = page.locator("#run-error")
    expect(error.get_by_role("link", name="jobs/report.py:12")).to_be_visible()
    expect(error).to_contain_text("2 steps in libraries")
    expect(error.locator("details .step").first).to_be_hidden()
    expect(error.locator(".said")).to_have_text("ValueError: <b>no</b> answer")
    error.get_by_role("link", name="jobs/report.py:7").click()
    page.wait_for_url("**/files/jobs/report.py#line-7")


def test_attempts_on_one_axis_and_the_result_as_a_table(home: Home) -> None:
    page = home.page
    home.open(f"/runs/{home.rich}")
    bars = page.get_by_role("img", name="Attempt ")
    expect(bars).to_have_count(3)
    expect(bars.first).to_have_accessible_name("Attempt 1: waited 2.0 s, ran 900 ms")
    steps = page.get_by_role("list", name="Its states, one after the other").get_by_role("listitem")
    tries = ["Running900 ms", "Will retry2.0 s"] * 2
    expect(steps).to_have_text(["Queued2.0 s", *tries, "Running900 ms", "Failed"])
    expect(steps.last).to_have_attribute("aria-current", "step")
    table = page.get_by_role("region", name="Result as a table")
    expect(table.locator("th")).to_have_text(["id", "n"])
    expect(table.locator("td")).to_have_text(["1", "12345678901234567890123"])
    expect(page.locator("#run-head")).to_contain_text("Why it waited")
    page.locator("a[rel=prev]").click()
    page.wait_for_url(f"**/runs/{home.long}")
    page.locator("a[rel=next]").click()
    page.wait_for_url(f"**/runs/{home.rich}")
    expect(page.locator("#find")).to_be_visible()  # the keys are heard
    page.keyboard.press("[")
    page.wait_for_url(f"**/runs/{home.long}")
    expect(page.locator("#find")).to_be_visible()
    page.keyboard.press("]")
    page.wait_for_url(f"**/runs/{home.rich}")


def test_what_has_changed_is_looked_for_when_the_reader_gets_there(home: Home) -> None:
    page = home.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "part=changes" in request.url else None)
    home.open(f"/runs/{home.rich}")
    expect(page.locator("#find")).to_be_visible()
    assert asked == []
    page.locator("#changes").scroll_into_view_if_needed()
    expect(page.locator("#changes")).to_contain_text("The code is the same as that of run")
    assert len(asked) == 1


def test_rerun_with_other_parameters(home: Home) -> None:
    page = home.page
    home.open(f"/runs/{home.rich}")
    page.get_by_role("link", name="Edit and rerun").click()
    expect(page.get_by_label("month")).to_have_value("7")
    page.get_by_label("month").fill("8")
    page.get_by_label("Debug logging").check()
    page.get_by_role("button", name="Rerun").click()
    page.wait_for_url("**/runs/*")
    run = history.get(home.house, int(page.url.rpartition("/")[2].partition("#")[0]))
    assert (run.params, run.rerun_of, run.pinned, run.debug) == ({"month": 8, "title": "x"}, home.rich, True, True)
    queue.cancel(home.house, run.id, OWNER)


def test_rerun_says_what_is_in_its_way(home: Home) -> None:
    page = home.page
    first = jobs.run_now(home.house, "alone", OWNER).id
    queue.cancel(home.house, first, OWNER)
    second = jobs.run_now(home.house, "alone", OWNER).id
    home.open(f"/runs/{first}")
    page.get_by_role("button", name="Rerun same code").click()
    expect(page.get_by_role("alert")).to_contain_text(f"Alone has run {second}, which is queued")
    page.get_by_role("link", name=f"Look at run {second}").click()
    page.wait_for_url(f"**/runs/{second}")
    expect(page.locator("#run-head")).to_contain_text("It waits for a free slot.")
    queue.cancel(home.house, second, OWNER)

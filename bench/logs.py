"""A long output in the browser: how fast its page opens, and whether it stays alive while lines pour in."""

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page
from tests.browser.chromium import PROBLEMS, chromium, link_of, serving, signed_in
from tests.browser.furnished import OWNER, empty_house, furnish

from bench.instance import Figure
from longhouse import jobs, queue
from longhouse.engine.capture import Capture
from longhouse.frames import Stream
from longhouse.house import House
from longhouse.queue import Ending
from longhouse.runs.state import RunState

LONG = 10_000_000
RATE = 5_000
SECONDS = 10
STEP = 0.05
FROZEN = """() => { window.frames = []; let last = performance.now();
  const next = (now) => { frames.push(now - last); last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next); }"""
OPENED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const page = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? performance.now();
  done([page.responseEnd - page.requestStart, paint - page.requestStart, page.transferSize,
        performance.getEntriesByType("resource").reduce((sum, each) => sum + each.transferSize, page.transferSize)]);
})))"""


def line(number: int) -> bytes:
    return b"\x1b[32m%07d\x1b[0m photo_%06d.jpg copied to the bucket, 4.2 MB in 812 ms\n" % (
        number,
        number * 7919 % 10**6,
    )


def main() -> None:
    for figure in measured(SECONDS):
        print(figure.line(), flush=True)


def measured(seconds: float) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, empty_house(Path(folder) / "data") as house:
        furnish(house)
        while waiting := queue.claim(house):
            queue.finish(house, waiting.run.id, waiting.attempt, Ending(state=RunState.SUCCEEDED, exit_code=0))
        with serving(house) as address, chromium() as browser:
            page = signed_in(browser, link_of(house, address))
            yield from opening(house, page)
            yield from streaming(house, page, seconds)
            assert PROBLEMS[page] == [], PROBLEMS[page]


def begun(house: House) -> tuple[int, int, Capture]:
    jobs.run_now(house, "daily-digest", OWNER, params={"recipient": "you@example.org"})
    claimed = queue.claim(house)
    assert claimed is not None
    queue.started(house, claimed.run.id, claimed.attempt, pid=4711, ticks=1, boot_id="boot")
    path = house.paths.output / claimed.output
    path.parent.mkdir(parents=True, exist_ok=True)
    return claimed.run.id, claimed.attempt, Capture(path, 0.0)


def opening(house: House, page: Page) -> Iterator[Figure]:
    run, attempt, capture = begun(house)
    size = number = 0
    while size < LONG:
        number += 1
        text = line(number)
        capture.write(Stream.OUT, text, number)
        size += len(text)
    capture.seal()
    queue.finish(house, run, attempt, Ending(state=RunState.SUCCEEDED, exit_code=0))
    taken = []
    for _ in range(7):
        page.goto(f"/runs/{run}")
        page.locator(f"#L{number}").wait_for()
        taken.append(page.evaluate(OPENED))
    taken = taken[1:]  # templates are compiled once
    yield Figure("10 MB log: the page's answer", statistics.median(each[0] for each in taken), "ms", 200)
    yield Figure("10 MB log: opened and painted", statistics.median(each[1] for each in taken), "ms", 200)
    yield Figure("10 MB log: the page, sent", statistics.median(each[2] for each in taken) / 1024, "KiB", 1024)
    began = time.perf_counter()
    page.locator("#log-search").fill(f"photo_{5 * 7919:06d}")
    page.locator("#L5").wait_for()
    yield Figure("10 MB log: the first match of a search", (time.perf_counter() - began) * 1000, "ms", 1500)


def streaming(house: House, page: Page, seconds: float) -> Iterator[Figure]:
    run, attempt, capture = begun(house)
    page.goto(f"/runs/{run}")
    page.locator("#log.live").wait_for()
    printed = [0]

    def pour() -> None:
        began = time.perf_counter()
        while (now := time.perf_counter() - began) < seconds:
            for number in range(printed[0] + 1, int(now * RATE) + 1):
                capture.write(Stream.OUT, line(number), int(now * 1000))
                printed[0] = number
            capture.settle(int(now * 1000))
            house.feed.publish(f"log:{run}")
            time.sleep(STEP)
        capture.seal()
        house.feed.publish(f"log:{run}")

    page.evaluate(FROZEN)
    thread = threading.Thread(target=pour)
    thread.start()
    thread.join()
    began = time.perf_counter()
    page.locator(f"#L{printed[0]}").wait_for()
    behind = time.perf_counter() - began
    frames = sorted(page.evaluate("frames"))
    queue.finish(house, run, attempt, Ending(state=RunState.SUCCEEDED, exit_code=0))
    yield Figure(
        f"time between lines while it streams, {printed[0]:,} lines",
        seconds / printed[0] * 1e6,
        "us",
        1e6 / RATE * 1.05,
    )
    yield Figure("longest frame while it streams", frames[-1], "ms", 100)
    yield Figure("frame, p95", frames[int(len(frames) * 0.95)], "ms", 100)
    yield Figure("last line shown after it was printed", behind * 1000, "ms", 1000)
    yield Figure("lines in the page", page.locator("#log .l").count(), "", 600)

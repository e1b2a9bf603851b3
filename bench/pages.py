"""What a browser that has nothing yet loads for each page, and when somebody can use it: 1,000 jobs, a million runs.

`LONGHOUSE_BENCH_DATA=<folder>` keeps the data directory there, and takes it from there the next time: to build it takes
minutes.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page
from tests.browser.chromium import chromium, signed_in
from tests.browser.looks import WIDE
from tests.instance import Instance
from tests.spec.test_idle import many_jobs

from bench.history import furnish
from bench.instance import JOBS, QUIET, Figure, instance, percentile, seconds_of

KEPT = "LONGHOUSE_BENCH_DATA"
TIMES = 5
PAGES = (
    "/",
    "/jobs",
    "/jobs?group=tag&show=failing",
    "/jobs/job-7",
    "/runs",
    "/runs?q=customer+777&reason=exception",
    "/errors",
    "/timeline",
    "/timeline?view=hour",
    "/timeline?view=week",
    "/timeline?view=month",
    "/calendar",
    "/repo",
    "/secrets",
    "/activity",
    "/settings",
)
USABLE = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const page = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? performance.now();
  done([page.responseStart - page.requestStart, Math.max(paint, page.domContentLoadedEventEnd)]);
})))"""
"""The scripts of a page are modules: all of them have run when its DOMContentLoaded is over."""


def main() -> None:
    for figure in measured():
        print(figure.line(), flush=True)


def measured() -> Iterator[Figure]:
    with large() as one, chromium() as browser:
        one.start()
        run = one.ended(one.run("job-1")["id"])["id"]
        found = re.findall(r"http://\S+/login\?code=\S+", one.log)
        cookies: Any = signed_in(browser, found[-1]).context.storage_state()
        address = found[-1].partition("/login")[0]
        for path in (*PAGES, f"/runs/{run}"):
            seen = [opened(browser, cookies, address + path) for _ in range(TIMES + 1)][
                1:
            ]  # templates are compiled once
            sent = max(each[0] for each in seen)
            answer = f"   its answer after {percentile([each[1] for each in seen], 0.5):,.0f} ms"
            yield Figure(f"{path}, sent on the first load", sent / 1000, "kB", 150)
            yield Figure(f"{path}, usable, p50", percentile([each[2] for each in seen], 0.5), "ms", 1000, answer)


@contextmanager
def large() -> Iterator[Instance]:
    kept = os.environ.get(KEPT)
    if kept is None:
        with instance() as one:
            build(one)
            yield one
        return
    one = Instance(Path(kept))
    try:
        if not one.data.exists():
            build(one)
        yield one
    finally:
        one.stop()


def build(one: Instance) -> None:
    one.start()
    one.manifest(many_jobs(JOBS), quiet=QUIET)
    one.stop()
    print(f"a million runs in {seconds_of(lambda: furnish(one)):,.0f} s", flush=True)


def opened(browser: Browser, cookies: Any, address: str) -> tuple[float, float, float]:
    """In a browser that has loaded nothing before: bytes with their headers, milliseconds to the answer, and until the
    page is painted and its scripts have run."""
    context = browser.new_context(viewport=WIDE, storage_state=cookies)
    try:
        page = context.new_page()
        sent = counted(page)
        page.goto(address, wait_until="load")
        answer, usable = page.evaluate(USABLE)
        return sum(sent), answer, usable
    finally:
        context.close()


def counted(page: Page) -> list[float]:
    """Grows by what each answer took on the wire."""
    sent: list[float] = []
    session = page.context.new_cdp_session(page)
    session.on("Network.loadingFinished", lambda event: sent.append(event["encodedDataLength"]))
    session.send("Network.enable")
    return sent


if __name__ == "__main__":
    main()

"""How growth behaves as its inputs grow: seconds and peak memory, each in a process of its own, median of several."""

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from growth.events import read_events
from growth.funnel import analyse
from growth.moments import written
from growth.redaction import Redaction
from growth.requests import bundle, experiment_run
from growth.run import stable_run
from growth.seo import scan
from jobforge.canonical import pretty
from jobforge.validation import bundle_violations

RUNS = 3
PAGES = (2_500, 5_000, 10_000)
EVENTS = (250_000, 500_000, 1_000_000)
REQUESTS = (2_500, 5_000, 10_000)
STEPS = ("visit", "view", "cart", "pay")
RUN = stable_run("acme", "growth", "trace-bench")


def make_site(folder: Path, count: int) -> None:
    """Pages of about 8 kB with 40 links each, most of them good."""
    text = "<p>" + "A sentence about something that people look for. " * 12 + "</p>"
    for number in range(count):
        links = "".join(
            f'<a href="/section-{(number + step) // 100}/page-{(number + step) % count}">n</a>' for step in range(40)
        )
        page = (
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Page {number} of a large site</title>'
            f'<meta name="description" content="What page {number} is about, in a sentence long enough for a result.">'
            '<meta property="og:title" content="t"><link rel="canonical" href="https://example.test/x"></head>'
            f"<body><h1>Page</h1>{text * 8}{links}</body></html>"
        )
        place = folder / f"section-{number // 100}"
        place.mkdir(exist_ok=True)
        (place / f"page-{number}.html").write_text(page)


def make_events(path: Path, count: int) -> None:
    draw = random.Random(7)
    with path.open("w") as stream:
        stream.write("[")
        for number in range(count):
            event = {
                "user_id": f"user-{draw.randrange(count // 5)}",
                "event_name": STEPS[min(int(draw.expovariate(1.2)), 3)],
                "timestamp": written(1_704_067_200_000 + number * 900 + draw.randrange(60_000)),
            }
            stream.write((",\n" if number else "\n") + json.dumps(event))
        stream.write("\n]\n")


def pages(folder: str) -> dict[str, float]:
    audit = scan(Path(folder), folder, "html_export")
    return {"findings": len(audit.findings)}


def pages_extended(folder: str) -> dict[str, float]:
    audit = scan(Path(folder), folder, "html_export", rules="extended")
    return {"findings": len(audit.findings)}


def events(path: str) -> dict[str, float]:
    stream = read_events(Path(path), named_by="bench")
    metrics = analyse(stream, STEPS, name="bench", source_file=path, run=RUN, redaction=Redaction())
    return {"entrances": metrics["total_entrances"]}


def requests(count: str) -> dict[str, float]:
    proposal = {
        "title": "Compare a simpler version of pay",
        "hypothesis": "If pay asks less of users, more of them go on.",
        "target_step": "pay",
        "suggested_variants": [{"name": "control", "description": "What users see today"}],
        "expected_impact": {"metric": "conversion_rate"},
        "funnel_metrics_id": "funnel-bench",
    }
    items = [
        experiment_run(RUN, {**proposal, "id": f"proposal-{number}"}, number=number) for number in range(int(count))
    ]
    document = bundle(RUN, items)
    size = len(pretty(document))
    started = time.perf_counter()
    faults = bundle_violations(document)
    return {"validating": time.perf_counter() - started, "megabytes": size / 1e6, "faults": len(faults)}


WORK = {"pages": pages, "pages_extended": pages_extended, "events": events, "requests": requests}


def measured(work: str, argument: str) -> dict[str, float]:
    """One run in a fresh process: wall seconds without start-up, peak memory in MB, and what the work itself says."""
    done = subprocess.run([sys.executable, "-m", "bench.growth", work, argument], capture_output=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def report(work: str, counts: tuple[int, ...], arguments: list[str], unit: str) -> dict[int, dict[str, float]]:
    medians: dict[int, dict[str, float]] = {}
    for count, argument in zip(counts, arguments, strict=True):
        results = [measured(work, argument) for _ in range(RUNS)]
        median = {name: statistics.median(result[name] for result in results) for name in results[0]}
        medians[count] = median
        extra = ", ".join(
            f"{name} {value:.3g}" for name, value in median.items() if name not in ("seconds", "megabytes_peak")
        )
        print(
            f"{count:>9,} {unit}: {median['seconds']:6.2f} s, {count / median['seconds']:>9,.0f} {unit}/s, "
            f"peak {median['megabytes_peak']:4.0f} MB ({extra})",
            flush=True,
        )
    return medians


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for count in PAGES:
            (root / f"site-{count}").mkdir()
            make_site(root / f"site-{count}", count)
        for count in EVENTS:
            make_events(root / f"events-{count}.json", count)
        sites = [str(root / f"site-{count}") for count in PAGES]
        scanned = report("pages", PAGES, sites, "pages")[PAGES[-1]]
        report("pages_extended", PAGES, sites, "pages")
        report("events", EVENTS, [str(root / f"events-{count}.json") for count in EVENTS], "events")
        bundled = report("requests", REQUESTS, [str(count) for count in REQUESTS], "requests")[REQUESTS[-1]]
    held = scanned["seconds"] <= 20 and scanned["megabytes_peak"] <= 300 and bundled["validating"] <= 1
    print(f"10,000 pages in 20 s and 300 MB, 10,000 requests validated in 1 s: {'held' if held else 'MISSED'}")
    if not held:
        sys.exit(1)


if __name__ == "__main__":
    begun = time.perf_counter()
    said = WORK[sys.argv[1]](sys.argv[2])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - begun, "megabytes_peak": peak, **said}))

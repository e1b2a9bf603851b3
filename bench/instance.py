"""The budgets of a running instance, measured on real server processes: figure, budget, held or missed."""

import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.instance import Instance, processes_with, until
from tests.spec.test_idle import at_rest, differences, many_jobs, megabytes, written

from longhouse.clock import parse_iso

ROOT = Path(__file__).parents[1]
JOBS = 1000
HISTORY = 1_000_000
STARTS = 5
IDLE_SECONDS = 30
QUIET = "import time\nBEGUN = time.time()\ndef run():\n    return {'begun': BEGUN}\n"
FLOOD = "def run():\n    for n in range(100_000):\n        print(f'{n:>99}')\n"
MANY_RUNS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO runs (job_id, state, trigger, actor, surface, due, not_before, overlap, max_attempts, spec, attempt,
                  commit_sha, created_at, started_at, finished_at)
SELECT 'job-' || (i % :jobs), CASE i % 20 WHEN 0 THEN 'failed' ELSE 'succeeded' END, 'schedule', 'longhouse', 'system',
       :now - i * 1000, :now - i * 1000, 'skip', 3, '{}', 1,
       'c', :now - i * 1000, :now - i * 1000 + 5, :now - i * 1000 + 70
  FROM n
"""


@dataclass(frozen=True)
class Figure:
    what: str
    value: float
    unit: str
    budget: float
    note: str = ""

    @property
    def held(self) -> bool:
        return self.value <= self.budget

    def line(self) -> str:
        said = "held" if self.held else "MISSED"
        value, budget = (f"{number:,.4g} {self.unit}".rstrip() for number in (self.value, self.budget))
        return f"{self.what:62} {value:>12}   <= {budget:10} {said:7}{self.note}"


def main() -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; medians unless it says p95, p99")
    figures = []
    for figure in measured():
        print(figure.line(), flush=True)
        figures.append(figure)
    missed = sum(not figure.held for figure in figures)
    print(f"load {os.getloadavg()[0]:.1f} after; {len(figures) - missed} of {len(figures)} held")
    if missed:
        sys.exit(1)


def measured() -> Iterator[Figure]:
    yield packages()
    yield version()
    yield fresh()
    with instance() as one:
        one.start()
        one.manifest(manifest(), quiet=QUIET, flood=FLOOD)
        yield restart(one)
        yield from idle(one)
        yield run_now(one)
        yield from log_page(one)
        yield sigterm(one)
        yield jobs_page(one)


@contextmanager
def instance() -> Iterator[Instance]:
    with tempfile.TemporaryDirectory() as folder:
        found = Instance(Path(folder) / "data")
        try:
            yield found
        finally:
            found.kill()
            until(lambda: not processes_with(folder), what="all of its processes have ended")


def manifest() -> str:
    return (
        many_jobs(JOBS)
        + "from jobs.flood import run as flood\njob_registry.register(JobConfig(id='flood', func=flood))\n"
    )


def median(act: Callable[[], float], times: int = STARTS) -> float:
    return statistics.median(act() for _ in range(times))


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def seconds_of(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


# --- without an instance --------------------------------------------------------------------------------------------


def packages() -> Figure:
    locked = re.findall(r"^[a-z0-9][^ ]*==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return Figure("core packages", len(locked), "", 60)


def version() -> Figure:
    command = [str(Path(sys.executable).with_name("longhouse-jobs")), "--version"]
    taken = median(lambda: seconds_of(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)), 20)
    return Figure("longhouse-jobs --version", taken * 1000, "ms", 80)


# --- starts ---------------------------------------------------------------------------------------------------------


def fresh() -> Figure:
    def first_green() -> float:
        with instance() as one:
            began = time.time()
            one.start()
            first = until(lambda: one.get("/api/runs")["items"])[0]
            done = one.ended(first["id"])
            if done["state"] != "succeeded":
                raise AssertionError(f"the sample run is {done['state']}")
            return parse_iso(done["finished_at"]) / 1000 - began

    return Figure("fresh data directory to the first green run", median(first_green), "s", 2)


def restart(one: Instance) -> Figure:
    def again() -> float:
        one.stop()
        return seconds_of(one.start)

    return Figure(f"restart to /readyz with {JOBS:,} jobs", median(again), "s", 1)


def sigterm(one: Instance) -> Figure:
    def stopped() -> float:
        connection, headers = one.connection()
        with closing(connection):
            connection.request("GET", "/api/events", headers=headers)
            answer = connection.getresponse()
            answer.readline()
            taken = one.stop()
        one.start()
        return taken

    return Figure("SIGTERM with an SSE client connected", median(stopped, 3), "s", 4)


# --- nothing to do --------------------------------------------------------------------------------------------------


def idle(one: Instance) -> Iterator[Figure]:
    before, used = at_rest(one), processor_seconds(one)
    time.sleep(IDLE_SECONDS)
    used = processor_seconds(one) - used
    changed = differences(before, written(one))
    assert one.process is not None
    yield Figure("idle memory, server process", megabytes(one.process.pid), "MB", 90)
    yield Figure(f"idle CPU with {JOBS:,} jobs, all processes", used / IDLE_SECONDS * 100, "%", 0.3)
    yield Figure("files and processes that wrote meanwhile", len(changed), "", 0)


def processor_seconds(one: Instance) -> float:
    """User and system time of all its processes, and of those they have waited for."""
    ticks = 0
    for pid in processes_with(str(one.data)):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


# --- something to do ------------------------------------------------------------------------------------------------


def run_now(one: Instance) -> Figure:
    def first_line() -> float:
        began = time.time()
        run = one.run("job-1")
        done = one.ended(run["id"])
        return float(done["result"]["begun"]) - began

    return Figure(
        "Run now to the first line of user code, fresh process, p50 of 30", median(first_line, 30) * 1000, "ms", 60
    )


def log_page(one: Instance) -> Iterator[Figure]:
    run_id = one.ended(one.run("flood")["id"])["id"]
    sizes, times = zip(*(page(one, f"/runs/{run_id}") for _ in range(10)), strict=True)
    yield Figure("the page of a run with a 10 MB log, sent", max(sizes) / 2**20, "MiB", 1)
    yield Figure("the page of a run with a 10 MB log", statistics.median(times) * 1000, "ms", 200)


def jobs_page(one: Instance) -> Figure:
    one.stop()
    with closing(sqlite3.connect(one.data / "longhouse.db")) as db, db:
        db.execute(MANY_RUNS, {"count": HISTORY, "jobs": JOBS, "now": int(time.time() * 1000)})
    one.start()
    page(one, "/jobs")  # templates are compiled once
    slow = median(lambda: percentile([page(one, "/jobs")[1] for _ in range(100)], 0.95), 3)
    what = f"Jobs page with {JOBS:,} jobs and {HISTORY // 1_000_000} million runs in history, p95"
    return Figure(what, slow * 1000, "ms", 100)


def page(one: Instance, path: str) -> tuple[int, float]:
    """Bytes and seconds."""
    connection, headers = one.connection()
    with closing(connection):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        taken = time.perf_counter() - began
        if answer.status != 200:
            raise AssertionError(f"{path}: {answer.status} {text[:200]!r}")
    return len(text), taken

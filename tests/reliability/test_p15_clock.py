"""P15: the wall clock of a real server is stepped while it runs; its other clocks go on, as with a real step."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.instance import STARTER, Instance, until

LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"
STEPS = (("-1 h", "-1h", -3600), ("+1 h", "+0", 0), ("+10 y", "+10y", 10 * 365 * 86_400), ("back", "+0", 0))
"""Name, what libfaketime is told, seconds away from the true time."""
SLEEPS = """import threading, time
time.sleep = lambda seconds: threading.Event().wait(seconds) and None
"""
"""libfaketime 0.9.10 refuses the system call under Python's own sleep."""
TICK = "def run():\n    print('tick')\n"
MANIFEST = """from jobs.tick import run
job_registry.register(JobConfig(id='tick', func=run, every=1, overlap='allow', catch_up='skip'))
job_registry.register(JobConfig(id='minutely', func=run, cron='* * * * *'))
job_registry.register(JobConfig(id='daily', func=run, cron='0 8 * * *', catch_up='all', max_catch_up=5))
"""


class Stepped(Instance):
    """A server whose wall clock a file sets."""

    def __init__(self, data: Path) -> None:
        found = sorted(Path("/").glob(LIBRARY.lstrip("/")))
        if not found:
            raise AssertionError("libfaketime is not here: apt-get install faketime")
        self.file = data.with_name("clock")
        self.set("+0")
        patches = data.with_name("patches")
        patches.mkdir()
        (patches / "sitecustomize.py").write_text(SLEEPS)
        super().__init__(
            data,
            env={
                "LD_PRELOAD": str(found[0]),
                "PYTHONPATH": str(patches),
                "FAKETIME_TIMESTAMP_FILE": str(self.file),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_RESET": "1",
            },
        )

    def set(self, text: str) -> None:
        written = self.file.with_suffix(".new")
        written.write_text(text + "\n")
        written.rename(self.file)

    def rss(self) -> float:
        """MiB."""
        status = Path(f"/proc/{self.own()}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def asked(self, query: str) -> list[tuple[int, ...]]:
        connection = sqlite3.connect(f"file:{self.data / 'longhouse.db'}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def newest_run(self) -> int:
        return int(self.asked("SELECT coalesce(max(id), 0) FROM runs")[0][0])

    def noticed(self) -> int:
        return self.log.count("the clock was set")


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[Stepped]:
    found = Stepped(tmp_path / "data")
    yield found
    found.kill()


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("faketime"), reason="needs libfaketime")
@pytest.mark.timeout(180)
def test_a_server_whose_clock_is_stepped_goes_on(stepped: Stepped, proves: Callable[..., None]):
    stepped.start(wait=False)
    until(stepped._serves, seconds=90, what="it serves")
    stepped.manifest(STARTER + MANIFEST, tick=TICK)
    until(lambda: stepped.newest_run() > 2, what="it fires")
    rss = {"before": stepped.rss()}
    noticed, fired = {}, {}
    for name, text, away in STEPS:
        seen, newest = stepped.noticed(), stepped.newest_run()
        at = time.monotonic()
        stepped.set(text)
        until(lambda seen=seen: stepped.noticed() > seen, what=f"{name} is noticed")
        noticed[name] = time.monotonic() - at
        low = (time.time() + away - 3) * 1000
        fresh = f"SELECT id FROM runs WHERE id > {newest} AND job_id = 'tick' AND due > {low} AND due < {low + 60_000}"
        until(lambda fresh=fresh: stepped.asked(fresh), what=f"{name}: new work")
        fired[name] = time.monotonic() - at
        until(lambda fresh=fresh: len(stepped.asked(fresh)) > 3, what=f"{name}: it goes on")
        rss[name] = stepped.rss()
        if name == "+10 y":
            held = stepped.get("/api/clock")["held"]
            assert held and any("clock was set forward" in each for each in stepped.get("/readyz?verbose")["warnings"])
            assert any(
                each["name"] == "clock" and each["status"] == "warning" for each in stepped.get("/api/doctor")["checks"]
            )
    twice = stepped.asked(
        "SELECT job_id, due, count(*) FROM runs WHERE due IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert twice == []
    assert stepped.asked("SELECT count(*) FROM runs WHERE job_id = 'daily'")[0][0] <= 6, "no storm"
    growth = max(rss.values()) - rss["before"]
    assert growth < 20, rss
    assert max(noticed.values()) < 5 and max(fired.values()) < 10, (noticed, fired)
    due = stepped.asked("SELECT count(*) FROM runs WHERE due IS NOT NULL")[0][0]
    proves(
        "P15",
        f"a live server stepped by -1 h, +1 h and +10 years and back: 0 of {due} due times ran twice, noticed after"
        f" {max(noticed.values()):.1f} s at most, new work after {max(fired.values()):.1f} s at most,"
        f" memory +{max(0.0, growth):.0f} MB",
    )

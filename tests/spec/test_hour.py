"""Every firing of a minute-job over an hour with two restarts and a ten-minute stop has one ledger entry with a reason.

What the ledger has to say is worked out here once more, minute by minute, from nothing but when the server was up and
when something of the job was active. The seed of the random hours is printed; `LONGHOUSE_HOUR_SEED` replays them.
"""

from __future__ import annotations

import os
import random
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from longhouse.engine import rescuer
from longhouse.engine.scheduler import Scheduler
from longhouse.feed import Feed
from longhouse.house import By, House
from longhouse.jobs import set_enabled
from longhouse.queue import Ending, claim, finish
from longhouse.runs.state import RunState
from longhouse.store import jobs
from longhouse.store.database import Database, many, run
from longhouse.triggers.misfire import End
from tests.conftest import START, HandClock, job_spec
from tests.instance import STARTER, Instance, until

MINUTE = 60_000
GRACE = 60
REASONS = {str(end) for end in End}

Outages = tuple[tuple[float, float], ...]
"""When the server died and when it was back, in seconds of the hour."""
HOUR: Outages = ((14 * 60 + 20, 14 * 60 + 25), (27 * 60 + 30, 37 * 60 + 30), (51 * 60 + 58, 52 * 60 + 3))
"""Two restarts, one of them over a due time, and ten minutes of nothing."""


@dataclass(frozen=True)
class Minutely:
    """A job of every minute, as this test knows it."""

    id: str
    catch_up: str = "latest"
    most: int = 10
    overlap: str = "skip"
    lasts: float = 1.0
    """Seconds that a run takes."""
    text: str | None = "* * * * *"
    """None: `every=60`."""

    def settings(self) -> dict[str, Any]:
        return {
            "cron": self.text,
            "every": None if self.text else 60,
            "catch_up": self.catch_up,
            "max_catch_up": self.most,
            "overlap": self.overlap,
            "misfire_grace_seconds": GRACE,
            "max_attempts": 9,
            "retry_delay_seconds": 0,
        }


JOBS = (
    Minutely("catches-up-nothing", catch_up="skip"),
    Minutely("catches-up-the-latest"),
    Minutely("catches-up-all", catch_up="all", most=4),
    Minutely("catches-up-more-than-there-is", catch_up="all", most=50),
    Minutely("takes-long", lasts=150),
    Minutely("takes-long-and-queues", lasts=150, overlap="queue", text=None),
    Minutely("takes-long-and-catches-up-nothing", catch_up="skip", lasts=150),
    Minutely("takes-long-side-by-side", catch_up="all", most=3, lasts=150, overlap="allow"),
)


# --- what has to be in the ledger -----------------------------------------------------------------------------------


@dataclass
class Walk:
    """One job's hour, due time by due time."""

    job: Minutely
    busy: list[tuple[int, int]]
    """From when to when each run of the job was active, creation to end; milliseconds of the hour."""
    said: dict[int, str] = field(default_factory=dict)

    def walk(self, seen: Iterable[tuple[int, list[int]]]) -> dict[int, str]:
        """`seen`: for each moment at which somebody looked, the due times that had come since the look before."""
        for now, due in seen:
            late = [each for each in due if now - each > GRACE * 1000]
            timely = due[len(late) :]
            # What else is active now: not the runs that this very look creates, for they are counted here.
            active = sum(1 for low, high in self.busy if low < now < high)
            self._late(late, active, followed=bool(timely))
            if late and late[-1] in self.said and self.said[late[-1]] == "ran":
                active += sum(1 for each in late if self.said[each] == "ran")
            for each in timely:
                self.said[each] = "ran" if self._room(active) else "skipped_overlap"
                active += self.said[each] == "ran"
            if self.job.catch_up == "latest" and late and timely:
                up = "caught_up_by" if "ran" in {self.said[timely[0]]} else "missed_down"
                self.said.update(dict.fromkeys(late, up))
        return self.said

    def _late(self, late: list[int], active: int, *, followed: bool) -> None:
        chosen: list[int] = []
        if self.job.catch_up == "latest" and not followed:
            chosen = late[-1:]
        elif self.job.catch_up == "all":
            chosen = late[-self.job.most :]
        self.said.update(dict.fromkeys(late, "missed_down"))
        if chosen and self._room(active):
            if self.job.catch_up == "latest":
                self.said.update(dict.fromkeys(late, "caught_up_by"))
            self.said.update(dict.fromkeys(chosen, "ran"))
        elif chosen:
            self.said.update(dict.fromkeys(chosen, "skipped_overlap"))

    def _room(self, active: int) -> bool:
        return self.job.overlap == "allow" or active < (2 if self.job.overlap == "queue" else 1)


# --- an hour in a moment --------------------------------------------------------------------------------------------


class Server:
    """What of the server has to do with time, over the data of the one before it: moved by hand."""

    def __init__(self, house: House, clock: HandClock, number: int) -> None:
        feed = Feed()
        database = Database(house.paths.database, committed=feed.committed)
        self.house = replace(house, db=database, feed=feed, owner=f"server-{number}", up_since=clock.now())
        self.clock = clock
        self.running: dict[int, tuple[int, int]] = {}
        rescuer.rescue(self.house)
        self.scheduler = Scheduler(self.house)
        self.scheduler.catch_up()

    def look(self) -> None:
        now = self.clock.now()
        for run_id, (attempt, over) in list(self.running.items()):
            if over <= now:
                del self.running[run_id]
                finish(self.house, run_id, attempt, Ending(state=RunState.SUCCEEDED))
        while self.scheduler.step() is not None:
            pass
        while (taken := claim(self.house)) is not None:
            lasts = next(job.lasts for job in JOBS if job.id == taken.run.job_id)
            self.running[taken.run.id] = (taken.attempt, now + int(lasts * 1000))

    def dies(self) -> None:
        self.house.db.close()


def an_hour(house: House, clock: HandClock, outages: Outages) -> list[tuple[int, list[int]]]:
    """Live it; for every moment somebody looked at the clock, the due times that were new then."""
    with house.db.write() as db:
        for job in JOBS:
            jobs.put(db, job_spec(job.id, **job.settings()), enabled=True, commit="c", environment="", now=START)
    server: Server | None = Server(house, clock, 0)
    looks, settled, now = [], 0, 0.0
    edges = [*range(60, 3601, 60), *(edge for outage in outages for edge in outage)]
    while now < 3600:
        ends = [(over - START) / 1000 for _, over in server.running.values()] if server else []
        now, before = min(moment for moment in [*edges, *ends] if moment > now), now
        clock.advance(now - before)
        down = any(low <= now < high for low, high in outages)
        if server and down:
            server.dies()
            server = None
        elif server is None and not down:
            server = Server(house, clock, int(now))
        if server:
            server.look()
            due = [minute * MINUTE for minute in range(1, 61) if settled < minute * MINUTE <= now * 1000]
            if due:
                looks.append((int(now * 1000), due))
                settled = due[-1]
    assert server
    server.dies()
    return looks


def worked_off(house: House, clock: HandClock) -> None:
    """Whatever was started comes to its end; nothing new becomes due."""
    later = HandClock(clock.now() + 1000)
    server = Server(replace(house, clock=later), later, 9999)
    server.scheduler = Scheduler(replace(server.house, clock=clock))
    server.look()
    while server.running:
        later.advance((min(over for _, over in server.running.values()) - later.now()) / 1000)
        server.look()
    server.dies()


@dataclass(frozen=True)
class Found:
    """What is in the database about one job."""

    entries: list[dict[str, Any]]
    runs: dict[int, dict[str, Any]]

    @classmethod
    def of(cls, house: House, job_id: str) -> Found:
        with house.db.read() as db:
            entries = many(db, "SELECT * FROM firings WHERE job_id = :id ORDER BY due", {"id": job_id})
            rows = many(db, "SELECT * FROM runs WHERE job_id = :id ORDER BY id", {"id": job_id})
        return cls(entries, {row["id"]: row for row in rows})

    def busy(self, start: int) -> list[tuple[int, int]]:
        return [(row["created_at"] - start, (row["finished_at"] or 2**52) - start) for row in self.runs.values()]

    def minutes(self, start: int, step: int) -> dict[int, str]:
        """Due time -> end. Fails when one has two entries, a row's count is wrong, or a row has no or a wrong run."""
        said: dict[int, str] = {}
        used: list[int] = []
        for row in self.entries:
            covered = range(row["due"] - start, row["last_due"] - start + 1, step)
            assert row["count"] == len(covered), row
            assert row["end"] in REASONS, row
            assert said.keys().isdisjoint(covered), f"two entries: {row}"
            said.update(dict.fromkeys(covered, row["end"]))
            run_of = self.runs.get(row["run_id"])
            if row["end"] == "ran":
                assert run_of and run_of["due"] == row["due"], row
                used.append(row["run_id"])
            elif row["end"] == "caught_up_by":
                assert run_of and run_of["due"] > row["last_due"], row
            else:
                assert row["run_id"] is None, row
        assert sorted(used) == sorted(self.runs), "each run has its one entry"
        return said


def expanded(house: House) -> dict[str, dict[int, str]]:
    """Job -> due time -> end."""
    return {job.id: Found.of(house, job.id).minutes(START, MINUTE) for job in JOBS}


def explained(house: House, clock: HandClock, outages: Outages) -> None:
    looks = an_hour(house, clock, outages)
    worked_off(house, clock)
    for job in JOBS:
        found = Found.of(house, job.id)
        said = found.minutes(START, MINUTE)
        assert list(said) == [minute * MINUTE for minute in range(1, 61)], f"{job.id}: 60 due times, each explained"
        expected = Walk(job, found.busy(START)).walk(looks)
        different = {at // MINUTE: (said[at], expected.get(at)) for at in said if said[at] != expected.get(at)}
        assert not different, f"{job.id}: minute: (the ledger, the walk) = {different}"
        ends = {(row["state"], row["reason"]) for row in found.runs.values()}
        assert ends <= {("succeeded", None), ("failed", "quarantined")}, f"{job.id}: no run is forgotten"


def test_an_hour_with_two_restarts_and_ten_minutes_of_nothing(house: House, clock: HandClock):
    explained(house, clock, HOUR)
    counts = {job_id: Counter(said.values()) for job_id, said in expanded(house).items()}
    # The due times 28 to 37 passed while nobody was there. That of 37:00 was thirty seconds old when somebody was back:
    # within its grace, so it fires as if nothing had been, unless runs that catch up are before it.
    assert counts["catches-up-nothing"] == {"ran": 51, "missed_down": 9}
    assert counts["catches-up-the-latest"] == {"ran": 51, "caught_up_by": 9}
    assert counts["catches-up-all"] == {"ran": 54, "missed_down": 5, "skipped_overlap": 1}
    assert counts["catches-up-more-than-there-is"] == {"ran": 59, "skipped_overlap": 1}
    assert counts["takes-long-side-by-side"] == {"ran": 54, "missed_down": 6}
    assert counts["takes-long"].keys() == {"ran", "skipped_overlap", "missed_down"}


def random_outages(chance: random.Random) -> Outages:
    """One to five, from a second to twenty minutes, in order and apart."""
    edges = sorted(chance.sample(range(30, 3590), 2 * chance.randint(1, 5)))
    return tuple((low, min(high, low + 1200)) for low, high in zip(edges[::2], edges[1::2], strict=True))


@pytest.mark.parametrize("number", range(6))
def test_random_hours(house: House, clock: HandClock, number: int):
    seed = f"{os.environ.get('LONGHOUSE_HOUR_SEED') or secrets.token_hex(4)} {number}"
    outages = random_outages(random.Random(seed))
    print(f"seed {seed}, outages {outages}")
    explained(house, clock, outages)


def test_what_ran_does_not_run_again_when_the_clock_is_set_back_and_the_job_is_changed(house: House, clock: HandClock):
    """A change starts the job's due times anew from what the clock says then."""
    job = Minutely("side-by-side", overlap="allow")
    with house.db.write() as db:
        jobs.put(db, job_spec(job.id, **job.settings()), enabled=True, commit="c", environment="", now=START)
    scheduler = Scheduler(house)

    def minutes(count: int) -> None:
        for _ in range(count):
            clock.advance(60)
            while scheduler.step() is not None:
                pass

    minutes(5)
    clock.advance(-4 * 60)
    for enabled in (False, True):
        set_enabled(house, job.id, enabled, By("me", "cli"))
    minutes(6)
    found = Found.of(house, job.id)
    assert list(found.minutes(START, MINUTE).items()) == [(minute * MINUTE, "ran") for minute in range(1, 8)]
    assert len(found.runs) == 7


def test_a_ledger_with_a_hole_or_a_wrong_count_is_seen(house: House, clock: HandClock):
    """The negative control."""
    an_hour(house, clock, HOUR)
    with house.db.write() as db:
        run(db, "UPDATE firings SET count = count + 1 WHERE job_id = :id AND count > 1", {"id": JOBS[0].id})
        run(db, "DELETE FROM firings WHERE job_id = :id AND due = :due", {"id": JOBS[1].id, "due": START + 5 * MINUTE})
    with pytest.raises(AssertionError, match="assert 10 == 9"):
        Found.of(house, JOBS[0].id).minutes(START, MINUTE)
    with pytest.raises(AssertionError, match="each run has its one entry"):
        Found.of(house, JOBS[1].id).minutes(START, MINUTE)


# --- an hour that takes an hour -------------------------------------------------------------------------------------

SLOW = "import time\ndef run(seconds: float):\n    time.sleep(seconds)\n"


def real_jobs(step: int) -> str:
    """The same jobs in a manifest, `step` seconds for a minute."""
    lines = []
    for job in JOBS:
        settings = job.settings() | {"cron": None, "every": step, "params": {"seconds": job.lasts * step / 60}}
        settings |= {"misfire_grace_seconds": GRACE * step // 60}
        lines.append(f"job_registry.register(JobConfig(id={job.id!r}, func=run, **{settings!r}))")
    return STARTER + "from jobs.slow import run\n" + "\n".join(lines) + "\n"


def found_in(file: Path, job_id: str) -> tuple[Found, int, int]:
    """With the first due time that counts and the cursor."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        cursor, added = connection.execute("SELECT cursor, added_at FROM jobs WHERE id = ?", (job_id,)).fetchone()
        entries = connection.execute("SELECT * FROM firings WHERE job_id = ? ORDER BY due", (job_id,)).fetchall()
        rows = connection.execute("SELECT * FROM runs WHERE job_id = ? ORDER BY id", (job_id,)).fetchall()
    finally:
        connection.close()
    return Found([dict(row) for row in entries], {row["id"]: dict(row) for row in rows}), added, cursor


@pytest.mark.soak
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(2, id="two-minutes"),
        pytest.param(60, id="an-hour", marks=pytest.mark.timeout(4500)),
    ],
)
def test_in_real_time_against_a_real_server(tmp_path: Path, step: int):
    """Killed, restarted and left down as in the hour above; every due time until the end has its one entry."""
    instance = Instance(tmp_path / "data", args=("--slots", "8"))
    try:
        instance.start()
        instance.manifest(real_jobs(step), slow=SLOW)
        began = time.monotonic()
        for low, high in HOUR:
            time.sleep(max(0.0, began + low * step / 60 - time.monotonic()))
            instance.kill()
            time.sleep(max(0.0, began + high * step / 60 - time.monotonic()))
            instance.start()
        time.sleep(max(0.0, began + 60 * step - time.monotonic()))
        end = time.time() * 1000
        database = instance.data / "longhouse.db"
        until(lambda: all(found_in(database, job.id)[2] > end for job in JOBS), seconds=3 * step + 10)
        instance.kill()
    finally:
        instance.kill()
    for job in JOBS:
        found, added, cursor = found_in(database, job.id)
        first = (added // (step * 1000) + 1) * step * 1000
        said = found.minutes(first, step * 1000)
        assert list(said) == [*range(0, cursor - first + 1, step * 1000)], f"{job.id}: each due time has its entry"
        assert len(said) >= 60
        allowed = {"ran", "skipped_overlap", "missed_down", "missed_late"}
        assert set(said.values()) <= allowed | {"caught_up_by"}, job.id
        assert {"ran"} < set(said.values()) or job.most == 50, f"{job.id}: ten minutes of nothing are seen"

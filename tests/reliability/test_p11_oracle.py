"""P11: a year of random jobs with edits, downtime and crashes; every due time has exactly one entry, the right one.

The ledger, the queue, the loading of changes and the store are the real ones, over a clock set by hand; what they have
to say is walked once more in walk.py. `LONGHOUSE_SEED` replays.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from longhouse import jobs, ledger, loading
from longhouse.engine import rescuer, scheduler
from longhouse.engine.scheduler import Scheduler
from longhouse.house import By, House
from longhouse.loading import Loaded
from longhouse.queue import Ending, claim, finish
from longhouse.runs.state import RunState
from longhouse.store import firings
from longhouse.store import jobs as rows
from longhouse.store.database import many, run
from tests.conftest import START, HandClock, job_spec
from tests.reliability.seeds import a_seed
from tests.reliability.walk import DAY, HOUR, MINUTE, Settings, Walk, drawn

ME = By("me", "cli")
LONGEST = 21 * DAY
"""Downtimes last so long at most: the last one may lead past the end of the life."""


class Crash(Exception):
    """The process dies in the middle of a transaction."""


class World:
    """An instance that lives, and the walk beside it."""

    def __init__(self, house: House, clock: HandClock, chance: random.Random, end: int) -> None:
        house.db._writer.execute("PRAGMA synchronous=OFF")  # power cuts are P1's; here a year is to pass
        self.base, self.clock, self.chance, self.end = house, clock, chance, end
        self.manifest: dict[str, Settings] = {}
        self.overrides: dict[str, bool] = {}
        self.walks: dict[str, Walk] = {}
        self.active: Counter[str] = Counter()
        self.running: dict[int, tuple[int, str, int]] = {}
        """Run -> attempt, job, when it is over."""
        self.edits: list[tuple[int, str, str]] = []
        self.did: Counter[str] = Counter()
        self.deleted: dict[str, dict[int, int]] = {}
        """Of each job the due times of runs that somebody deleted, and their runs."""
        self._begin()

    # --- the process ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self.house = replace(self.base, owner=f"server-{self.clock.now()}", up_since=self.clock.now())
        rescuer.rescue(self.house)
        for _, job_id, _ in self.running.values():
            self.active[job_id] -= 1
        self.running.clear()
        self.scheduler = Scheduler(self.house)
        self.look()

    def look(self, *, crash: bool = False) -> None:
        now = self.clock.now()
        for run_id, (attempt, job_id, over) in list(self.running.items()):
            if over <= now:
                del self.running[run_id]
                finish(self.house, run_id, attempt, Ending(state=RunState.SUCCEEDED))
                self.active[job_id] -= 1
        before = dict(self.active)
        try:
            with self._dying() if crash else _nothing():
                while self.scheduler.step() is not None:
                    pass
        except Crash:
            self.did["crash"] += 1
            self._walk(now, before, only=self._cursors())
            self.clock.advance(self.chance.choice((1, 90, 7200)))
            self._begin()
            return
        self._walk(now, before)
        while (taken := claim(self.house)) is not None:
            lasts = int(self.chance.choice((1, 30, 600, 5000, 40_000, 200_000)) * 1000 * self.chance.random()) + 1
            self.running[taken.run.id] = (taken.attempt, taken.run.job_id, now + lasts)
            self.did["runs"] += 1

    def _walk(self, now: int, active: dict[str, int], only: dict[str, int] | None = None) -> None:
        for job_id, walk in self.walks.items():
            due = walk.next()
            # After a crash the cursors say which jobs were settled before it; not what became of them.
            if due is None or due > now or (only is not None and only.get(job_id, 0) < due):
                continue
            ahead = set(walk.said)
            walk.look(now, self.house.up_since, active.get(job_id, 0))
            self.active[job_id] += sum(walk.said[each] == "ran" for each in set(walk.said) - ahead)

    @contextmanager
    def _dying(self) -> Iterator[None]:
        """Some entries of the transaction are written, then the process is gone."""
        left, real = self.chance.randint(0, 3), firings.record

        def record(*args: Any, **values: Any) -> bool:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash
            return real(*args, **values)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(firings, "record", record)
            yield

    def _cursors(self) -> dict[str, int]:
        with self.base.db.read() as db:
            return {job.id: job.cursor for job in rows.all_jobs(db)}

    # --- what people do ---------------------------------------------------------------------------------------------

    def _change(self, job_id: str, settings: Settings | None, act: Callable[[], object]) -> None:
        """`act` makes it so; if it starts the due times anew, it settles what came before."""
        walk, now = self.walks.setdefault(job_id, Walk(self.end + LONGEST + DAY)), self.clock.now()
        old = walk.settings
        if old and not (settings and (settings.times, settings.enabled) == (old.times, old.enabled)):
            self._walk(now, dict(self.active), only={job_id: now})
        act()
        walk.change(settings, now)

    def apply(self, job_id: str, settings: Settings | None) -> None:
        """The manifest has another, or no, such job."""
        if settings is None:
            self.manifest.pop(job_id, None)
        else:
            self.manifest[job_id] = settings
            settings = replace(settings, enabled=self.overrides.get(job_id, settings.enabled))
        specs = tuple(job_spec(each, **given.values()) for each, given in sorted(self.manifest.items()))
        loaded = Loaded(f"{self.chance.getrandbits(80):020x}", specs, {}, {})
        self._change(job_id, settings, lambda: loading._apply(self.house, loaded))

    def switch(self, job_id: str, enabled: bool) -> None:
        settings = self.walks[job_id].settings
        assert settings
        self.overrides[job_id] = enabled
        wanted = replace(settings, enabled=enabled)
        self._change(job_id, wanted, lambda: jobs.set_enabled(self.house, job_id, enabled, ME))

    def edit(self, job_id: str) -> str:
        walk = self.walks.get(job_id)
        settings = walk.settings if walk else None
        if settings is None:
            self.apply(job_id, drawn(self.chance))
            return "add"
        what = self.chance.choice(("times", "times", "zone", "hot", "policy", "policy", "switch", "switch", "remove"))
        if what == "remove":
            self.apply(job_id, None)
        elif what == "switch":
            self.switch(job_id, not settings.enabled)
        elif what == "times":
            self.apply(job_id, drawn(self.chance))
        elif what == "zone":
            given = self.manifest[job_id]
            self.apply(job_id, replace(given, timezone=drawn(self.chance).timezone))
        elif what == "policy":
            new, given = drawn(self.chance), self.manifest[job_id]
            self.apply(job_id, replace(new, cron=given.cron, every=given.every, timezone=given.timezone))
        else:
            given = drawn(self.chance, hot=True)
            self.apply(job_id, given)
            spell = 2 * HOUR if given.cron == "* * * * *" else 6 * HOUR
            self.edits.append((self.clock.now() + self.chance.randrange(spell), job_id, "cool"))
        return what

    # --- a life -----------------------------------------------------------------------------------------------------

    def live(self, ids: list[str], *, every: float) -> None:
        """Until the end; something happens about `every` milliseconds."""
        for job_id in ids:
            self.apply(job_id, drawn(self.chance))
        happens = self.clock.now() + self.chance.expovariate(1 / every)
        crash = False
        while self.clock.now() < self.end:
            dues = [due for walk in self.walks.values() if (due := walk.next()) is not None]
            wakes = [*dues, *(over for _, _, over in self.running.values()), *(at for at, _, _ in self.edits)]
            now = self.clock.now()
            at = max(now + 1, int(min([*wakes, happens])) + self.chance.randrange(900))
            if happens <= at:
                at = max(now + 1, int(happens))
                happens = at + self.chance.expovariate(1 / every)
                self.clock.advance((at - now) / 1000)
                crash = self._happens(self.chance.choice(ids)) or crash
            else:
                self.clock.advance((at - now) / 1000)
                for each in [each for each in self.edits if each[0] <= at]:
                    self.edits.remove(each)
                    if each[1] in self.manifest:
                        self.apply(each[1], drawn(self.chance))
            crashed = self.did["crash"]
            self.look(crash=crash)
            crash = crash and self.did["crash"] == crashed

    def _happens(self, job_id: str) -> bool:
        """True: the next look that enters something ends in a crash."""
        what = self.chance.choices(("edit", "down", "sleep", "crash"), (70, 8, 8, 14))[0]
        if what == "edit":
            what = self.edit(job_id)
        elif what in ("down", "sleep"):
            most = self.chance.choice((10 * MINUTE, 5 * HOUR, 3 * DAY, LONGEST))
            self.clock.advance(self.chance.randrange(60_000, most) / 1000)
            if what == "down":
                self._begin()
        self.did[what] += what != "crash"
        return what == "crash"

    # --- the reckoning ----------------------------------------------------------------------------------------------

    def differences(self) -> tuple[int, list[str]]:
        """How many due times there were, and what is wrong in the ledger."""
        now, wrong, count = self.clock.now(), list[str](), 0
        for job_id, walk in self.walks.items():
            if walk.settings is not None:
                walk.change(replace(walk.settings, enabled=not walk.settings.enabled), now)
            with self.base.db.read() as db:
                job = rows.get(db, job_id, removed=True)
                assert job is not None
                found = list(reversed(ledger.shown(self.house, db, job, 0, 2**52, 10**9)))
                started = many(
                    db,
                    "SELECT id, due FROM runs WHERE job_id = :id AND trigger IN ('schedule', 'catch_up')",
                    {"id": job_id},
                )
            expected, place = sorted(walk.said.items()), 0
            count += len(expected)
            gone = self.deleted.get(job_id, {})
            run_of = {row["id"]: row["due"] for row in started} | {run_id: due for due, run_id in gone.items()}
            ran = []
            for entry in found:
                span = expected[place : place + entry.count]
                place += entry.count
                edges = (span[0][0], span[-1][0]) if span else None
                if edges != (entry.first, entry.last) or {end for _, end in span} != {entry.end}:
                    wrong.append(f"{job_id}: the ledger has {entry}, the walk {span[:3]} … {span[-1:]}")
                    break
                if entry.end == "ran":
                    ran.append((entry.run_id or gone.get(entry.first), entry.first))
                elif entry.end == "caught_up_by" and entry.run_id is None and gone:
                    continue  # it was answered for by a run that is no longer there
                elif entry.end == "caught_up_by" and run_of.get(entry.run_id or 0, 0) <= entry.last:
                    wrong.append(f"{job_id}: {entry} has no run that answers for it")
            if place != len(expected):
                wrong.append(f"{job_id}: {place} entries for {len(expected)} due times")
            if sorted(ran) != sorted(run_of.items()):
                wrong.append(f"{job_id}: {len(ran)} due times ran, {len(run_of)} runs were started")
        return count, wrong


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def a_life(house: House, clock: HandClock, seed: str, *, days: int, count: int) -> World:
    world = World(house, clock, random.Random(seed), START + days * DAY)
    world.live([f"job-{number}" for number in range(count)], every=days * DAY / (9 * count))
    return world


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run here has one, so none is looked for after a crash."""
    monkeypatch.setattr(rescuer, "kill_leftovers", lambda *_: 0)


@pytest.mark.parametrize(
    ("years", "jobs"),
    [
        (1, 10),
        pytest.param(1, 50, marks=pytest.mark.soak),
        pytest.param(20, 50, marks=[pytest.mark.soak, pytest.mark.timeout(7200)]),
    ],
)
@pytest.mark.timeout(600)
def test_every_due_time_of_a_year_has_its_one_entry(
    house: House, clock: HandClock, monkeypatch: pytest.MonkeyPatch, proves: Callable[..., None], years: int, jobs: int
):
    monkeypatch.setattr(scheduler, "BATCH", 2)  # so that a crash comes between the transactions of one look
    world = a_life(house, clock, a_seed(), days=366 * years, count=jobs)
    count, wrong = world.differences()
    assert wrong == []
    assert world.did["crash"] >= 3 and world.did["down"] >= 2 and count > 100 * jobs, world.did
    edits = sum(number for what, number in world.did.items() if what not in ("crash", "down", "sleep", "runs"))
    with house.db.write() as db:
        run(db, "UPDATE jobs SET cursor = cursor - :back WHERE cursor > :back", {"back": 40 * DAY})
        run(db, "DELETE FROM firings WHERE id % 100 = 0")
    proves(
        "P11",
        f"0 gaps, 0 extras, 0 wrong ends in {count:,} due times of {jobs} jobs in {years} simulated year"
        f"{'' if years == 1 else 's'} with {edits} edits, {world.did['down']} downtimes, {world.did['crash']} crashes",
        f"without every hundredth row of the ledger: {len(world.differences()[1])} faults found",
    )


@pytest.mark.parametrize("broken", ["cursor-stays", "edit-keeps-the-cursor", "no-rollback"])
def test_a_ledger_that_is_not_right_is_seen(
    house: House, clock: HandClock, monkeypatch: pytest.MonkeyPatch, broken: str
):
    """The negative controls: some weeks with one protection switched off."""
    if broken == "cursor-stays":
        monkeypatch.setattr(firings, "ran", lambda db, job_id, low, high: set())
        real, seen = rows.set_cursor, Counter[str]()

        def now_and_then(db: Any, job_id: str, cursor: int) -> None:
            seen[job_id] += 1
            if seen[job_id] % 5:
                real(db, job_id, cursor)

        monkeypatch.setattr(rows, "set_cursor", now_and_then)
    elif broken == "edit-keeps-the-cursor":
        monkeypatch.setattr(ledger, "start", lambda house, db, job, now: None)
    else:
        monkeypatch.setattr(World, "_begin", _forgets(World._begin))
    try:
        world = a_life(house, clock, "control", days=60, count=10)
        wrong = world.differences()[1]
    except Exception as error:
        wrong = [str(error)]
    assert wrong


def _forgets(begin: Callable[[World], None]) -> Callable[[World], None]:
    """What was due while nobody was there is not looked for."""

    def forgetful(world: World) -> None:
        with world.base.db.write() as db:
            run(db, "UPDATE jobs SET cursor = :now WHERE enabled", {"now": world.clock.now()})
        begin(world)

    return forgetful

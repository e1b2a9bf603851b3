"""A power cut at any instant: what was acknowledged is on the disk, and the disk is whole."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from longhouse import audit, ledger, queue
from longhouse.errors import Conflict
from longhouse.house import House
from longhouse.queue import Claimed, Ending
from longhouse.runs.state import TERMINAL, Reason, RunState
from longhouse.store import attempts, database, jobs, runs
from longhouse.store.database import many
from tests.conftest import HandClock
from tests.reliability.power import Acknowledged, Cuts, Disk
from tests.reliability.queue_process import JOBS, ME, open_house, register
from tests.reliability.seeds import a_seed

STEPS = 120
"""Of the queue's work, each one transaction or more."""
CHECKPOINT_PAGES = 40
"""Usually 1,000: more often, more cuts fall into the moment when the log goes into the file."""
CHAIN_EVERY = 5
"""The audit chain is computed again in so many images."""
FINISHED_EVERY = 50
"""One image of so many is not only looked at: all that is left in it is worked off."""


@dataclass
class Work:
    """The queue at work on a disk that notes everything, and who was told what."""

    house: House
    disk: Disk
    chance: random.Random
    clock: HandClock
    _claimed: list[Claimed] = field(default_factory=list)
    _runs: list[int] = field(default_factory=list)

    def step(self) -> None:
        self.clock.advance(self.chance.uniform(0, 3))
        act = self.chance.choices(
            (self._enqueue, self._claim, self._finish, self._settle, self._cancel), (4, 4, 4, 2, 1)
        )
        act[0]()

    def _told(self, *fact: object) -> None:
        self.disk.events.append(Acknowledged(fact))

    def _enqueue(self) -> None:
        with self.house.db.write() as db:
            job = jobs.get(db, self.chance.choice(sorted(JOBS)))
            assert job is not None
            token = f"{self.chance.getrandbits(64):x}"
            run_id = queue.enqueue(self.house, db, job, trigger="manual", by=ME, params={"token": token})
        self._runs.append(run_id)
        self._told("accepted", run_id, token)

    def _claim(self) -> None:
        claimed = queue.claim(self.house)
        if claimed is not None:
            self._told("claimed", claimed.run.id, claimed.attempt)
            self._claimed.append(claimed)

    def _finish(self) -> None:
        if not self._claimed:
            return
        claimed = self._claimed.pop(self.chance.randrange(len(self._claimed)))
        ending = self.chance.choice(
            (
                Ending(state=RunState.SUCCEEDED, result={"n": 1}),
                Ending(state=RunState.RETRYING, retry_after_seconds=1),
                Ending(state=RunState.FAILED, reason=Reason.EXCEPTION, message="ValueError: no"),
            )
        )
        state = queue.finish(self.house, claimed.run.id, claimed.attempt, ending)
        if state in TERMINAL:
            self._told("ended", claimed.run.id, state)
        self._told("over", claimed.run.id, claimed.attempt)

    def _settle(self) -> None:
        for job_id in JOBS:
            with self.house.db.write() as db:
                job = jobs.get(db, job_id)
                assert job is not None
                ledger.settle_job(self.house, db, job, self.clock.now())
                settled = jobs.get(db, job_id)
            assert settled is not None
            self._told("settled", job_id, settled.cursor)

    def _cancel(self) -> None:
        if not self._runs:
            return
        run_id = self.chance.choice(self._runs)
        try:
            run = queue.cancel(self.house, run_id, ME)
        except Conflict:
            return
        if run.state in TERMINAL:
            self._told("ended", run_id, run.state)


def work(folder: Path, seed: str, synchronous: str) -> tuple[Cuts, HandClock]:
    """What one power-on period left: the notes of the disk from its first commit on."""
    chance, clock = random.Random(seed), HandClock()
    with closing(open_house(folder, 0, "before").db):
        pass  # the schema: a new instance is not what is cut here
    start = {path.name: path.read_bytes() for path in folder.glob("longhouse.db*")}
    disk = Disk(f"noted-{seed}-{synchronous}")
    house = replace(open_house(folder, 0, "cut", vfs=disk.name), clock=clock)
    with closing(house.db):
        house.db._writer.execute(f"PRAGMA synchronous={synchronous}").fetchall()
        register(house)
        at_work = Work(house, disk, chance, clock)
        for _ in range(STEPS):
            at_work.step()
        events = list(disk.events)
    disk.unregister()
    return Cuts(events, start), clock


@dataclass
class Found:
    cuts: int = 0
    facts: int = 0
    lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def cut(folder: Path, seed: str, times: int, synchronous: str = "FULL") -> Found:
    """So many cuts of one period of work, each looked at with the real store."""
    cuts, clock = work(folder / "work", seed, synchronous)
    chance, found = random.Random(f"cuts {seed}"), Found()
    looked = Disk(f"looked-{seed}-{synchronous}")  # what is looked at is thrown away: it needs no real syncs
    for number, instant in enumerate(sorted(chance.randint(0, len(cuts.events)) for _ in range(times))):
        cuts.go_to(instant)
        left = folder / "left"
        left.mkdir(mode=0o700)
        shutil.copytree(folder / "work" / "keys", left / "keys")
        for name, content in cuts.left(chance).items():
            (left / name).write_bytes(content)
        house = replace(open_house(left, 0, "after", vfs=looked.name), clock=clock)
        with closing(house.db):
            found.cuts += 1
            found.facts += len(cuts.facts)
            found.lost += [f"{fact} at {instant}, seed {seed}" for fact in _lost(house, cuts.facts)]
            found.broken += [
                f"{fault} at {instant}, seed {seed}" for fault in _broken(house, number % CHAIN_EVERY == 0)
            ]
            if number % FINISHED_EVERY == 0 and not found.broken:
                found.broken += [f"{fault} at {instant}, seed {seed}" for fault in _finished(house, clock)]
        shutil.rmtree(left)
        looked.events.clear()
    looked.unregister()
    shutil.rmtree(folder / "work")
    return found


def _lost(house: House, facts: list[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    with house.db.read() as db:
        states = {row["id"]: row["state"] for row in many(db, "SELECT id, state FROM runs")}
        tokens = {row["id"]: json.loads(row["params"]).get("token") for row in many(db, "SELECT id, params FROM runs")}
        over = {(row["run_id"], row["attempt"]): row["state"] for row in many(db, "SELECT * FROM attempts")}
        cursors = {job.id: job.cursor for job in jobs.all_jobs(db)}
    for fact in facts:
        match fact:
            case ("accepted", int(run_id), token):
                kept = tokens.get(run_id) == token
            case ("claimed", run_id, attempt):
                kept = (run_id, attempt) in over
            case ("over", run_id, attempt):
                kept = over.get((run_id, attempt)) is not None  # type: ignore[arg-type]
            case ("ended", int(run_id), state):
                kept = states.get(run_id) == state
            case ("settled", str(job_id), int(cursor)):
                kept = cursors.get(job_id, 0) >= cursor
            case _:
                raise AssertionError(fact)
        if not kept:
            yield fact


def _broken(house: House, chain: bool) -> Iterator[str]:
    with house.db.read() as db:
        for check in ("integrity_check", "foreign_key_check"):
            for row in db.execute(f"PRAGMA {check}").fetchall():
                if row != ("ok",):
                    yield f"{check}: {row}"
    if chain and (seq := audit.verify(house)) is not None:
        yield f"the audit chain breaks at {seq}"


def _finished(house: House, clock: HandClock) -> Iterator[str]:
    """What is left is taken up by the next server, and comes to its end."""
    if not house.db.path.exists():
        return
    with house.db.read() as db:
        foreign = attempts.foreign(db, house.owner)
    for row in foreign:
        ending = Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message="The power failed.")
        queue.finish(house, row["run_id"], row["attempt"], ending)
    later = HandClock(clock.ms + 86_400_000)
    house = replace(house, clock=later)
    while (claimed := queue.claim(house)) is not None:
        queue.finish(house, claimed.run.id, claimed.attempt, Ending(state=RunState.SUCCEEDED))
    with house.db.read() as db:
        if runs.counts(db):
            yield f"not to be finished: {runs.counts(db)}"


def shown(folder: Path, sessions: int, each: int) -> Found:
    whole = Found()
    for _ in range(sessions):
        found = cut(folder, a_seed(), each)
        whole.cuts, whole.facts = whole.cuts + found.cuts, whole.facts + found.facts
        assert not found.lost, found.lost[:10]
        assert not found.broken, found.broken[:10]
    return whole


def lost_with_normal(folder: Path, times: int) -> int:
    """The negative control: with synchronous=NORMAL a commit is not yet on the disk."""
    found = cut(folder, a_seed(), times, "NORMAL")
    assert not found.broken, found.broken[:10]
    assert found.lost, "the cuts cut nothing"
    return len({place.partition(" at ")[2] for place in found.lost})


def said(found: Found) -> str:
    return f"0 of {found.facts:,} acknowledgements lost in {found.cuts:,} power cuts, 0 databases damaged"


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, proves):
    found = shown(tmp_path, sessions=2, each=250)
    lost = lost_with_normal(tmp_path, 250)
    proves("P1", figure=said(found), control=f"synchronous=NORMAL: rows lost in {lost} of 250 cuts")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CHECKPOINT_PAGES", CHECKPOINT_PAGES)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_fifty_thousand_power_cuts(tmp_path: Path, proves):
    found = shown(tmp_path, sessions=200, each=250)
    lost = lost_with_normal(tmp_path, 2_000)
    proves("P1", figure=said(found), control=f"synchronous=NORMAL: rows lost in {lost} of 2,000 cuts")

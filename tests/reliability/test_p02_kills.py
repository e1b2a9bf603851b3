"""Kill -9 at any instant: an accepted run is never forgotten, no attempt runs twice, each run ends exactly once.

The seed of every test is printed; `LONGHOUSE_SEED` replays its instants.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from longhouse import audit
from longhouse.house import House
from longhouse.runs.state import TERMINAL
from longhouse.store import jobs
from longhouse.store.database import Connection, many
from longhouse.triggers import trigger_of
from tests.reliability.queue_process import happened, open_house
from tests.reliability.seeds import a_seed

ROOT = Path(__file__).parents[2]
LONGEST_LIFE = 0.2
"""Seconds. The first hundredths are the start: opening, migrating, ending what was left behind."""


@dataclass
class Killing:
    """A queue process that is killed and started again, and what it has acknowledged."""

    folder: Path
    seed: str
    flaw: str = ""
    acknowledged: list[tuple[int, str]] = field(default_factory=list)
    _epoch: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    _process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        print(f"seed {self.seed}")
        self._chance = random.Random(self.seed)

    def kill(self, times: int) -> None:
        """So many lives, each ended by SIGKILL at an instant of its own, every other one in the middle of work."""
        for number in range(times):
            code = self._life(self._chance.uniform(0, LONGEST_LIFE), settled=number % 2 == 1)
            assert code == -9, f"it died by itself; seed {self.seed}"

    def drain(self) -> None:
        """One last life, in which all that was accepted is worked off."""
        assert self._life(None) == 0, f"seed {self.seed}"

    def _life(self, seconds: float | None, *, settled: bool = False) -> int:
        assert self._process and self._process.stdin and self._process.stdout
        order = {"folder": str(self.folder), "seed": self.seed, "epoch": self._epoch, "flaw": self.flaw}
        self._process.stdin.write(json.dumps({**order, "seconds": seconds, "settled": settled}) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            word, number, *token = line.split()
            if word == "ended":
                return int(number)
            self.acknowledged.append((int(number), token[0]))
        raise AssertionError("the queue process has gone")

    @contextmanager
    def ready(self) -> Iterator[Killing]:
        argv = [sys.executable, "-m", "tests.reliability.queue_process"]
        with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            self._process = process
            yield self
            assert process.stdin
            process.stdin.close()

    def faults(self) -> list[str]:
        """What is wrong with what was recorded, held against what was acknowledged and what really happened."""
        house = open_house(self.folder, self._epoch, "oracle")
        with closing(house.db):
            found = [] if audit.verify(house) is None else ["broken: the audit chain"]
            with house.db.read() as db:
                [(state,)] = db.execute("PRAGMA integrity_check").fetchall()
                found += [] if state == "ok" else [f"broken: {state}"]
                found += _runs(db, self.acknowledged)
                found += _happenings(db, happened(self.folder).read_text().splitlines())
                found += _ledger(house, db)
        return found


def _runs(db: Connection, acknowledged: list[tuple[int, str]]) -> Iterator[str]:
    states = {row["id"]: row["state"] for row in many(db, "SELECT id, state FROM runs")}
    tokens = {row["id"]: json.loads(row["params"]).get("token") for row in many(db, "SELECT id, params FROM runs")}
    for run_id, token in acknowledged:
        if tokens.get(run_id) != token:
            yield f"lost: run {run_id} was acknowledged as {token}"
    if len(set(tokens.values()) - {None}) != sum(token is not None for token in tokens.values()):
        yield "doubled: one request made two runs"
    over = "SELECT subject, count(*) AS n FROM events WHERE type IN ('run.finished', 'run.cancelled') GROUP BY subject"
    ends = {int(row["subject"].removeprefix("run:")): row["n"] for row in many(db, over)}
    for run_id, state in states.items():
        if state not in TERMINAL:
            yield f"unfinished: run {run_id} is {state}"
        elif ends.get(run_id, 0) != 1:
            yield f"doubled: run {run_id} ended {ends.get(run_id, 0)} times"
    finished = many(db, "SELECT subject, count(*) AS n FROM audit WHERE verb = 'run.finish' GROUP BY subject")
    for row in finished:
        if row["n"] != 1:
            yield f"doubled: {row['subject']} has {row['n']} audit rows of its end"
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in many(db, "SELECT run_id, attempt, state FROM attempts ORDER BY run_id, attempt"):
        rows.setdefault(row["run_id"], []).append(row)
    for run_id, attempts in rows.items():
        if [row["attempt"] for row in attempts] != [*range(1, len(attempts) + 1)]:
            yield f"doubled: run {run_id} has attempts {[row['attempt'] for row in attempts]}"
        succeeded = [row["attempt"] for row in attempts if row["state"] == "succeeded"]
        if len(succeeded) > 1 or (succeeded and succeeded[0] != len(attempts)):
            yield f"doubled: run {run_id} went on after attempt {succeeded[0]} had succeeded"
        if len(attempts) > 3:
            yield f"doubled: run {run_id} was tried {len(attempts)} times"


def _happenings(db: Connection, lines: list[str]) -> Iterator[str]:
    known = {
        (row["run_id"], row["attempt"]): row["state"] for row in many(db, "SELECT run_id, attempt, state FROM attempts")
    }
    alive: dict[int, int] = {}
    alive_of_job: Counter[str] = Counter()
    job_of: dict[int, str] = {}
    begun: set[tuple[int, int]] = set()
    ended: set[tuple[int, int]] = set()
    for line in lines:
        what, *words = line.split()
        if what == "start":
            alive.clear()
            alive_of_job.clear()
            continue
        run_id, attempt = int(words[0]), int(words[1])
        if what == "end":
            ended.add((run_id, attempt))
            if alive.pop(run_id, None) is not None:
                alive_of_job[job_of[run_id]] -= 1
            continue
        if (run_id, attempt) in begun:
            yield f"doubled: attempt {attempt} of run {run_id} ran twice"
        if run_id in alive:
            yield f"doubled: attempts {alive[run_id]} and {attempt} of run {run_id} were alive together"
        if (run_id, attempt) not in known:
            yield f"lost: attempt {attempt} of run {run_id} ran and is not recorded"
        job = job_of[run_id] = "group" if words[2].startswith("group") else words[2]
        begun.add((run_id, attempt))
        alive[run_id] = attempt
        alive_of_job[job] += 1
        if job != "allow" and alive_of_job[job] > 1:
            yield f"doubled: two runs of {job} were alive together"
    for attempt_of, state in known.items():
        if state == "succeeded" and attempt_of not in ended:
            yield f"lost: attempt {attempt_of} succeeded without having ended"


def _ledger(house: House, db: Connection) -> Iterator[str]:
    twice = "SELECT job_id, due, count(*) AS n FROM runs WHERE due IS NOT NULL GROUP BY job_id, due HAVING n > 1"
    for row in many(db, twice):
        yield f"doubled: {row['job_id']} has {row['n']} runs for {row['due']}"
    due_of = {row["id"]: row["due"] for row in many(db, "SELECT id, due FROM runs WHERE due IS NOT NULL")}
    for job in jobs.all_jobs(db):
        entries = many(db, "SELECT * FROM firings WHERE job_id = :id ORDER BY due", {"id": job.id})
        trigger = trigger_of(job.spec, "UTC")
        explained: Counter[int] = Counter()
        for row in entries:
            assert trigger is not None
            if row["end"] == "ran" and due_of.pop(row["run_id"], None) != row["due"]:
                yield f"lost: {job.id} ran for {row['due']}, but run {row['run_id']} is not that"
            explained.update(range(row["due"], row["last_due"] + 1, (job.spec.every or 0) * 1000))
        due = trigger.after(job.added_at) if trigger else None
        while trigger and due is not None and due <= job.cursor:
            if explained[due] != 1:
                yield f"unexplained: {job.id} at {due} has {explained[due]} entries"
            due = trigger.after(due)
    for run_id in due_of:
        yield f"doubled: run {run_id} is in no entry of the ledger"


def kinds(faults: list[str]) -> set[str]:
    return {fault.partition(":")[0] for fault in faults}


def killed(folder: Path, times: int) -> int:
    """How many runs were acknowledged meanwhile; none of them is lost or doubled."""
    with Killing(folder, a_seed()).ready() as killing:
        killing.kill(times)
        killing.drain()
        faults = killing.faults()
        assert not faults, f"seed {killing.seed}: {faults[:20]}"
        assert len(killing.acknowledged) > times / 4, "it had time to work"
        return len(killing.acknowledged)


def shown(folder: Path, rounds: int, proves: Callable[..., None]) -> None:
    runs = sum(killed(folder / f"data-{number}", 100) for number in range(rounds))
    proves(
        "P2",
        figure=f"0 of {runs:,} runs lost, 0 finished twice in {rounds * 100:,} kill -9 of the queue at random instants",
        control="acknowledging before the commit, a finish that believes everybody, no rescue: each seen",
    )


@pytest.mark.timeout(600)
def test_kills_at_random_instants_lose_and_double_nothing(tmp_path: Path, proves):
    shown(tmp_path, 1, proves)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_ten_thousand_kills(tmp_path: Path, proves):
    shown(tmp_path, 100, proves)


@pytest.mark.parametrize(
    ("flaw", "kind"),
    [
        pytest.param("early", "lost", id="acknowledged-before-the-commit"),
        pytest.param("careless", "doubled", id="finish-believes-everybody"),
        pytest.param("forgetful", "unfinished", id="nobody-rescues"),
    ],
)
def test_what_is_done_wrong_on_purpose_is_seen(tmp_path: Path, flaw: str, kind: str):
    """The negative controls: were these tests blind, they would pass without what protects the queue."""
    for attempt in range(20):
        with Killing(tmp_path / f"data-{attempt}", a_seed(), flaw).ready() as killing:
            killing.kill(5)
            killing.drain()
            if kind in kinds(killing.faults()):
                return
    raise AssertionError(f"100 kills with the flaw {flaw!r}, and nothing was seen")

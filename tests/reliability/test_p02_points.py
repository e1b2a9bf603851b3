"""Kill -9 of the server, its runner, a supervisor or a child at each named point of a run's life."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from longhouse import audit
from longhouse.store.database import Database, many
from tests.reliability.house_process import POINTS, VICTIMS, noted, opened
from tests.reliability.test_p02_kills import ROOT, a_seed

MOST_SECONDS = 10
"""From a restart to the end of what was interrupted."""


@dataclass
class Deaths:
    folder: Path
    accepted: list[int] = field(default_factory=list)
    sprung: Counter[str] = field(default_factory=Counter)
    slowest_ms: int = 0
    killed: int = 0

    def __post_init__(self) -> None:
        argv = [sys.executable, "-m", "tests.reliability.house_process"]
        self.process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def life(self, point: str = "", victim: str = "", **more: Any) -> int:
        assert self.process.stdin and self.process.stdout
        order = {"folder": str(self.folder), "point": point, "victim": victim, **more}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            word, *number = line.split()
            if word == "ended":
                return int(number[0])
            if word == "accepted":
                self.accepted.append(int(number[0]))
            elif word == "recovered":
                self.slowest_ms = max(self.slowest_ms, int(number[0]))
            else:
                self.sprung[point] += 1
        raise AssertionError("the house process has gone")

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)

    def faults(self) -> Iterator[str]:
        happened = [line.split() for line in noted(self.folder).read_text().splitlines()]
        ends = Counter((int(run), int(attempt)) for what, run, attempt, _ in happened if what == "end")
        for what, run, attempt, _ in happened:
            if what == "overlap":
                yield f"doubled: attempt {attempt} of run {run} began while an earlier one lived"
        house = opened(self.folder)
        with house.db.read() as db:
            runs = {row["id"]: row for row in many(db, "SELECT * FROM runs")}
            told = Counter(row["subject"] for row in many(db, "SELECT subject FROM events WHERE type = 'run.finished'"))
            audited = Counter(row["subject"] for row in many(db, "SELECT subject FROM audit WHERE verb = 'run.finish'"))
            attempts = many(db, "SELECT * FROM attempts")
        yield from _of_database(house.db)
        if audit.verify(house) is not None:
            yield "broken: the audit chain"
        house.launcher.close()
        house.db.close()
        for run_id in self.accepted:
            if run_id not in runs:
                yield f"lost: run {run_id} was accepted"
        for run_id, run in runs.items():
            if run["state"] != "succeeded":
                yield f"lost: run {run_id} is {run['state']}: {run['message']}"
            if told[f"run:{run_id}"] != 1 or audited[f"run:{run_id}"] != 1:
                yield f"doubled: run {run_id} has ended {told[f'run:{run_id}']} times"
        for row in attempts:
            here = (row["run_id"], row["attempt"])
            if row["state"] == "succeeded" and ends[here] != 1:
                yield f"lost: attempt {here} succeeded, its job ended {ends[here]} times"
            if row["state"] is None:
                yield f"stuck: attempt {here} lives"


def _of_database(db: Database) -> Iterator[str]:
    with db.read() as connection:
        for row in connection.execute("PRAGMA integrity_check").fetchall():
            if row != ("ok",):
                yield f"broken: {row}"


ALL = [(point, victim) for point in POINTS for victim in VICTIMS]


@pytest.mark.timeout(600)
def test_whoever_dies_at_whatever_point_nothing_is_lost_or_doubled(tmp_path: Path, proves):
    """A sample; the soak takes all of them."""
    shown(tmp_path, random.Random(a_seed()).sample(ALL, 12), proves)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_whoever_dies_at_each_point_nothing_is_lost_or_doubled(tmp_path: Path, proves):
    shown(tmp_path, ALL, proves)


def shown(folder: Path, chosen: list[tuple[str, str]], proves: Callable[..., None]) -> None:
    deaths = Deaths(folder / "data")
    try:
        assert deaths.life(prepare="yes") == 0
        for point, victim in chosen:
            code = deaths.life(point, victim)
            assert code in (0, -9), f"{victim} killed at {point!r}: it ended with {code}"
        assert deaths.life() == 0
    finally:
        deaths.end()
    found = list(deaths.faults())
    assert not found, found[:10]
    assert deaths.sprung == Counter(point for point, _ in chosen), "the trap was not sprung there each time"
    assert deaths.slowest_ms <= MOST_SECONDS * 1000
    proves(
        "P2",
        figure=f"kill -9 at {len(chosen)} of the {len(ALL)} pairs of {len(POINTS)} points and {', '.join(VICTIMS)}: "
        f"0 of {len(deaths.accepted)} runs lost, 0 finished twice, recovered within {deaths.slowest_ms / 1000:.1f} s",
    )

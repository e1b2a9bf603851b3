"""P11: whoever deletes runs takes nothing out of the ledger: a life in which somebody does so all the time.

The house, the walk and the reckoning are those of test_p11_oracle.py. `LONGHOUSE_SEED` replays.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from longhouse import deletions
from longhouse.engine import rescuer
from longhouse.house import House
from longhouse.store import retention
from longhouse.store.database import Connection, many, run
from longhouse.store.run_search import Wanted
from tests.conftest import START, HandClock
from tests.house import opened
from tests.reliability.seeds import a_seed
from tests.reliability.test_p11_oracle import ME, World
from tests.reliability.walk import DAY


class Killed(Exception):
    """The server dies in the middle of a deletion."""


class Untidy(World):
    """With every other thing that happens somebody deletes: some runs, all of a job, or all of the last days."""

    def _happens(self, job_id: str) -> bool:
        if self.chance.random() < 0.5:
            self.delete(job_id)
        return super()._happens(job_id)

    def delete(self, job_id: str) -> None:
        """As somebody would; a third of the deletions are cut short by a kill, and finished by the next start."""
        with self.base.db.read() as db:
            found = many(db, "SELECT id, job_id, due, trigger, state FROM runs WHERE finished_at IS NOT NULL")
        if not found:
            return
        plan = self.chance.choice(
            (
                deletions.named(self.house, [row["id"] for row in self.chance.sample(found, min(3, len(found)))]),
                deletions.matching(self.house, Wanted(job_id=job_id)),
                deletions.matching(self.house, Wanted(since=self.clock.now() - self.chance.randrange(9 * DAY))),
            )
        )
        if plan.count and self.chance.random() < 0.3:
            self._cut_short(plan)
        else:
            assert deletions.carry_out(self.house, plan, ME).left == 0
        for _ in deletions.carry_on(self.house, set()):
            pass
        with self.base.db.read() as db:
            left = {row["id"] for row in many(db, "SELECT id FROM runs")}
        gone = [row for row in found if row["id"] not in left]
        assert len(gone) == plan.count
        for row in gone:
            if row["trigger"] in ("schedule", "catch_up"):
                self.deleted.setdefault(row["job_id"], {})[row["due"]] = row["id"]
        self.did["deleted"] += len(gone)

    def _cut_short(self, plan: deletions.Plan) -> None:
        """After the files of some runs, before their rows."""
        real = deletions._forget

        def dies(house: House, db: Connection, run_ids: list[int]) -> None:
            real(house, db, run_ids)
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(deletions, "_forget", dies)
            with pytest.raises(Killed):
                deletions.carry_out(self.house, plan, ME)
        self.did["cut short"] += 1


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run here has one, so none is looked for after a crash."""
    monkeypatch.setattr(rescuer, "kill_leftovers", lambda *_: 0)


def lived(house: House, clock: HandClock, seed: str, *, days: int, count: int) -> Untidy:
    world = Untidy(house, clock, random.Random(seed), START + days * DAY)
    world.live([f"job-{number}" for number in range(count)], every=days * DAY / (20 * count))
    return world


@pytest.mark.parametrize(("days", "jobs"), [(60, 8), pytest.param(366, 50, marks=pytest.mark.soak)])
@pytest.mark.timeout(600)
def test_deleted_runs_leave_the_ledger_whole(
    house: House,
    clock: HandClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    proves: Callable[..., None],
    days: int,
    jobs: int,
):
    seed = a_seed()
    world = lived(house, clock, seed, days=days, count=jobs)
    count, wrong = world.differences()
    assert wrong == []
    assert world.did["deleted"] > jobs and world.did["cut short"], world.did
    real = retention.forget

    def with_their_entries(db: Connection, run_ids: list[int]) -> None:
        run(db, "DELETE FROM firings WHERE run_id IN (SELECT value FROM json_each(:ids))", {"ids": json.dumps(run_ids)})
        real(db, run_ids)

    monkeypatch.setattr(retention, "forget", with_their_entries)
    with opened(tmp_path / "control", other := HandClock(), sdk=house.sdk) as control:
        faults = len(lived(control, other, seed, days=days // 2, count=jobs).differences()[1])
    assert faults
    proves(
        "P11",
        f"0 gaps, 0 wrong ends in {count:,} due times of {jobs} jobs in {days} simulated days in which"
        f" {world.did['deleted']:,} runs were deleted, {world.did['cut short']} times cut short by a kill",
        f"where a deletion takes the entries of its runs, too: {faults} faults found in half the time",
    )

"""Recovery is held between its look and its act, and meanwhile the world goes on: nothing is overwritten."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from longhouse import jobs, queue
from longhouse.engine import rescuer
from longhouse.engine.runner import Runner
from longhouse.house import House
from longhouse.store.database import many
from tests.longhouse.test_queue import DONE, FAILED, INTERRUPTED, ME, registered
from tests.reliability.flaws import believe_everybody
from tests.reliability.seeds import a_seed

MEANWHILE = ("complete", "fail for good", "retry", "claimed again", "claimed twice", "done by the next", "cancel")


@dataclass
class Interleaving:
    """One run that recovery has seen as interrupted, and what became of it before it acted."""

    house: House
    run_id: int
    after: list[dict[str, Any]] | None = None

    def rows(self) -> list[dict[str, Any]]:
        with self.house.db.read() as db:
            return many(db, "SELECT * FROM runs WHERE id = :id", {"id": self.run_id}) + many(
                db, "SELECT * FROM attempts WHERE run_id = :id ORDER BY attempt", {"id": self.run_id}
            )

    def go_on(self, what: str) -> None:
        """By somebody who may: the attempt's own thread, the queue, a person."""
        if what == "cancel":
            queue.cancel(self.house, self.run_id, ME)
        first = {"complete": DONE, "fail for good": replace(FAILED, reason="secrets_missing")}.get(what, INTERRUPTED)
        queue.finish(self.house, self.run_id, 1, first)
        if what in ("claimed again", "claimed twice", "done by the next"):
            self._claim(2)
        if what == "claimed twice":
            queue.finish(self.house, self.run_id, 2, INTERRUPTED)
            self._claim(3)
        if what == "done by the next":
            queue.finish(self.house, self.run_id, 2, DONE)
        self.after = self.rows()

    def _claim(self, attempt: int) -> None:
        claimed = queue.claim(self.house)
        assert claimed is not None and (claimed.run.id, claimed.attempt) == (self.run_id, attempt)
        queue.started(self.house, self.run_id, attempt, pid=attempt, ticks=1, boot_id="b")


def overwritten(house: House, monkeypatch: pytest.MonkeyPatch, times: int) -> int:
    """How many of so many interleavings ended with another row than the one that was there when recovery acted."""
    chance = random.Random(a_seed())
    house.db._writer.execute("PRAGMA synchronous=OFF").fetchall()  # the power stays on here
    registered(house, overlap="allow", max_attempts=5)
    wrong = 0
    for _ in range(times):
        run_id = jobs.run_now(house, "a", ME).id
        assert queue.claim(house) is not None
        now = Interleaving(house, run_id)
        what = chance.choice(MEANWHILE)
        _recovered(house, monkeypatch, chance, partial(now.go_on, what))
        assert now.after is not None
        wrong += now.rows() != now.after
        with house.db.write() as db:
            for table in ("attempts", "runs"):
                db.execute(f"DELETE FROM {table}").fetchall()
    return wrong


def _recovered(
    house: House, monkeypatch: pytest.MonkeyPatch, chance: random.Random, meanwhile: Callable[[], None]
) -> None:
    """Recovery, with something happening between its look and its act."""

    def nothing_left(*known: object) -> int:
        meanwhile()
        return 0

    def none_live() -> frozenset[int]:
        meanwhile()
        return frozenset()

    with monkeypatch.context() as between:
        if chance.random() < 0.5:  # a new server, at its start
            between.setattr(rescuer, "kill_leftovers", nothing_left)
            assert rescuer.rescue(replace(house, owner="next")) == 1
        else:  # the server itself, while it runs
            runner = Runner(house, 1)
            between.setattr(runner, "live", none_live)
            rescuer.step(house, runner)


def test_recovery_never_touches_what_changed_since_it_looked(house: House, monkeypatch, proves):
    assert overwritten(house, monkeypatch, 1000) == 0
    with monkeypatch.context() as flawed:
        believe_everybody(house, flawed.setattr)
        seen = overwritten(house, flawed, 100)
    assert seen > 50, "the negative control"
    proves(
        "P6",
        figure="0 of 1,000 interleavings of recovery with an end, a retry or a new claim overwrote anything",
        control=f"a finish that believes everybody: {seen} of 100",
    )

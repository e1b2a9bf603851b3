"""A final state is final: random lives of runs on the real database, held against a plain dict.

Crashes, rescues, cancels, voices that come late and voices of the dead: the dict says what each may change.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import apsw
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from longhouse import audit, jobs, queue
from longhouse.engine import rescuer
from longhouse.errors import Conflict
from longhouse.house import SYSTEM, House
from longhouse.queue import LEASE_MS, POISON_LIMIT, Ending
from longhouse.runs.state import NEXT, TERMINAL, Reason, RunState
from longhouse.store import runs as rows
from longhouse.store.database import many
from tests.conftest import HandClock
from tests.longhouse.test_queue import ME, registered
from tests.reliability.flaws import believe_everybody
from tests.reliability.seeds import a_seed

EMPTIED = ("attempts", "artifacts", "firings", "events", "audit", "runs", "sqlite_sequence")
ENDINGS = {
    "succeeded": Ending(state=RunState.SUCCEEDED, result={"n": 1}),
    "degraded": Ending(state=RunState.DEGRADED, message="half of it"),
    "skipped": Ending(state=RunState.SKIPPED),
    "cancelled": Ending(state=RunState.CANCELLED, message="Cancelled."),
    "retry": Ending(state=RunState.RETRYING, retry_after_seconds=60),
    "failed": Ending(state=RunState.FAILED, reason=Reason.EXCEPTION, message="ValueError: no"),
    "stopped": Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message="Stopped.", free_try=True),
    "interrupted": Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message="Gone."),
}
PICK = st.integers(0, 2**16)


@dataclass
class Expected:
    """What the dict knows of one run."""

    job: str
    max_attempts: int
    not_before: int
    state: str = "queued"
    attempt: int = 0
    tries: int = 0
    interruptions: int = 0
    owner: str = ""
    cancelled: bool = False

    def end(self, ending: Ending) -> None:
        """The rules of retries, cancels and stops, said a second time."""
        free = ending.free_try and self.max_attempts > 1
        if ending.state in (RunState.SUCCEEDED, RunState.DEGRADED, RunState.SKIPPED, RunState.CANCELLED):
            self.state = ending.state
        elif self.cancelled:
            self.state = "cancelled"
        elif ending.reason is Reason.INTERRUPTED and not ending.free_try and self.interruptions + 1 >= POISON_LIMIT:
            self.state = "failed"
        elif self.tries < self.max_attempts or free:
            self.state = "retrying"
            self.tries -= free
        else:
            self.state = "failed"
        if ending.reason is Reason.INTERRUPTED and not (ending.free_try and self.state == "retrying"):
            self.interruptions += 1


class Lives(RuleBasedStateMachine):
    house: House
    """Set by the test: one database for all examples, emptied for each."""
    steps: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        with self.house.db.write() as db:
            for table in EMPTIED:
                db.execute(f"DELETE FROM {table}")
        self.clock = HandClock()
        self.servers = 1
        self.now = replace(self.house, clock=self.clock, owner="server-1")
        self.runs: dict[int, Expected] = {}
        self.attempts: list[tuple[int, int]] = []
        self.frozen: dict[int, dict[str, Any]] = {}
        """Each run that has ended, as it was when it ended."""

    def _picked(self, pick: int, *states: str) -> int | None:
        found = [run_id for run_id, run in self.runs.items() if not states or run.state in states]
        return found[pick % len(found)] if found else None

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(job=st.sampled_from(("free", "single", "once")), later=st.sampled_from((0, 0, 0, 90)))
    def enqueue(self, job: str, later: int) -> None:
        self._enqueue(job, self.clock.now() + later * 1000)

    def _enqueue(self, job: str, at: int) -> None:
        with self.now.db.write() as db:
            known = jobs.rows.get(db, job)
            assert known is not None
            run_id = queue.enqueue(self.now, db, known, trigger="manual", by=SYSTEM, not_before=at)
        self.runs[run_id] = Expected(job, known.spec.max_attempts, at)

    @precondition(lambda self: any(run.state in TERMINAL for run in self.runs.values()))
    @rule(pick=PICK, same=st.booleans())
    def rerun(self, pick: int, same: bool) -> None:
        old = self._picked(pick, *TERMINAL)
        assert old is not None
        try:
            new = jobs.rerun(self.now, old, ME, same_commit=same)
        except Conflict:
            assert self.runs[old].job != "free"
        else:
            self.runs[new.id] = Expected(self.runs[old].job, self.runs[old].max_attempts, self.clock.now())

    @rule(times=st.integers(1, 3))
    def claim(self, times: int) -> None:
        for _ in range(times):
            claimed = queue.claim(self.now)
            if claimed is None:
                late = [run for run in self.runs.values() if self._may_start(run) and run.job == "free"]
                assert not late, "it could have started"
                return
            run = self.runs[claimed.run.id]
            assert self._may_start(run), "it waits for its time, or not at all"
            others = [each for each in self.runs.values() if each.job == run.job and each.state == "running"]
            assert run.job == "free" or not others, "one at a time"
            run.state, run.owner = "running", self.now.owner
            run.attempt, run.tries = run.attempt + 1, run.tries + 1
            assert claimed.attempt == run.attempt
            self.attempts.append((claimed.run.id, claimed.attempt))
            if times == 2:
                assert queue.started(self.now, claimed.run.id, claimed.attempt, pid=1, ticks=1, boot_id="")

    def _may_start(self, run: Expected) -> bool:
        return run.state in ("queued", "retrying") and run.not_before <= self.clock.now() and not run.cancelled

    @precondition(lambda self: any(run.state == "running" for run in self.runs.values()))
    @rule(pick=PICK, how=st.sampled_from(sorted(ENDINGS)))
    def finish(self, pick: int, how: str) -> None:
        run_id = self._picked(pick, "running")
        assert run_id is not None
        self._end(run_id, ENDINGS[how])

    def _end(self, run_id: int, ending: Ending) -> None:
        run = self.runs[run_id]
        said = queue.finish(self.now, run_id, run.attempt, ending)
        run.end(ending)
        assert said == run.state
        self._learn_delay(run_id)

    def _learn_delay(self, run_id: int) -> None:
        if self.runs[run_id].state == "retrying":
            with self.now.db.read() as db:
                found = rows.get(db, run_id)
            assert found is not None and found.not_before >= self.clock.now()
            self.runs[run_id].not_before = found.not_before

    @precondition(lambda self: bool(self.attempts))
    @rule(pick=PICK, how=st.sampled_from(sorted(ENDINGS)))
    def late_finish(self, pick: int, how: str) -> None:
        """A second voice about an attempt: it counts only if it is the living one."""
        run_id, attempt = self.attempts[pick % len(self.attempts)]
        run = self.runs[run_id]
        if run.state == "running" and run.attempt == attempt:
            self._end(run_id, ENDINGS[how])
        else:
            assert queue.finish(self.now, run_id, attempt, ENDINGS[how]) is None

    @precondition(lambda self: bool(self.attempts))
    @rule(pick=PICK)
    def late_start(self, pick: int) -> None:
        run_id, attempt = self.attempts[pick % len(self.attempts)]
        alive = self.runs[run_id].state == "running" and self.runs[run_id].attempt == attempt
        assert queue.started(self.now, run_id, attempt, pid=1, ticks=1, boot_id="") == alive

    @rule(ago=st.integers(0, 3))
    def heartbeat(self, ago: int) -> None:
        """Ours, or the late one of a server that is gone."""
        owner = f"server-{max(1, self.servers - ago)}"
        own = sum(run.state == "running" and run.owner == owner for run in self.runs.values())
        assert queue.heartbeat(replace(self.now, owner=owner)) == own

    @precondition(lambda self: bool(self.runs))
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        run_id = self._picked(pick)
        assert run_id is not None
        run = self.runs[run_id]
        if run.state in TERMINAL:
            with pytest.raises(Conflict):
                queue.cancel(self.now, run_id, ME)
            return
        queue.cancel(self.now, run_id, ME)
        run.cancelled = True
        run.state = run.state if run.state == "running" else "cancelled"

    @rule()
    def crash(self) -> None:
        """The server is gone between two transactions; the next one has another name."""
        self.servers += 1
        self.now = replace(self.now, owner=f"server-{self.servers}")

    @rule()
    def rescue(self) -> None:
        left = [run_id for run_id, run in self.runs.items() if run.state == "running" and run.owner != self.now.owner]
        assert rescuer.rescue(self.now) == len(left)
        for run_id in left:
            self.runs[run_id].end(ENDINGS["interrupted"])
            self._learn_delay(run_id)

    @rule(seconds=st.sampled_from((1.0, 20.0, LEASE_MS / 1000 + 1, 4000.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: bool(self.runs))
    @rule(pick=PICK, new=st.sampled_from(list(RunState)))
    def meddle(self, pick: int, new: RunState) -> None:
        """Somebody writes past the verbs: the database itself refuses a way that is none."""
        run_id = self._picked(pick)
        assert run_id is not None
        old = RunState(self.runs[run_id].state)
        if new in NEXT[old] or new is old:
            return
        with pytest.raises(apsw.ConstraintError, match="illegal run transition"), self.now.db.write() as db:
            db.execute("UPDATE runs SET state = ? WHERE id = ?", (new, run_id))

    # --- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def the_database_says_the_same(self) -> None:
        self.steps["all"] += 1
        with self.now.db.read() as db:
            found = {row["id"]: row for row in many(db, "SELECT * FROM runs")}
            living = many(db, "SELECT run_id, attempt, owner FROM attempts WHERE state IS NULL")
        for run_id, run in self.runs.items():
            row = found[run_id]
            seen = (row["state"], row["attempt"], row["tries_used"], row["cancel_requested_at"] is not None)
            assert seen == (run.state, run.attempt, run.tries, run.cancelled), run_id
            if run.state in TERMINAL:
                assert self.frozen.setdefault(run_id, row) == row, "what has ended has changed"
        assert len(found) == len(self.runs)
        expected = {(i, run.attempt, run.owner) for i, run in self.runs.items() if run.state == "running"}
        assert {tuple(row.values()) for row in living} == expected, "a running run has one living attempt"

    def teardown(self) -> None:
        ended = [run_id for run_id, run in self.runs.items() if run.state in TERMINAL]
        with self.now.db.read() as db:
            told = many(db, "SELECT subject FROM events WHERE type IN ('run.finished', 'run.cancelled')")
        assert Counter(row["subject"] for row in told) == Counter(f"run:{run_id}" for run_id in ended)
        assert audit.verify(self.now) is None
        self.steps["ended"] += len(ended)


@pytest.fixture
def lives(house: House, monkeypatch: pytest.MonkeyPatch) -> type[Lives]:
    monkeypatch.setattr(rescuer, "kill_leftovers", lambda *known: 0)  # no process belongs to these runs
    registered(house, "free", overlap="allow", max_attempts=3)
    registered(house, "single", overlap="queue", max_attempts=4)
    registered(house, "once", overlap="skip", max_attempts=1)
    house.db._writer.execute("PRAGMA synchronous=OFF").fetchall()  # the power stays on here
    monkeypatch.setattr(Lives, "house", house, raising=False)
    monkeypatch.setattr(Lives, "steps", Counter())
    return Lives


def lived(lives: type[Lives], examples: int) -> str:
    """So many random lives; what they came to."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(int(a_seed(), 16))(lives), settings=chosen)
    return f"{examples:,} random lives, {lives.steps['all']:,} steps, {lives.steps['ended']:,} ends: 0 changed again"


@pytest.mark.parametrize("protection", ["trigger", "guards"])
def test_a_protection_that_is_gone_is_noticed(lives: type[Lives], monkeypatch: pytest.MonkeyPatch, protection: str):
    """The negative controls: illegal moves are let through, or every voice is believed."""
    if protection == "trigger":
        with lives.house.db.write() as db:
            db.execute("DROP TRIGGER runs_life").fetchall()
    else:
        believe_everybody(lives.house, monkeypatch.setattr)
    quick = settings(
        max_examples=200, stateful_step_count=50, database=None, phases=[Phase.generate], report_multiple_bugs=False
    )
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_state_machine_as_test(seed(int(a_seed(), 16))(lives), settings=quick)


CONTROL = "without the trigger, or with a finish that believes everybody: seen"


def test_what_has_ended_stays_as_it_ended(lives: type[Lives], proves):
    proves("P5", figure=lived(lives, 100), control=CONTROL)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_twenty_thousand_lives(lives: type[Lives], proves):
    proves("P5", figure=lived(lives, 20_000), control=CONTROL)

"""History goes when it is old, and nothing else goes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhouse import queue, retention
from longhouse.engine import janitor
from longhouse.engine.sweeper import ASK_AGAIN_SECONDS, INTERVAL_SECONDS, Sweeper
from longhouse.house import SYSTEM, House
from longhouse.repo import bootstrap
from longhouse.runs.keep import DAY_MS, LOCK_SECONDS, Keep, next_batch
from longhouse.runs.state import RunState
from longhouse.store import events, firings, idempotency, jobs
from longhouse.store import retention as rows
from longhouse.store.database import many, one, run
from tests.conftest import START, HandClock
from tests.instance import Instance, until

AddJob = Callable[..., None]
DAY = 24 * 3600.0


@pytest.fixture
def kept(house: House) -> Callable[..., House]:
    """The house with its own rules of what is kept."""

    def with_(**settings: int) -> House:
        object.__setattr__(house, "keep", Keep(**settings))
        return house

    return with_


def ended(house: House, job_id: str = "daily-digest", state: RunState = RunState.FAILED, **settings: object) -> int:
    """A run that was made, ran and ended now, with its output, an artifact and its entry in the ledger."""
    with house.db.write() as db:
        job = jobs.get(db, job_id)
        assert job is not None
        run_id = queue.enqueue(house, db, job, trigger="schedule", by=SYSTEM, **settings)  # type: ignore[arg-type]
        due = house.clock.now()
        firings.record(db, job_id, due, last=due, count=1, end="ran", run_id=run_id, now=due)
    claimed = queue.claim(house)
    assert claimed is not None and claimed.run.id == run_id
    ending = queue.Ending(state=state, retry_after_seconds=None)
    with house.db.write() as db:
        run(db, "UPDATE runs SET max_attempts = tries_used WHERE id = :id", {"id": run_id})
    assert queue.finish(house, run_id, claimed.attempt, ending) is state
    for folder in (house.paths.output / str(run_id), house.paths.artifacts / str(run_id) / "1"):
        folder.mkdir(parents=True)
        (folder / "1.log").write_text("printed")
    return run_id


def swept(house: House) -> int:
    return sum(retention.sweep(house))


def left(house: House, job_id: str = "daily-digest") -> list[int]:
    with house.db.read() as db:
        return [row["id"] for row in many(db, "SELECT id FROM runs WHERE job_id = :id ORDER BY id", {"id": job_id})]


# --- what goes ------------------------------------------------------------------------------------------------------


def test_old_runs_go_with_all_that_belongs_to_them(kept: Callable[..., House], clock: HandClock, add_job: AddJob):
    house = kept(days=10, least=2, most=100)
    add_job()
    old = [ended(house) for _ in range(3) if clock.advance(60) is None]
    clock.advance(11 * DAY)
    young = [ended(house) for _ in range(2) if clock.advance(60) is None]
    assert swept(house) == 3
    assert left(house) == young
    assert sorted(os.listdir(house.paths.output)) == sorted(map(str, young))
    assert sorted(os.listdir(house.paths.artifacts)) == sorted(map(str, young))
    with house.db.read() as db:
        assert {row["run_id"] for row in many(db, "SELECT run_id FROM attempts")} == set(young)
        entries = many(db, 'SELECT "end", run_id FROM firings ORDER BY due')
    assert [row["run_id"] for row in entries] == [None] * len(old) + young, "the ledger still says that they ran"
    assert {row["end"] for row in entries} == {"ran"}
    assert swept(house) == 0


def test_young_runs_stay(kept: Callable[..., House], clock: HandClock, add_job: AddJob):
    house = kept(days=10, least=1, most=100)
    add_job()
    runs = [ended(house) for _ in range(5) if clock.advance(60) is None]
    clock.advance(9 * DAY)
    assert swept(house) == 0
    assert left(house) == runs
    clock.advance(2 * DAY)
    assert swept(house) == 4, "the control: two days later they are old, and the newest is the least to keep"


def test_of_one_job_at_least_and_at_most_so_many_stay(kept: Callable[..., House], clock: HandClock, add_job: AddJob):
    house = kept(days=10, least=3, most=5)
    add_job("busy")
    add_job("calm")
    busy = [ended(house, "busy") for _ in range(8) if clock.advance(60) is None]
    calm = [ended(house, "calm") for _ in range(2) if clock.advance(60) is None]
    swept(house)
    assert left(house, "busy") == busy[-5:], "more than the most go though they are young"
    clock.advance(100 * DAY)
    swept(house)
    assert left(house, "busy") == busy[-3:], "the least stay though they are old"
    assert left(house, "calm") == calm


def test_the_newest_success_stays_and_what_is_alive(kept: Callable[..., House], clock: HandClock, add_job: AddJob):
    house = kept(days=1, least=1, most=3)
    add_job(overlap="allow")
    alive = ended(house)
    with house.db.write() as db:  # it waits to be tried again
        run(db, "DROP TRIGGER runs_life")
        run(db, "UPDATE runs SET state = 'retrying', not_before = :far WHERE id = :id", {"id": alive, "far": START * 2})
    first_green = ended(house, state=RunState.SUCCEEDED)
    green = ended(house, state=RunState.SUCCEEDED)
    red = [ended(house) for _ in range(6) if clock.advance(60) is None]
    swept(house)
    assert first_green not in left(house)
    assert left(house) == [alive, green, *red[-3:]]
    clock.advance(500 * DAY)
    swept(house)
    assert left(house) == [alive, green, red[-1]]


def test_what_repeats_a_forgotten_run_points_nowhere(kept: Callable[..., House], clock: HandClock, add_job: AddJob):
    house = kept(days=1, least=1, most=100)
    add_job()
    first = ended(house)
    clock.advance(2 * DAY)
    again = ended(house, rerun_of=first)
    swept(house)
    assert left(house) == [again]
    with house.db.read() as db:
        row = one(db, "SELECT rerun_of FROM runs WHERE id = :id", {"id": again})
    assert row == {"rerun_of": None}


def test_a_job_that_left_the_manifest_is_swept_too(kept: Callable[..., House], clock: HandClock, add_job: AddJob):
    house = kept(days=1, least=1, most=1)
    add_job()
    ended(house)
    last = ended(house) if clock.advance(60) is None else 0
    with house.db.write() as db:
        jobs.remove(db, "daily-digest", clock.now())
    swept(house)
    assert left(house) == [last]


def test_the_ledger_is_kept_for_longer(kept: Callable[..., House], clock: HandClock, add_job: AddJob):
    house = kept(days=1, least=1, most=100)
    add_job()
    ended(house)
    with house.db.write() as db:
        due = clock.now() + 60_000
        firings.record(db, "daily-digest", due, last=due, count=1, end="missed_down", run_id=None, now=due)
    clock.advance(399 * DAY)
    ended(house)
    swept(house)
    with house.db.read() as db:
        assert len(many(db, "SELECT id FROM firings")) == 3
    clock.advance(2 * DAY)
    swept(house)
    with house.db.read() as db:
        rest = many(db, "SELECT run_id FROM firings")
    assert rest == [{"run_id": left(house)[0]}], "what names a run that is still there stays"


def test_events_and_kept_replies_go(house: House, clock: HandClock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "KEEP_EVENTS", 40)
    with house.db.write() as db:
        for number in range(100):
            events.append(db, "run.created", f"run:{number}", {}, clock.now())
        idempotency.begin(db, "old", "POST /x", "h", clock.now())
    clock.advance(2 * DAY)
    with house.db.write() as db:
        idempotency.begin(db, "new", "POST /x", "h", clock.now())
    assert swept(house) == 61
    with house.db.read() as db:
        assert [row["id"] for row in events.after(db, 0, 1000)] == list(range(61, 101))
        assert idempotency.get(db, "old", "POST /x") is None
        assert idempotency.get(db, "new", "POST /x") is not None


# --- the same, by a rule that is written down again -----------------------------------------------------------------


@given(seed=st.integers(0, 2**32))
def test_what_is_old_is_found_by_halving(seed: int):
    """Over ids with gaps: as if every row had been looked at."""
    generator = random.Random(seed)
    ids = sorted(generator.sample(range(1, 200), generator.randrange(0, 40)))
    made = sorted(generator.randrange(0, 50) for _ in ids)
    before = generator.randrange(0, 55)

    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, created_at INTEGER)")
    db.executemany("INSERT INTO runs VALUES (?, ?)", list(zip(ids, made, strict=True)))
    found = rows.newest_before(db, before)
    assert [id for id in ids if id <= found] == [id for id, at in zip(ids, made, strict=True) if at < before]


@pytest.mark.parametrize("seed", range(5))
def test_random_histories_keep_what_the_rule_says(
    seed: int, kept: Callable[..., House], clock: HandClock, add_job: AddJob
):
    print(f"seed {seed}")
    generator = random.Random(seed)
    days, least = generator.randrange(2, 6), generator.randrange(1, 5)
    house = kept(days=days, least=least, most=least + generator.randrange(0, 5))
    made: dict[str, list[tuple[int, int, RunState]]] = {"a": [], "b": [], "c": []}
    for job_id in made:
        add_job(job_id)
    for _ in range(40):
        clock.advance(generator.random() * DAY / 2)
        job_id = generator.choice("aaab")
        state = generator.choice([RunState.SUCCEEDED, RunState.FAILED, RunState.FAILED])
        made[job_id].append((ended(house, job_id, state), clock.now(), state))
    swept(house)
    for job_id, history in made.items():
        greens = [id for id, _, state in history if state is RunState.SUCCEEDED]
        expected = [
            id
            for place, (id, at, _) in enumerate(reversed(history), 1)
            if id == max(greens, default=0)
            or (place <= house.keep.most and (place <= least or at >= clock.now() - days * DAY_MS))
        ]
        assert left(house, job_id) == expected[::-1], job_id


# --- without being noticed ------------------------------------------------------------------------------------------


@given(size=st.integers(1, 500), seconds=st.floats(0.0001, 5))
def test_batches_follow_what_they_cost(size: int, seconds: float):
    following = next_batch(size, seconds)
    assert 1 <= following <= 500
    assert following * seconds / size <= LOCK_SECONDS or following == 1


def test_space_is_given_back_when_nobody_needs_the_disk(
    house: House, clock: HandClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "FREE_PAGES", 10)
    with house.db.write() as db:
        for _ in range(200):
            events.append(db, "run.created", "run:1", {"text": "x" * 20_000}, clock.now())
        run(db, "DELETE FROM events")
    before = retention.spare_pages(house)
    assert before > 500
    busy = True
    sweeper = Sweeper(house, lambda: not busy)
    sweeper.step()
    assert sweeper.step() == ASK_AGAIN_SECONDS
    assert retention.spare_pages(house) == before, "the control: something runs"
    busy = False
    assert until(lambda: sweeper.step() == INTERVAL_SECONDS)
    assert retention.spare_pages(house) == 0
    with house.db.read() as db:
        assert one(db, "PRAGMA page_count")["page_count"] < before  # type: ignore[index]


def test_a_sweep_with_nothing_to_do_writes_nothing(house: House, clock: HandClock, add_job: AddJob):
    add_job()
    ended(house)
    clock.advance(DAY)
    committed: list[None] = []
    house.db._committed = lambda: committed.append(None)
    sweeper = Sweeper(house, lambda: True)
    sweeper.step()
    assert sweeper.step() == INTERVAL_SECONDS
    assert not committed
    clock.advance(1000 * DAY)
    with house.db.write() as db:
        events.append(db, "run.created", "run:1", {}, clock.now())
    assert committed, "the control: a write is seen"


def test_what_a_killed_server_left_in_work_goes(house: House, add_job: AddJob):
    for folder in (house.paths.work, house.paths.cache):
        folder.mkdir(exist_ok=True)
    bootstrap.ensure(house.paths, known_commits=False)
    add_job()
    with house.db.write() as db:
        job = jobs.get(db, "daily-digest")
        assert job is not None
        run_id = queue.enqueue(house, db, job, trigger="manual", by=SYSTEM)
    queue.claim(house)
    for name in (f"{run_id}-1", "77-2", "reading"):
        (house.paths.work / name).mkdir()
        (house.paths.work / name / "file").write_text("x")
    janitor.step(house)
    assert sorted(os.listdir(house.paths.work)) == sorted([f"{run_id}-1", "reading"])


def test_settings_that_contradict_each_other_end_the_start(tmp_path: Path):
    instance = Instance(
        tmp_path / "data", env={"LONGHOUSE_JOBS_KEEP_RUNS_LEAST": "9", "LONGHOUSE_JOBS_KEEP_RUNS_MOST": "3"}
    ).start(wait=False)
    assert instance.exit_code() == 2
    assert "keep_runs_least (9) is more than keep_runs_most (3)" in instance.log

"""P10: retries are bounded and their delays honest."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

from longhouse import history, queue
from longhouse.house import SYSTEM, House
from longhouse.runs import retry
from longhouse.runs.state import Reason, RunState
from longhouse.store import jobs as job_rows
from tests.conftest import HandClock

CASES = 10_000
RUNS = 30


def seed_of() -> int:
    return int(os.environ.get("LONGHOUSE_SEED", random.randrange(2**32)))


def outside(delay: Callable[[int, float, float], float], seed: int) -> int:
    """How many of the random cases leave what is promised: base, doubled for each try, an hour, and a tenth on top."""
    chance, wrong = random.Random(seed), 0
    for _ in range(CASES):
        attempt = chance.choice([chance.randint(1, 12), chance.randint(1, 10_000)])
        base = chance.choice([0.0, chance.uniform(0, 1), chance.uniform(1, 900), 86_400.0])
        spread = retry.spread_of(chance.randrange(10**9), attempt)
        least = min(3600.0, base * 2.0 ** min(attempt - 1, 64))
        found = delay(attempt, base, spread)
        longer = delay(attempt + 1, base, spread)
        if not (0 <= spread < 1 and least <= found <= least * 1.1 < 3961 and longer >= found):
            wrong += 1
    return wrong


def test_delays_stay_within_their_bounds_and_runs_within_their_attempts(
    house: House, clock: HandClock, add_job: Callable[..., None], proves: Callable[..., None]
) -> None:
    seed = seed_of()
    assert outside(lambda n, base, spread: retry.delay_seconds(n, base, spread=spread), seed) == 0, f"seed {seed}"
    uncapped = outside(lambda n, base, spread: base * 2.0 ** min(n - 1, 64) * (1 + spread / 10), seed)
    assert uncapped > 0

    chance, tried = random.Random(seed), 0
    for number in range(RUNS):
        most, base = chance.randint(1, 6), chance.choice([0, 0.5, 15, 900])
        job_id = f"job-{number}"
        add_job(job_id, cron=None, max_attempts=most, retry_delay_seconds=base)
        with house.db.write() as db:
            job = job_rows.get(db, job_id)
            assert job is not None
            run_id = queue.enqueue(house, db, job, trigger="manual", by=SYSTEM)
        for attempt in range(1, most + 1):
            claimed = queue.claim(house)
            assert claimed is not None and claimed.attempt == attempt, f"seed {seed}"
            state = queue.finish(house, run_id, attempt, queue.Ending(state=RunState.FAILED, reason=Reason.EXIT))
            tried += 1
            assert state is (RunState.RETRYING if attempt < most else RunState.FAILED), f"seed {seed}"
            if state is RunState.RETRYING:
                waits = history.get(house, run_id).not_before - clock.now()
                least = min(3600.0, base * 2 ** (attempt - 1)) * 1000
                assert int(least) <= waits <= least * 1.1, f"seed {seed}"
                if waits:
                    clock.ms += waits - 1
                    assert queue.claim(house) is None, f"seed {seed}: tried again before its time"
                    clock.ms += 1
        assert queue.claim(house) is None, f"seed {seed}: tried more than {most} times"
    proves(
        "P10",
        figure=f"{CASES:,} random delays: 0 outside base x 2^n, an hour and a tenth; {RUNS} runs failed {tried} times:"
        " none tried more often than max_attempts, none before its time",
        control=f"without the cap: {uncapped:,} delays out of bounds",
    )

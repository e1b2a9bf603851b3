"""P3: one run per idempotency key, over HTTP, from many threads, through a kill -9."""

from __future__ import annotations

import json
import os
import random
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import pytest

from tests.instance import STARTER, Instance

REPLAYS = 5
MANIFEST = STARTER + (
    "def run(n: int = 0): pass\n"
    'job_registry.register(JobConfig(id="a", func=run, overlap="allow", concurrency_group="one"))\n'
)


def ask(instance: Instance, number: int, key: str | None) -> tuple[int, int | None]:
    """Status (0: no answer) and the run's id."""
    try:
        connection, headers = instance.connection()
    except (OSError, ValueError):
        return 0, None
    headers |= {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    try:
        connection.request("POST", "/api/jobs/a/run", json.dumps({"params": {"n": number}}).encode(), headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        return answer.status, found.get("id") if answer.status == 202 else None
    except (OSError, ValueError, HTTPException):
        return 0, None
    finally:
        connection.close()


def attack(instance: Instance, threads: int, keys: int, seed: int) -> None:
    """Each key REPLAYS times, in random order, until each has been answered; a kill -9 and a restart in the middle."""
    calls = [number for number in range(keys) for _ in range(REPLAYS)]
    random.Random(seed).shuffle(calls)
    ids: dict[int, set[int]] = defaultdict(set)
    answered, guard, half = 0, threading.Lock(), threading.Event()
    back = threading.Event()

    def call(number: int) -> None:
        nonlocal answered
        while True:
            status, run_id = ask(instance, number, f"key-{number}")
            if status == 202:
                break
            assert status in (0, 409, 503), status  # 409: the first with this key is still at work
            back.wait(60)
        with guard:
            ids[number].add(run_id or 0)
            answered += 1
            if answered >= len(calls) // 2:
                half.set()

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(call, number) for number in calls]
        assert half.wait(240)
        instance.kill()
        instance.start()
        back.set()
        for future in futures:
            future.result(timeout=240)
    assert len(ids) == keys and all(len(found) == 1 for found in ids.values()), f"seed {seed}"


def runs_of(instance: Instance) -> int:
    count, cursor = 0, ""
    while True:
        page = instance.get(f"/api/runs?job=a&limit=200{cursor}")
        count += len(page["items"])
        if page["next"] is None:
            return count
        cursor = f"&cursor={page['next']}"


def prove(instance: Instance, threads: int, keys: int, proves: Callable[..., None]) -> None:
    seed = int(os.environ.get("LONGHOUSE_SEED", random.randrange(2**32)))
    instance.start()
    instance.manifest(MANIFEST)
    attack(instance, threads, keys, seed)
    assert runs_of(instance) == keys, f"seed {seed}"
    refused = sum(ask(instance, number + 1, f"key-{number}")[0] == 422 for number in range(20))
    assert refused == 20 and runs_of(instance) == keys
    for number in range(REPLAYS):
        assert ask(instance, number, None)[0] == 202
    without = runs_of(instance) - keys
    assert without == REPLAYS
    proves(
        "P3",
        figure=f"{threads} threads, {keys:,} keys, {REPLAYS} calls each, a kill -9 in the middle: {keys:,} runs;"
        f" {refused} of 20 with another body refused",
        control=f"without a key {REPLAYS} equal calls make {without} runs",
    )


def test_a_key_makes_one_run(instance: Instance, proves: Callable[..., None]) -> None:
    prove(instance, 16, 100, proves)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_thousand_keys_make_a_thousand_runs(instance: Instance, proves: Callable[..., None]) -> None:
    prove(instance, 64, 1000, proves)

"""The store at work while a tracer has its calls fail: `python -m tests.reliability.full_process FOLDER [early]`.

Accepts forty runs, takes each and ends it, over the real database with the real verbs; what the disk refuses is tried
again. Prints `accepted <run>`, `finished <run> <state>` after the commit, and `refused` for each refusal.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from longhouse import queue
from longhouse.errors import StorageFull, Unavailable
from longhouse.house import By
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store import jobs
from longhouse.store.reserve import MIB, Reserve
from tests.reliability.queue_process import open_house, register

T = TypeVar("T")
RUNS = 40
SUCCEEDED = Ending(state=RunState.SUCCEEDED)


def say(*words: object) -> None:
    text = (" ".join(map(str, words)) + "\n").encode()
    while text:  # standard output may meet a full disk as well
        try:
            text = text[os.write(1, text) :]
        except OSError:
            time.sleep(0.001)


def patiently(act: Callable[[], T]) -> T:
    while True:
        try:
            return act()
        except (StorageFull, Unavailable):
            say("refused", "x")
            time.sleep(0.001)


def main(folder: Path, early: bool) -> None:
    house = open_house(folder, time.time_ns() // 1_000_000, "full")
    reserve = Reserve(house.paths.reserve, size=MIB)
    reserve.look(0)
    object.__setattr__(house, "reserve", reserve)
    house.db.filled = lambda: reserve.give(house.clock.now())
    register(house)
    say("begin", "work")

    def accept() -> int:
        reserve.look(house.clock.now())
        with house.db.write() as db:
            job = jobs.get(db, "allow")
            assert job is not None
            run_id = queue.enqueue(house, db, job, trigger="manual", by=By("me", "api"), params={"text": "x" * 3000})
            if early:
                say("accepted", run_id)
        return run_id

    for _ in range(RUNS):
        if early:
            try:
                accept()
            except (StorageFull, Unavailable):
                pass
            continue
        say("accepted", patiently(accept))

        def take() -> queue.Claimed | None:
            reserve.look(house.clock.now())
            return queue.claim(house)

        while (claimed := patiently(take)) is None:
            time.sleep(0.001)
        state = patiently(partial(queue.finish, house, claimed.run.id, claimed.attempt, SUCCEEDED))
        say("finished", claimed.run.id, state)
    house.db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), early="early" in sys.argv[2:])

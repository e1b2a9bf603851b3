"""History goes when it is old: runs with their output and artifacts, ledger entries, events, replies kept for repeats.

Always in batches so small that nobody notices: between two of them others get the write lock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress

from longhouse.house import House
from longhouse.logs import Log
from longhouse.runs.keep import DAY_MS, next_batch
from longhouse.store import events, idempotency
from longhouse.store import retention as rows
from longhouse.store.database import Connection

log = Log("longhouse.retention")

KEEP_EVENTS = 50_000
FIRST_BATCH = 20
FREE_PAGES = 1_000
"""4 MiB of free pages stay in the file: they are used again."""


def sweep(house: House) -> Iterator[int]:
    """Remove all that is too old, one batch for each step; how many rows went with it."""
    yield from _runs(house)
    yield from _firings(house)
    yield from _events(house)
    yield from _replies(house)


def _runs(house: House) -> Iterator[int]:
    keep, now, batch = house.keep, house.clock.now(), Batch(house)
    before = keep.before(now)
    with house.db.read() as db:
        job_ids, old = rows.job_ids(db), rows.newest_before(db, before)
    for job_id in job_ids:
        while True:
            with house.db.read() as db:
                found = rows.forgettable(
                    db, job_id, old=old, before=before, least=keep.least, most=keep.most, limit=batch.size
                )
            if not found:
                break
            for run_id in found:  # the files first: should we die here, the rows that name them are still there
                try:
                    remove_files(house, run_id)
                except OSError as error:
                    log.error("files of a forgotten run stay: they cannot be removed", run=run_id, error=error)
            batch.write(rows.forget, found)
            yield len(found)


def _firings(house: House) -> Iterator[int]:
    before, batch = house.keep.ledger_before(house.clock.now()), Batch(house)
    with house.db.read() as db:
        job_ids = rows.job_ids(db)
    for job_id in job_ids:
        while True:
            with house.db.read() as db:
                found = rows.old_firings(db, job_id, before, batch.size)
            if not found:
                break
            batch.write(rows.drop_firings, found)
            yield len(found)


def _events(house: House) -> Iterator[int]:
    batch = Batch(house)
    while True:
        with house.db.read() as db:
            found = events.surplus(db, KEEP_EVENTS, batch.size)
        if not found:
            break
        batch.write(events.drop, found)
        yield len(found)


def _replies(house: House) -> Iterator[int]:
    before = house.clock.now() - DAY_MS
    with house.db.read() as db:
        old = idempotency.older(db, before)
    if old:
        with house.db.write() as db:
            idempotency.prune(db, before)
        yield old


class Batch:
    """Writes as many at once as the lock may be held for: it learns from each how long that takes."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.size = FIRST_BATCH

    def write(self, act: Callable[[Connection, list[int]], None], ids: list[int]) -> None:
        with self._house.db.write() as db:
            began = self._house.clock.monotonic()
            act(db, ids)
            took = self._house.clock.monotonic() - began
        # neither waiting for the lock nor the commit, which waits for the disk: fewer rows would not make them shorter
        self.size = next_batch(len(ids), max(0.0001, took))


def remove_files(house: House, run_id: int) -> int:
    """What the run printed and left behind goes; how many bytes that were. Somebody else may be removing it, too.
    Raises OSError."""
    freed = 0
    for folder in (house.paths.output / str(run_id), house.paths.artifacts / str(run_id)):
        for at, _, names in os.walk(folder):
            for name in names:
                with suppress(FileNotFoundError):
                    freed += os.lstat(os.path.join(at, name)).st_size
        while os.path.lexists(folder):
            with suppress(FileNotFoundError):  # one of its files
                shutil.rmtree(folder)
    return freed


def spare_pages(house: House) -> int:
    """Free pages of the database file beyond those that are kept for new rows."""
    with house.db.read() as db:
        return max(0, rows.free_pages(db) - FREE_PAGES)


def give_back(house: House) -> Iterator[int]:
    """Free pages leave the database file, a batch for each step, down to what is kept for new rows."""
    size = FIRST_BATCH
    while True:
        free = spare_pages(house)
        if not free:
            return
        began = house.clock.monotonic()
        with house.db.write() as db:
            rows.give_back(db, min(size, free))
        size = next_batch(size, max(0.0001, house.clock.monotonic() - began))
        yield min(size, free)

"""Clears away what nobody needs any more. Looks before it writes: an idle instance writes nothing."""

from __future__ import annotations

from longhouse.house import House
from longhouse.repo import bootstrap, commits
from longhouse.repo.checkouts import prune
from longhouse.store import events, jobs, runs

INTERVAL_SECONDS = 3600.0
KEEP_EVENTS = 50_000


def step(house: House) -> float:
    with house.db.read() as db:
        many_events = events.span(db) > KEEP_EVENTS
        needed = {job.commit_sha for job in jobs.all_jobs(db, removed=True)} | runs.unfinished_commits(db)
    if many_events:
        with house.db.write() as db:
            events.prune(db, KEEP_EVENTS)
    with house.repo_lock:
        loaded = commits.loaded(bootstrap.opened(house.paths))
        prune(house.paths.checkouts, needed | ({loaded} if loaded else set()))
    return INTERVAL_SECONDS

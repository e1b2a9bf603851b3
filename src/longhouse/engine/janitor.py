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
        known = jobs.all_jobs(db, removed=True)
        unfinished, pinned = runs.unfinished(db), runs.pinned_commits(db)
    if many_events:
        with house.db.write() as db:
            events.prune(db, KEEP_EVENTS)
    with house.repo_lock:
        git = bootstrap.opened(house.paths)
        waiting = {commit for commit, _ in unfinished}
        loaded = {commits.loaded(git) or ""}
        prune(house.paths.checkouts, {job.commit_sha for job in known} | waiting | loaded)
        commits.forget_trials(git, pinned)
        commits.tidy(git)
    house.environments.prune({job.environment for job in known} | {key for _, key in unfinished})
    return INTERVAL_SECONDS

"""Clears away what nobody needs any more. Looks before it writes: an idle instance writes nothing."""

from __future__ import annotations

import re
import shutil

from longhouse.house import House
from longhouse.repo import bootstrap, commits
from longhouse.repo.checkouts import prune
from longhouse.store import attempts, jobs, runs

INTERVAL_SECONDS = 3600.0
ATTEMPT = re.compile(r"(\d+)-(\d+)")
"""The working directory of an attempt."""


def step(house: House) -> float:
    with house.db.read() as db:
        known = jobs.all_jobs(db, removed=True)
        unfinished, pinned = runs.unfinished(db), runs.pinned_commits(db)
    _clear_work(house)
    with house.repo_lock:
        git = bootstrap.opened(house.paths)
        waiting = {commit for commit, _ in unfinished}
        loaded = {commits.loaded(git) or ""}
        prune(house.paths.checkouts, {job.commit_sha for job in known} | waiting | loaded)
        # A new one may have no run yet: its manifest is being read, or its run was made after we had looked.
        commits.forget_trials(git, pinned, made_before=house.clock.now() / 1000 - INTERVAL_SECONDS)
        commits.tidy(git)
    house.environments.prune({job.environment for job in known} | {key for _, key in unfinished})
    return INTERVAL_SECONDS


def _clear_work(house: House) -> None:
    """Working directories of attempts that are over: a server that is killed leaves them behind."""
    found = {path: match for path in house.paths.work.iterdir() if (match := ATTEMPT.fullmatch(path.name))}
    if not found:
        return
    with house.db.read() as db:  # after the look: whoever made a directory before it is recorded
        alive = {(row["run_id"], row["attempt"]) for row in attempts.own(db, house.owner)}
    for path, match in found.items():
        if (int(match[1]), int(match[2])) not in alive:
            shutil.rmtree(path, ignore_errors=True)

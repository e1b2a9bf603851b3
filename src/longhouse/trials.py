"""Trying a job as the files stand now, before anything of it is committed or scheduled."""

from __future__ import annotations

from typing import Any

from longhouse import describing, jobs, queue, secrets
from longhouse.errors import NotFound
from longhouse.house import By, House
from longhouse.repo import bootstrap, commits, leaks
from longhouse.store import runs
from longhouse.store.jobs import Job
from longhouse.store.runs import Run


def trial(house: House, job_id: str, by: By, *, params: dict[str, Any] | None = None, text: bool = False) -> Run:
    """One run, one attempt, of the job as the work tree has it: its code is kept as a commit on no branch.

    Raises ManifestBroken (file and line), NotFound for a job that the tree's manifest does not register, Invalid, and
    SecretInFile: what a trial runs becomes part of the repository, too.
    """
    with house.repo_lock:
        git = bootstrap.opened(house.paths)
        changed = commits.state(git).changed
        leaks.require_none(leaks.in_files(house.paths.tree, changed, secrets.masker(house).finds))
        commit = commits.snapshot(git)
    definitions, environments = describing.describe(house, git, commit)
    spec = next((each for each in definitions if each.id == job_id), None)
    if spec is None:
        known = ", ".join(sorted(each.id for each in definitions)) or "none"
        raise NotFound(
            f"the manifest as it stands registers no job {job_id!r}", hint=f"It registers: {known}. See manifest.py."
        )
    values = jobs.checked_params(spec, params or {}, text=text)
    now = house.clock.now()
    job = Job(
        id=job_id,
        spec=spec.replace(overlap="allow", concurrency_group=None),
        enabled=True,
        cursor=now,
        commit_sha=commit,
        environment=environments.get(job_id, ""),
        version=0,
        added_at=now,
        removed_at=None,
    )
    with house.db.write() as db:
        run_id = queue.enqueue(house, db, job, trigger="trial", by=by, params=values, pinned=True, max_attempts=1)
        found = runs.get(db, run_id)
    assert found is not None
    return found

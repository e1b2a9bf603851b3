"""From files in the work tree to jobs that run: commit what settled, read the manifest of that commit, reschedule.

What runs is the last commit that loaded. A commit that does not load changes nothing but what every page says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from longhouse import audit, consequences, jobs, ledger, pauses, secrets
from longhouse.consequences import Outside
from longhouse.describing import Busy, Described, NoEnvironment, describe
from longhouse.errors import LonghouseError, ManifestBroken
from longhouse.house import SYSTEM, By, House
from longhouse.jobs import Manifest
from longhouse.repo import bootstrap, changes, commits, jobs_toml, leaks
from longhouse.repo import manifest as reading
from longhouse.repo.checkouts import checkout
from longhouse.repo.commits import Committed, TreeState
from longhouse.repo.git import Git
from longhouse.store import events, settings
from longhouse.store import jobs as rows
from longhouse.store import runs as run_rows
from longhouse.store.database import Connection
from longhouse.store.jobs import Job
from longhouse.triggers import schedule_key
from zerg._wire import JobDescription


@dataclass(frozen=True)
class Loaded:
    """What a commit's manifest registers, and in which environment each job runs."""

    commit: str
    definitions: tuple[JobDescription, ...]
    overrides: Mapping[str, bool]
    environments: Mapping[str, str]


def settle(house: House, *, tree: bool = True) -> None:
    """Bring pending overrides into jobs.toml, commit everything if the `tree` has come to rest, load what is new.

    Does not raise for what is in the tree: that is recorded, and shown on every surface.
    """
    with house.repo_lock:
        git, made = bootstrap.opened(house.paths), Outside(None)
        try:
            changes.complete(git, commits.branch(git))
            state = commits.state(git)
            if state.blocked is None:
                with suppress(ManifestBroken):  # a jobs.toml that cannot be read is committed too, and said by the load
                    state = _write_overrides(house, git, state)
                if tree:
                    made = commit_outside(house, git, state)
            _note(house, "repo_blocked", state.blocked)
        except LonghouseError as error:
            _note(house, "repo_blocked", error.message)
        load_head(house, git, made)


def boot(house: House) -> ManifestBroken | None:
    """At the start: like `settle`, but what does not load is the caller's to refuse, tried before or not.

    The commit that this version loaded last time is not read again.
    """
    with house.repo_lock:
        git = bootstrap.opened(house.paths)
        changes.complete(git, commits.branch(git))
        state, made = commits.state(git), Outside(None)
        if state.blocked is None:
            with suppress(ManifestBroken):
                state = _write_overrides(house, git, state)
            made = commit_outside(house, git, state)
        head = git.head()
        with house.db.read() as db:
            known = settings.get(db, "loaded_by") == house.version
        now = jobs.manifest(house)
        if head.commit is None or (now.loaded_commit and head.branch != commits.branch(git)):
            return None
        if known and now.ok and now.loaded_commit == head.commit:
            return None
        broken = load(house, git, head.commit, made.read_of(head.commit))
    if broken is None:
        with house.db.write() as db:
            settings.put(db, "loaded_by", house.version)
    return broken


# --- into the repo --------------------------------------------------------------------------------------------------


def _write_overrides(house: House, git: Git, state: TreeState) -> TreeState:
    """Pending enables and disables become one commit of jobs.toml alone; they stay pending while it cannot be read.
    How the tree stands afterwards."""
    with house.db.read() as db:
        pending = rows.overrides(db)
        known = {job.id: job.spec.enabled for job in rows.all_jobs(db)} if pending else {}
    if not pending:
        return state
    wanted = {row["job_id"]: jobs_toml.setting(known.get(row["job_id"]), bool(row["enabled"])) for row in pending}
    text = jobs_toml.text_of(house.paths.tree)
    changed = jobs_toml.changed(text, wanted)
    if changed != text:
        jobs_toml.write(house.paths.tree, changed)
        acts = [f"{'enable' if row['enabled'] else 'disable'} {row['job_id']}" for row in pending]
        told = {row["job_id"]: bool(row["enabled"]) for row in pending}
        lines = consequences.trailers_of_overrides(house, told)
        message = f"Update jobs: {', '.join(acts)}"
        committed = commits.commit_all(git, message, only=(jobs_toml.NAME,), trailers=lines)
        tell_commit(house, committed, By(pending[-1]["actor"], pending[-1]["surface"]))
    with house.db.write() as db:
        for row in pending:
            rows.drop_override(db, row["job_id"], row["at"])
    return commits.state(git)


def commit_outside(house: House, git: Git, state: TreeState) -> Outside:
    """Everything but the files that hold a secret: these are said on every surface, until it is out of them."""
    found = tuple(leaks.in_files(house.paths.tree, state.changed, secrets.masker(house).finds))
    _note(house, "repo_left_out", [asdict(leak) for leak in found] or None)
    but = [leak.path for leak in found]
    if state.clean or (set(but).issuperset(state.changed) and not state.staged):
        return Outside(None)  # git writes its lock file even when there is nothing to add
    return consequences.commit(house, git, state, but, lambda made: tell_commit(house, made, SYSTEM), _busy(house))


def tell_commit(house: House, committed: Committed | None, by: By) -> None:
    """A new commit goes into the audit trail and to whoever listens; None is no commit."""
    if committed is None:
        return
    with house.db.write() as db:
        fact = {"commit": committed.commit, "subject": committed.subject, "files": list(committed.files)}
        audit.record(house, db, by, "repo.commit", f"commit:{committed.commit}", after=fact)
        events.append(db, "repo.committed", f"commit:{committed.commit}", fact, house.clock.now())
    house.feed.sync.ring()  # it may be one to push


def _note(house: House, key: str, value: Any) -> None:
    """`repo_blocked`: why nothing is committed; `repo_left_out`: files that are not. None when all is well. Written
    when it changes."""
    with house.db.read() as db:
        if settings.get(db, key) == value:
            return
    with house.db.write() as db:
        settings.put(db, key, value)
        events.append(db, "repo.changed", "repo", {key.removeprefix("repo_"): value}, house.clock.now())


# --- out of the repo ------------------------------------------------------------------------------------------------


def load_head(house: House, git: Git, made: Outside = Outside(None)) -> ManifestBroken | None:
    """Load the newest commit of our branch, unless it was tried before; what was wrong with it."""
    head = git.head()
    if head.commit is None or head.branch != commits.branch(git):
        return None
    with house.db.read() as db:
        if settings.get(db, "tried_commit") == head.commit:
            return None
    return load(house, git, head.commit, made.read_of(head.commit))


def load(
    house: House, git: Git, commit: str, described: Described | ManifestBroken | None = None
) -> ManifestBroken | None:
    """Read the manifest of `commit`; on success it is what runs from now on, else what was wrong with it.

    `described` is what somebody read from these very files a moment ago.
    """
    tree = house.paths.checkouts / commit
    try:
        if described is not None and not tree.is_dir():  # else it is what was read, a moment ago; every run compares it
            checkout(git, house.paths.checkouts, commit)
        if isinstance(described, ManifestBroken):
            raise described
        definitions, environments = described or describe(house, git, commit, _busy(house))
        overrides = jobs_toml.read_tree(tree)
    except ManifestBroken as error:
        if house.feed.closing.is_set():
            return error  # it is we who ended the reading
        # What an index or a network refused may be there the next time somebody looks; a mistake in a file will not.
        _failed(house, error, None if isinstance(error, NoEnvironment) else commit)
        _apply_overrides_alone(house, tree)
        return error
    commits.set_loaded(git, commit)
    _apply(house, Loaded(commit, definitions, overrides, environments))
    _lock(house, git, tree, definitions)
    return None


def _lock(house: House, git: Git, tree: Path, definitions: Sequence[JobDescription]) -> None:
    """A commit from outside may come without locks: they are the next one."""
    if consequences.locks(house, tree, definitions) and commits.state(git).blocked is None:
        consequences.write_locks(house, tree, definitions)
        house.feed.settled()


def _busy(house: House) -> Busy:
    """Says on every surface that a manifest takes long."""

    def busy(file: str, line: int) -> None:
        error = (
            f"The manifest is still being read: it is at {file}:{line}. It gets {reading.TIMEOUT_SECONDS:g} seconds."
        )
        _say(house, replace(jobs.manifest(house), ok=False, file=file, line=line, error=error))

    return busy


def _failed(house: House, error: ManifestBroken, commit: str | None) -> None:
    before = jobs.manifest(house)
    broken = Manifest(
        ok=False,
        loaded_commit=before.loaded_commit,
        error=error.message,
        file=error.file or reading.NAME,
        line=error.line,
        traceback=error.traceback,
        broken_since=before.broken_since or house.clock.now(),
    )
    if broken != before or commit is not None:
        _say(house, broken, tried=commit)


def _say(house: House, manifest: Manifest, *, tried: str | None = None) -> None:
    with house.db.write() as db:
        _put_manifest(house, db, manifest, tried)


def _put_manifest(house: House, db: Connection, manifest: Manifest, tried: str | None) -> None:
    settings.put(db, "manifest", asdict(manifest))
    if tried is not None:
        settings.put(db, "tried_commit", tried)
        outcome = {"ok": manifest.ok, "file": manifest.file, "line": manifest.line, "error": manifest.error}
        audit.record(house, db, SYSTEM, "manifest.load", f"commit:{tried}", after=outcome)
    events.append(db, "manifest.changed", "manifest", {"ok": manifest.ok}, house.clock.now())


# --- into the database ----------------------------------------------------------------------------------------------


def _apply(house: House, loaded: Loaded) -> None:
    """One transaction: the jobs are those of the commit, and every due time up to now is explained by the old ones."""
    now = house.clock.now()
    with house.db.write() as db:
        pauses.expire(house, db, now)
        pending = {row["job_id"]: bool(row["enabled"]) for row in rows.overrides(db)}
        before = {job.id: job for job in rows.all_jobs(db)}
        for spec in loaded.definitions:
            enabled = pending.get(spec.id, loaded.overrides.get(spec.id, spec.enabled))
            _put(house, db, before.pop(spec.id, None), spec, enabled, loaded, now)
        for gone in before.values():
            ledger.leave(house, db, gone, now)
            rows.remove(db, gone.id, now)
            events.append(db, "job.changed", f"job:{gone.id}", {"job": gone.id, "removed": True}, now)
        rows.set_commit(db, loaded.commit)
        _put_manifest(house, db, Manifest(ok=True, loaded_commit=loaded.commit), loaded.commit)
    house.feed.replan()


def _put(
    house: House, db: Connection, old: Job | None, spec: JobDescription, enabled: bool, loaded: Loaded, now: int
) -> None:
    environment = loaded.environments.get(spec.id, "")
    if old and (old.spec, old.enabled, old.environment) == (spec, enabled, environment):
        return
    same_times = old is not None and schedule_key(old.spec, house.zone) == schedule_key(spec, house.zone)
    restart = old is None or not same_times or old.enabled != enabled
    if old is not None and restart:
        ledger.leave(house, db, old, now)
    rows.put(db, spec, enabled=enabled, commit=loaded.commit, environment=environment, now=now)
    run_rows.renew(db, spec)
    if restart:
        job = rows.get(db, spec.id)
        assert job is not None
        ledger.start(house, db, job, now)
        end = ledger.standing(job)
        if end is not None:
            ledger.open_skip(house, db, job, end, now)
    events.append(db, "job.changed", f"job:{spec.id}", {"job": spec.id, "enabled": enabled}, now)


def _apply_overrides_alone(house: House, tree: Path) -> None:
    """The manifest does not load, but jobs.toml can be read: enabling and disabling goes on."""
    try:
        overrides = jobs_toml.read_tree(tree)
    except ManifestBroken:
        return
    with house.db.write() as db:
        pauses.expire(house, db, house.clock.now())
        pending = {row["job_id"] for row in rows.overrides(db)}
        for job in rows.all_jobs(db):
            enabled = overrides.get(job.id, job.spec.enabled)
            if job.id not in pending and enabled != job.enabled:
                jobs.change_enabled(house, db, job, enabled, house.clock.now())
    house.feed.replan()

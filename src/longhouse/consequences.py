"""What a change of the jobs repo brings with it, found before it is committed: locks, overrides, its impact in words.

A commit says what it does to the schedules, so the manifest is read first. Only an edit inside functions, which does
nothing to them, is committed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from longhouse import describing, jobs
from longhouse.describing import Ahead, Busy, Described, NoEnvironment
from longhouse.envs import BASE, LOCK
from longhouse.errors import LonghouseError, ManifestBroken
from longhouse.house import House
from longhouse.repo import beneath, bodies, checkouts, commits, history, jobs_toml, lockfiles, plain
from longhouse.repo.commits import Committed, TreeState
from longhouse.repo.git import Git
from longhouse.repo.lockfiles import LockFile
from longhouse.repo.requirements import EnvironmentFailed, wanted
from longhouse.simulation import impact
from longhouse.store import jobs as rows
from zerg._wire import JobDescription

Tell = Callable[[Committed], None]
"""What every new commit is told, before its manifest is loaded."""
Trailers = tuple[tuple[str, str], ...]

MOST_AT_ONCE = 3
"""Files of an edit that are compared with what they were; more are read as a manifest."""
TRIES = 3


@dataclass(frozen=True)
class Outside:
    """A commit of what somebody did in the tree, and what reading it gave; None if it was not read."""

    committed: Committed | None
    read: Described | ManifestBroken | None = None

    def read_of(self, commit: str) -> Described | ManifestBroken | None:
        """What was read, if it was of this commit."""
        return self.read if self.committed is not None and self.committed.commit == commit else None


def commit(house: House, git: Git, state: TreeState, but: Sequence[str], tell: Tell, busy: Busy) -> Outside:
    """Everything in the tree `but` these paths becomes a commit. What is wrong with it is no reason to leave it out."""
    for _ in range(TRIES):
        try:
            changes = plain.found(git, state.entries, (), but) or ()
            reader = describing.ahead(house, git, state.head, changes, busy)
            if _inside_functions(house, git, state):
                return _of_functions(house, git, state, but, tell, reader)
            _forget_locks(house, state.changed)
            with reader as ahead:
                ahead.begin()
                return _with_consequences(house, git, state, but, tell, ahead)
        except commits.Overtaken:
            state = commits.state(git)
    return Outside(None)  # somebody commits all the time; the next look finds what is left


def _of_functions(
    house: House, git: Git, state: TreeState, but: Sequence[str], tell: Tell, reader: AbstractContextManager[Ahead]
) -> Outside:
    """Committed first, which nothing shall slow: a reader that starts beside it costs the commit more than it gains."""
    staged = commits.stage(git, but=but, state=state)
    if staged.tree is None:
        return Outside(None)
    made = commits.commit_staged(git, staged)
    tell(made)
    with reader as ahead:
        try:
            read: Described | ManifestBroken = ahead.describe(staged.tree)
        except ManifestBroken as error:
            read = error
        except LonghouseError:
            return Outside(made)  # whoever loads it asks again, and says what it is
    checkouts.adopt(house.paths.checkouts, staged.tree, made.commit)
    return Outside(made, read)


def _with_consequences(
    house: House, git: Git, state: TreeState, but: Sequence[str], tell: Tell, ahead: Ahead
) -> Outside:
    staged = commits.stage(git, but=but, state=state)
    if staged.tree is None:
        return Outside(None)
    place = house.paths.checkouts / staged.tree
    try:
        found = ahead.describe(staged.tree)
        added = _bring_along(house, git, place, found)
        lines = trailers(house, found[0], jobs_toml.read_tree(house.paths.tree if added else place))
    except ManifestBroken as error:
        read: Described | ManifestBroken = error
        added, lines = (), (impact.NO_ENVIRONMENT if isinstance(error, NoEnvironment) else impact.BROKEN,)
    else:
        read = found
    if house.feed.closing.is_set() and isinstance(read, ManifestBroken):
        return Outside(None)  # it is we who ended the reading: the next start commits it
    whole = commits.stage_more(git, staged, added) if added else staged
    if not whole.changes:  # somebody spoilt a lock, and it is what it was
        return Outside(None)
    made = commits.commit_staged(git, whole, trailers=lines)
    tell(made)
    if whole is staged:
        checkouts.adopt(house.paths.checkouts, staged.tree, made.commit)
    return Outside(made, read)


def trailers(house: House, definitions: Sequence[JobDescription], overrides: Mapping[str, bool]) -> Trailers:
    """What a commit with these jobs says about the step from those of now; nothing if the schedules stay."""
    with house.db.read() as db:
        pending = {row["job_id"]: bool(row["enabled"]) for row in rows.overrides(db)}
        before = {each.id: each for each in rows.scheduled(db)}
    told = {**overrides, **pending}
    after = impact.scheduled([(job, told.get(job.id, job.enabled)) for job in definitions])
    return impact.trailers(before, after, zone=house.zone, now=house.clock.now())


def trailers_of_overrides(house: House, wanted: Mapping[str, bool]) -> Trailers:
    """The same for enabling and disabling: `wanted` by id, of jobs as the database still has them."""
    with house.db.read() as db:
        now = rows.all_jobs(db)
    after = impact.scheduled([(job.spec, wanted.get(job.id, job.enabled)) for job in now])
    before = impact.scheduled([(job.spec, not wanted[job.id] if job.id in wanted else job.enabled) for job in now])
    return impact.trailers(before, after, zone=house.zone, now=house.clock.now())


def locks(house: House, tree: Path, definitions: Sequence[JobDescription]) -> tuple[LockFile, ...]:
    """The locks that `tree` should have and has not; its jobs were described, so all of it is resolved."""
    found: dict[str, LockFile] = {}
    for file in (None, *dict.fromkeys(job.source_file for job in definitions if job.script_environment)):
        asked = wanted(tree, file)
        if asked is not None and asked.file not in found and lockfiles.body(tree, asked) is None:
            key, _ = house.environments.of(tree, file)
            if key == BASE:
                continue
            lock = (house.paths.envs / key / LOCK).read_text("utf-8")
            found[asked.file] = lockfiles.lock_file(asked, lock)
    return tuple(found.values())


def write_locks(house: House, tree: Path, definitions: Sequence[JobDescription]) -> tuple[str, ...]:
    """Bring the locks of `tree`, a checkout, into the work tree; the paths of those that were not there."""
    written = []
    for lock in locks(house, tree, definitions):
        before = beneath.read(house.paths.tree, lock.path, history.MAX_FILE)
        if beneath.put(house.paths.tree, lock.path, lock.text.encode(), before):
            written.append(lock.path)
    return tuple(written)


def without_stale(house: House, text: str, definitions: Sequence[JobDescription]) -> str:
    """jobs.toml as it must be once the manifest says `definitions`: an override goes when somebody edits `enabled` in
    the manifest. Raises ManifestBroken."""
    overrides = jobs_toml.read(text)
    if not overrides:
        return text
    with house.db.read() as db:
        before = {job.id: job.spec.enabled for job in rows.all_jobs(db)}
    stale = jobs_toml.stale(before, {job.id: job.enabled for job in definitions}, overrides)
    return jobs_toml.changed(text, dict.fromkeys(stale)) if stale else text


def _bring_along(house: House, git: Git, place: Path, found: Described) -> tuple[str, ...]:
    """Write what belongs to this change into the tree; its paths."""
    written = write_locks(house, place, found[0])
    text = jobs_toml.text_of(place)
    kept = without_stale(house, text, found[0])
    if kept != text and jobs_toml.text_of(house.paths.tree) == text:
        jobs_toml.write(house.paths.tree, kept)
        written += (jobs_toml.NAME,)
    return written


def _forget_locks(house: House, changed: Sequence[str]) -> None:
    for path in changed:
        owner = lockfiles.owner_of(path)
        if owner is not None and not (house.paths.tree / path).exists():
            try:
                house.environments.forget(house.paths.tree, owner)
            except EnvironmentFailed:
                continue  # reading it will say so


def _inside_functions(house: House, git: Git, state: TreeState) -> bool:
    head, changed = state.head, state.changed
    if head is None or not 0 < len(changed) <= MOST_AT_ONCE or not jobs.manifest(house).ok:
        return False
    with house.db.read() as db:
        known = rows.source_files(db)
    return known.issuperset(changed) and all(_only_bodies(house, git, head, path) for path in changed)


def _only_bodies(house: House, git: Git, head: str, path: str) -> bool:
    try:
        before = checkouts.content(git, house.paths.checkouts, head, path)
        now = beneath.read(house.paths.tree, path, history.MAX_FILE)
    except OSError:
        return False
    if before is None or now is None:
        return False
    try:
        return bodies.only_bodies(before.decode(), now.decode())
    except UnicodeDecodeError:
        return False

"""Edits of the jobs repo: one verb for pages, API and commands. Checked whole, then one commit, or nothing happens.

What somebody writes with an editor of his own goes another way (`loading.settle`); both meet here: bytes that an edit
was not made for are never written over, and come back with the refusal.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from longhouse import consequences, describing, loading, secrets
from longhouse.consequences import Trailers
from longhouse.describing import Described
from longhouse.errors import Conflict, Invalid, LonghouseError, ManifestBroken
from longhouse.house import SYSTEM, By, House
from longhouse.repo import beneath, changes, commits, jobs_toml, leaks, merging, messages, names, tree
from longhouse.repo.changes import Writes
from longhouse.repo.checkouts import listing
from longhouse.repo.commits import CommitBlocked, Committed, TreeState
from longhouse.repo.git import Git
from longhouse.repo.merging import Merged
from longhouse.store import jobs as rows

MOST_FILES = 100
MOST_SHARE = 0.2
"""A change that removes more of the jobs than this, or more than one, waits for a yes."""
TRIES = 5
WAIT_SECONDS = 3.0
DRAFTS = "refs/heads/drafts/"


class EditConflict(LonghouseError):
    """A file is not what the edit was made for. `conflicts` has, for each file, all the texts and one made of both."""

    code = "repo.edit_conflict"
    kind = "stale"


class RemovalUnconfirmed(Conflict):
    """The change removes more than one job, or more than a fifth of them; `jobs` names them. It waits for a yes."""

    code = "repo.removal_unconfirmed"


@dataclass(frozen=True)
class FileConflict:
    path: str
    blob: str | None
    """The id of what is there now: an edit made for it goes through. None: nothing is there."""
    base: str | None
    """What the edit began with; None if there was no file, or nobody knows."""
    yours: str | None
    theirs: str | None
    merged: str
    clean: bool
    """Both went together; else `merged` has the lines between <<<<<<< and >>>>>>>."""


@dataclass(frozen=True)
class Edit:
    """What came of a change, or would come of it."""

    commit: str | None
    """The new commit, also that of a draft; None if nothing differs, or nothing was done."""
    blobs: Mapping[str, str | None]
    """The files' ids from now on; None for those that are gone."""
    added: tuple[str, ...] = ()
    """Ids of jobs."""
    removed: tuple[str, ...] = ()
    broken: ManifestBroken | None = None
    """Why a draft does not load."""
    needs_yes: bool = False


def mass_removal(before: Collection[str], after: Collection[str]) -> frozenset[str]:
    """The ids of jobs that go, if they are so many that somebody has to say yes; else none."""
    gone = frozenset(before) - frozenset(after)
    return gone if len(gone) > 1 or len(gone) > MOST_SHARE * len(frozenset(before)) else frozenset()


def refuse_removal(before: Collection[str], after: Collection[str]) -> None:
    """Raises RemovalUnconfirmed if so many go that somebody has to say yes."""
    if gone := mass_removal(before, after):
        named = ", ".join(sorted(gone)[:10]) + (f" and {len(gone) - 10} more" if len(gone) > 10 else "")
        raise RemovalUnconfirmed(
            f"the change removes {len(gone)} of {len(before)} jobs: {named}",
            hint="If that is meant, send it again with confirm_removal.",
            jobs=sorted(gone),
        )


def change(
    house: House,
    by: By,
    writes: Writes,
    *,
    expected: Mapping[str, str | None],
    message: str = "",
    draft: str = "",
    confirm_removal: bool = False,
    dry_run: bool = False,
    merges: str = "",
) -> Edit:
    """Write these files (None: remove) as one commit, load it and reschedule. What returns is in history.

    `expected` is the blob id of each file as the author saw it, None where there was none; `draft` keeps the change on
    a branch of that name, loadable or not, instead; `merges` names a commit that goes in with it, as a second parent.

    Raises PathRefused, Invalid, SecretInFile, EditConflict, ManifestBroken, RemovalUnconfirmed, CommitBlocked.
    """
    wanted = _checked(house, writes)
    title = message.strip()[:2000] or f"Update jobs: {_summary(wanted)}"
    with house.repo_lock:
        git = tree.repo(house)
        changes.complete(git, commits.branch(git))
        for _ in range(TRIES):
            state = _ready(git)
            head = state.head or ""
            found = _expected(house, git, wanted, expected)
            differing = {path: data for path, data in wanted.items() if data != found[path]}
            if not differing and not merges:
                return Edit(None, {path: _blob(head, data) for path, data in wanted.items()})
            if not (draft or dry_run):
                head = _commit_outside(house, git, state, differing, found)
            plan = _Plan(house, git, head, differing, title, by, merges)
            try:
                return plan.draft(draft) if draft else plan.take(confirm_removal=confirm_removal, dry_run=dry_run)
            except changes.Moved:
                continue  # somebody committed meanwhile: once more, from there
        raise CommitBlocked("Nothing is committed: somebody else commits all the time", hint="Try again in a moment.")


@dataclass(frozen=True)
class _Plan:
    """A change that fits what is there, not yet checked."""

    house: House
    git: Git
    head: str
    writes: Writes
    title: str
    by: By
    merges: str

    def take(self, *, confirm_removal: bool, dry_run: bool) -> Edit:
        commit = self._commit(self.writes)
        described, place = self._described(commit)
        before, after = self._known(), {job.id for job in described[0]}
        gone = mass_removal(before, after)
        edit = Edit(
            commit=None,
            blobs={path: _blob(self.head, data) for path, data in self.writes.items()},
            added=tuple(sorted(after - before)),
            removed=tuple(sorted(before - after)),
            needs_yes=bool(gone),
        )
        if dry_run:
            return edit
        if not confirm_removal:
            refuse_removal(before, after)
        commit = self._complete(commit, place, described)
        changes.accept(self.git, commit, commits.branch(self.git))
        subject = self.title.partition("\n")[0]
        loading.tell_commit(self.house, Committed(commit, subject, tuple(self.writes)), self.by)
        loading.load(self.house, self.git, commit, described)
        return Edit(commit, edit.blobs, edit.added, edit.removed)

    def draft(self, name: str) -> Edit:
        ref = DRAFTS + require_draft(name)
        commit, broken = self._commit(self.writes), None
        try:
            self._described(commit)
        except ManifestBroken as error:
            broken = error
        made = self.git.write("update-ref", "-m", "draft", ref, commit, "0" * len(commit), codes=(0, 128))
        if made.code:
            raise Conflict(f"there is a draft {name} already", hint="Choose another name, or apply or delete that one.")
        return Edit(commit, {path: _blob(commit, data) for path, data in self.writes.items()}, broken=broken)

    def _commit(self, writes: Writes, trailers: Trailers = ()) -> str:
        parents = (self.head, self.merges) if self.merges else (self.head,)
        name = "".join(char for char in self.by.name if char.isprintable() and char not in "<>\n") or "unknown"
        message = messages.with_trailers(self.title, trailers).decode()
        return changes.prepare(self.git, parents, writes, message, (name, f"{self.by.surface}@localhost"))

    def _described(self, commit: str) -> tuple[Described, Path]:
        described, place = describing.describe(self.house, self.git, commit), self.house.paths.checkouts / commit
        jobs_toml.read_tree(place)
        return described, place

    def _known(self) -> set[str]:
        with self.house.db.read() as db:
            return {job.id for job in rows.all_jobs(db)}

    def _complete(self, commit: str, place: Path, described: Described) -> str:
        """With the locks of what it asks for, and the lines that say what it does to the schedules. Somebody who edits
        `enabled` in the manifest means it: the entry of jobs.toml goes in the same commit."""
        text = jobs_toml.text_of(place)
        kept = text if jobs_toml.NAME in self.writes else consequences.without_stale(self.house, text, described[0])
        lines = consequences.trailers(self.house, described[0], jobs_toml.read(kept))
        more: dict[str, bytes | None] = {
            lock.path: lock.text.encode() for lock in consequences.locks(self.house, place, described[0])
        }
        if kept != text:
            more[jobs_toml.NAME] = kept.encode() if kept else None
        return self._commit({**self.writes, **more}, lines) if more or lines else commit


def conflict_of(
    git: Git, path: str, base: bytes | None, yours: bytes | None, theirs: bytes | None, like: str
) -> FileConflict:
    """Both texts and one made of both."""
    merged = merging.three_way(git, base or b"", yours or b"", theirs or b"") if None not in (yours, theirs) else None
    return FileConflict(
        path=path,
        blob=_blob(like, theirs),
        base=_text(base),
        yours=_text(yours),
        theirs=_text(theirs),
        merged=_text((merged or Merged(yours or theirs or b"", clean=False)).data) or "",
        clean=merged is not None and merged.clean and base is not None,
    )


def refuse(found: Sequence[FileConflict]) -> None:
    """Raises EditConflict if there is any."""
    if found:
        paths = ", ".join(each.path for each in found)
        raise EditConflict(
            f"{paths} changed since the edit was begun",
            hint="`conflicts` has both texts and one made of both; send the edit again for the blob that is there now.",
            conflicts=[asdict(each) for each in found],
        )


def require_draft(name: str) -> str:
    """Raises Invalid."""
    if not merging.DRAFT.match(name):
        raise Invalid(f"{name[:80]!r} is no name for a draft", hint="Letters, digits, - and _, at most 60 of them.")
    return name


def read(house: House, path: str) -> tuple[bytes | None, str]:
    """The file as it is in the folder now, and its blob id. Raises PathRefused, and SecretInFile: values go nowhere."""
    git = tree.repo(house)
    data = _in_tree(house, names.require_path(path))
    if data is not None:
        leaks.require_none(filter(None, [leaks.in_bytes(path, data, secrets.masker(house).finds)]))
    return data, _blob(git.head().commit or "", data) or ""


def _checked(house: House, writes: Writes) -> dict[str, bytes | None]:
    if not 0 < len(writes) <= MOST_FILES:
        raise Invalid(f"a change is of 1 to {MOST_FILES} files, not of {len(writes)}")
    finds = secrets.masker(house).finds
    for path, data in writes.items():
        names.require_path(path)
        if data is not None:
            names.require_text(path, data)
    leaks.require_none(
        found for path, data in writes.items() if data and (found := leaks.in_bytes(path, data, finds)) is not None
    )
    return dict(writes)


def _ready(git: Git) -> TreeState:
    """With the commit to go on from. Raises CommitBlocked when a person is in the middle of something."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        state = commits.state(git)
        if state.blocked is None and state.head is not None:
            return state
        if "at work" not in (state.blocked or "") or time.monotonic() > end:
            raise CommitBlocked(f"Nothing is committed: {state.blocked}", hint="Finish or abort it, then try again.")
        time.sleep(0.05)


def _expected(house: House, git: Git, wanted: Writes, expected: Mapping[str, str | None]) -> dict[str, bytes | None]:
    """The files as they are. Raises EditConflict where that is not what the edit was made for."""
    like = git.head().commit or ""
    found = {path: _in_tree(house, path) for path in wanted}
    masker = secrets.masker(house)
    stale = [
        conflict_of(
            git,
            path,
            changes.content(git, blob) if (blob := expected.get(path)) else None,
            wanted[path],
            None if data is None else masker.mask(data),
            like,
        )
        for path, data in found.items()
        if _blob(like, data) != expected.get(path) and data != wanted[path]
    ]
    refuse(stale)
    return found


def _commit_outside(house: House, git: Git, state: TreeState, writes: Writes, found: Writes) -> str:
    """What an editor left in these files becomes a commit of its own before it is written over; HEAD after that."""
    finds = secrets.masker(house).finds
    changed = [path for path in writes if path in state.changed]
    clean = [path for path in changed if leaks.in_bytes(path, found[path] or b"", finds) is None]
    if clean:
        loading.tell_commit(house, commits.commit_all(git, only=clean), SYSTEM)
    head = git.head().commit or ""
    at_head = listing(git, head)
    for path in writes:
        blob = at_head.get(path)
        if blob != _blob(head, found[path]):  # in no commit: it holds a secret, or git is told to ignore it
            beneath.put(git.work_tree, path, changes.content(git, blob) if blob else None, found[path])
    return head


def _in_tree(house: House, path: str) -> bytes | None:
    try:
        return beneath.read(house.paths.tree, path, names.LARGEST)
    except OSError as error:
        raise Invalid(f"{path} cannot be read as a file of the jobs repo: {error.strerror}") from error


def _blob(like: str, data: bytes | None) -> str | None:
    return None if data is None else changes.blob_of(data, like)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")


def _summary(writes: Writes) -> str:
    return messages.summary([("D" if data is None else "M", path) for path, data in writes.items()])

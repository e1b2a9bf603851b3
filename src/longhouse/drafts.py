"""Drafts: changes that wait on a branch of their own, `drafts/<name>`, until somebody applies or deletes them.

A change that does not load can be kept as one; so can what an agent commits in a work tree of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from longhouse import audit, edits
from longhouse.edits import Edit
from longhouse.errors import Conflict, Invalid, NotFound
from longhouse.house import By, House
from longhouse.repo import changes, commits, history, merging, names, tree
from longhouse.repo.changes import NOTHING
from longhouse.repo.git import Git

DRAFTS = edits.DRAFTS
PLAIN = (changes.PLAIN, changes.EXECUTABLE, NOTHING)


@dataclass(frozen=True)
class Draft:
    name: str
    commit: str
    author: str
    at: int
    """When it was committed, milliseconds."""
    subject: str


@dataclass(frozen=True)
class Shown:
    draft: Draft
    files: tuple[str, ...]
    diff: str
    cut: bool


def list_drafts(house: House) -> tuple[Draft, ...]:
    """Newest first; branches whose names have more than one part are no drafts."""
    words = "--format=%(refname:strip=3)%00%(objectname)%00%(authorname)%00%(committerdate:unix)%00%(subject)"
    out = tree.repo(house).read("for-each-ref", "--sort=-committerdate", words, DRAFTS).out
    found = (_draft(line) for line in out.decode("utf-8", "replace").split("\n") if line)
    return tuple(draft for draft in found if merging.DRAFT.match(draft.name))


def show(house: House, name: str) -> Shown:
    """With its diff against where it began. Raises NotFound."""
    git = tree.repo(house)
    draft = _get(house, name)
    base = _base(git, draft.commit)
    words = ("--no-ext-diff", "--no-textconv", "--no-renames", "-r", "--patch")
    diff = git.read("diff-tree", *words, base, draft.commit, limit=history.MAX_DIFF)
    changed = tuple(file.path for file in changes.files(git, base, draft.commit))
    return Shown(draft, changed, diff.out.decode("utf-8", "replace"), diff.cut)


def apply(house: House, name: str, by: By, *, confirm_removal: bool = False) -> Edit:
    """Merge it into what there is, as one commit; then it is gone. Raises what `edits.change` raises."""
    git = tree.repo(house)
    draft = _get(house, name)
    base = _base(git, draft.commit)
    writes: dict[str, bytes | None] = {}
    expected: dict[str, str | None] = {}
    conflicts = []
    for file in changes.files(git, base, draft.commit):
        names.require_path(file.path)
        if file.mode not in PLAIN:
            raise Invalid(f"{file.path} in the draft {name} is no plain file")
        before = None if file.mode_before == NOTHING else changes.content(git, file.before)
        theirs = None if file.mode == NOTHING else changes.content(git, file.after)
        now, blob = edits.read(house, file.path)
        expected[file.path], writes[file.path] = blob or None, theirs
        if now not in (before, theirs):
            found = edits.conflict_of(git, file.path, before, theirs, now, draft.commit)
            writes[file.path] = found.merged.encode()
            conflicts += [] if found.clean else [found]
    edits.refuse(conflicts)
    title = draft.subject or "Update jobs"
    edit = (
        edits.change(
            house, by, writes, expected=expected, message=title, confirm_removal=confirm_removal, merges=draft.commit
        )
        if writes
        else Edit(None, {})
    )
    _forget(git, draft)
    return edit


def delete(house: House, name: str, by: By) -> None:
    """Raises NotFound. Its commit stays in the repository until git cleans up; the audit trail has its id."""
    with house.repo_lock:
        draft = _get(house, name)
        _forget(tree.repo(house), draft)
    with house.db.write() as db:
        audit.record(house, db, by, "repo.draft_delete", f"draft:{name}", before={"commit": draft.commit})


def _get(house: House, name: str) -> Draft:
    found = next((draft for draft in list_drafts(house) if draft.name == name), None)
    if found is None:
        raise NotFound(f"there is no draft {name[:80]!r}")
    return found


def _forget(git: Git, draft: Draft) -> None:
    """Only if it is still what was looked at: somebody may have committed to it meanwhile."""
    done = git.write("update-ref", "-d", DRAFTS + draft.name, draft.commit, codes=(0, 1, 128))
    if done.code and git.ref(DRAFTS + draft.name) not in (None, draft.commit):
        raise Conflict(f"the draft {draft.name} has grown meanwhile", hint="Look at it again.")


def _base(git: Git, commit: str) -> str:
    """Where the draft left our branch."""
    head = git.ref(f"refs/heads/{commits.branch(git)}") or commit
    found = git.read("merge-base", head, commit, codes=(0, 1))
    if found.code:
        raise Conflict("the draft has no commit in common with the jobs repo's branch")
    return found.out.decode().split()[0]


def _draft(line: str) -> Draft:
    name, commit, author, seconds, subject = line.split("\0")
    return Draft(name, commit, author, int(seconds) * 1000, subject)

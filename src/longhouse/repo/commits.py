"""What is in the tree becomes a commit: every settled change, a trial, the way back to what last loaded."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from longhouse.errors import Conflict, NotFound
from longhouse.repo import locks, messages, plain
from longhouse.repo.git import BRANCH, Git, GitFailed, Head

LOADED = "refs/longhouse/loaded"
"""The last commit whose manifest loaded: what runs."""
TRIALS = "refs/longhouse/trials"
OURS = "refs/longhouse/branch"
"""Symbolic, to the branch that this instance commits to. Kept in the repo, so that it survives the database."""

UNDER_WAY = {
    "MERGE_HEAD": "a merge is under way",
    "rebase-merge": "a rebase is under way",
    "rebase-apply/applying": "git am is under way",
    "rebase-apply": "a rebase is under way",
    "CHERRY_PICK_HEAD": "a cherry-pick is under way",
    "REVERT_HEAD": "a revert is under way",
    "BISECT_LOG": "a bisect is under way",
    "sequencer": "a cherry-pick or revert of several commits is under way",
}


class CommitBlocked(Conflict):
    """Nothing is committed now, because it would spoil what a person is doing."""

    code = "repo.commit_blocked"


class Overtaken(CommitBlocked):
    """Somebody else has committed in between."""


@dataclass(frozen=True)
class TreeState:
    clean: bool
    """Nothing to commit."""
    staged: bool
    """Somebody has staged something and may be about to commit it himself."""
    blocked: str | None
    """Why nothing is committed now; None when it can be."""
    branch: str | None
    """Where HEAD is; None when detached."""
    head: str | None
    changed: tuple[str, ...] = ()
    """Paths that differ from HEAD, staged or not."""
    entries: tuple[tuple[str, str], ...] = ()
    """Of each, what git's status says in two letters."""


@dataclass(frozen=True)
class Committed:
    commit: str
    subject: str
    files: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    """git's words on files that could not be read and are in no commit."""


def state(git: Git) -> TreeState:
    """How the tree stands against HEAD. Takes no lock, changes no file of anybody. Raises ConfigRefused."""
    head, entries = git.head(), _status(git)
    while (now := git.head()) != head:  # somebody committed in between
        head, entries = now, _status(git)
    conflicts = tuple(path for code, path in entries if "U" in code or code in ("AA", "DD"))
    return TreeState(
        clean=not entries,
        staged=any(code[0] not in " ?!" for code, _ in entries),
        blocked=_under_way(git) or _conflict(conflicts) or _elsewhere(git, head.branch) or _held(git),
        branch=head.branch,
        head=head.commit,
        changed=tuple(path for _, path in entries),
        entries=tuple(entries),
    )


_state = state
"""For where a parameter has this name."""


@dataclass(frozen=True)
class Staged:
    """What the index holds and HEAD does not."""

    changes: tuple[tuple[str, str], ...]
    """(A|M|D|T, path)"""
    tree: str | None
    """Of a commit of it; None if somebody has staged other things besides."""
    before: Head
    """Where HEAD was."""
    left_out: tuple[str, ...] = ()
    """git's words on files that could not be read and are in no commit."""


def commit_all(
    git: Git,
    message: str | None = None,
    *,
    author: str | None = None,
    only: Sequence[str] = (),
    but: Sequence[str] = (),
    trailers: messages.Trailers = (),
    state: TreeState | None = None,
) -> Committed | None:
    """Commit everything in the tree; None if HEAD has it already. Raises CommitBlocked, ConfigRefused, GitFailed.

    `only` these paths, leaving the rest as it is, staged or not; or all `but` these, staged or not. `message` None:
    `Update jobs: ` and the files. `author` is `Name <address>`, for a change somebody made on a page. `state` is what
    the caller found a moment ago.
    """
    staged = stage(git, only=only, but=but, state=state)
    if not staged.changes:
        return None
    return commit_staged(git, staged, message, author=author, only=only, trailers=trailers)


def stage(git: Git, *, only: Sequence[str] = (), but: Sequence[str] = (), state: TreeState | None = None) -> Staged:
    """Bring the tree into the index; the rest as in commit_all. Raises what that raises."""
    git.check_config()
    state = state or _state(git)
    _require(state.blocked or _unfree(git, git.head()))
    before = Head(state.branch, state.head)
    changes = plain.found(git, state.entries, only, but)
    if changes is not None and (not changes or plain.stage(git, changes)):
        return Staged(changes, tree_of_index(git) if changes else None, before)
    if only:
        git.write("add", "--all", "--", *only)
        left_out: tuple[str, ...] = ()
    else:
        left_out = _add_all(git, but)
    found = staged_changes(git)
    chosen = tuple(change for change in found if not only or change[1] in only)
    return Staged(chosen, tree_of_index(git) if len(chosen) == len(found) else None, before, left_out)


def stage_more(git: Git, staged: Staged, paths: Sequence[str]) -> Staged:
    """With these paths of the tree, too."""
    git.write("add", "--all", "--", *paths)
    return replace(staged, changes=tuple(staged_changes(git)), tree=tree_of_index(git))


def commit_staged(
    git: Git,
    staged: Staged,
    message: str | None = None,
    *,
    author: str | None = None,
    only: Sequence[str] = (),
    trailers: messages.Trailers = (),
) -> Committed:
    """A commit of what was staged; `trailers` are the last lines of its message. Raises CommitBlocked when somebody
    else has committed meanwhile."""
    subject = message or f"Update jobs: {messages.summary(staged.changes)}"
    text = messages.with_trailers(subject, trailers)
    commit = _of_paths(git, text, author, only) if staged.tree is None else _of_tree(git, staged, text, author)
    return Committed(commit, subject.partition("\n")[0], tuple(path for _, path in staged.changes), staged.left_out)


def _of_tree(git: Git, staged: Staged, text: bytes, author: str | None) -> str:
    """The very tree that was staged, and nothing that somebody has staged since: that stays staged."""
    assert staged.tree is not None
    by = messages.author(author) if author else ()
    parents = ("-p", staged.before.commit) if staged.before.commit else ()
    made = git.write(*by, "commit-tree", staged.tree, *parents, data=messages.clean(text)).out.decode().strip()
    before = staged.before.commit or "0" * len(made)
    subject = text.decode().partition("\n")[0]
    words = ("update-ref", "-m", f"commit: {subject}", f"refs/heads/{staged.before.branch}", made, before)
    if git.write(*words, codes=(0, 128)).code:
        if git.ref(f"refs/heads/{staged.before.branch}") == staged.before.commit:
            raise CommitBlocked(
                "Nothing is committed: the branch cannot be moved", hint="Look at `git -C jobs status`."
            )
        raise Overtaken("Nothing is committed: somebody else has committed meanwhile", hint="Try again in a moment.")
    return made


def _of_paths(git: Git, text: bytes, author: str | None, only: Sequence[str]) -> str:
    """These paths alone, whatever else is staged."""
    signed = [f"--author={author}"] if author else []
    git.write("commit", "--quiet", "--no-verify", "-F", "-", *signed, "--only", "--", *only, data=messages.clean(text))
    commit = git.head().commit
    assert commit is not None
    return commit


def tree_of_index(git: Git) -> str:
    """The id of the tree that a commit of the index would have."""
    return git.write("write-tree").out.decode().strip()


def require_free(git: Git) -> None:
    """Raises CommitBlocked when a commit now would take part in something a person has not finished."""
    _require(_state(git).blocked)


def _require(why: str | None) -> None:
    if why:
        raise CommitBlocked(f"Nothing is committed: {why}", hint="Finish or abort it; the change is committed then.")


def snapshot(git: Git, tree: Path | None = None) -> str:
    """A commit of the files as they stand, on no branch, for a trial run; HEAD itself if nothing differs.

    Works during a merge, too. The person's index is not touched.
    """
    tree = tree or git.work_tree
    head = git.head().commit
    with _index(git) as index:
        with suppress(FileNotFoundError):
            shutil.copyfile(git.git_dir / "index", index)  # with it, unchanged files need not be read
        git.write("add", "--all", "--ignore-errors", "--", ".", index=index, work_tree=tree, codes=(0, 1))
        content = git.write("write-tree", index=index).out.decode().strip()
    if head is not None and content == git.read("rev-parse", f"{head}^{{tree}}").out.decode().strip():
        return head
    parents = ("-p", head) if head else ()
    commit = git.write("commit-tree", content, *parents, data=b"Trial").out.decode().strip()
    git.write("update-ref", f"{TRIALS}/{commit}", commit)
    return commit


def forget_trials(git: Git, keep: Iterable[str] = (), *, made_before: float = float("inf")) -> int:
    """Drop the refs of trials made before a time (seconds since the epoch) but for those in `keep`; git's own
    housekeeping then removes their objects."""
    kept = set(keep)
    trials = git.read("for-each-ref", "--format=%(objectname) %(committerdate:unix)", TRIALS).out.decode().splitlines()
    found = (line.split(" ") for line in trials)
    gone = [commit for commit, made in found if commit not in kept and int(made) < made_before]
    if gone:
        lines = "".join(f"delete {TRIALS}/{commit}\n" for commit in gone)
        git.write("update-ref", "--stdin", data=lines.encode())
    return len(gone)


def tidy(git: Git, *, loose: int = 2000) -> None:
    """git's own housekeeping, if there are more than so many loose objects: our calls leave it out."""
    git.write("-c", f"gc.auto={loose}", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")


def loaded(git: Git) -> str | None:
    return git.ref(LOADED)


def set_loaded(git: Git, commit: str) -> None:
    git.set_ref(LOADED, commit)


def branch(git: Git) -> str:
    """The branch this instance commits to."""
    with suppress(OSError):
        name = (git.git_dir / OURS).read_text("utf-8", "replace").strip().removeprefix("ref: refs/heads/")
        if BRANCH.match(name):
            return name
    return git.head().branch or "main"


def remember_branch(git: Git) -> None:
    """Where HEAD is becomes the instance's branch, unless it has one."""
    if not (git.git_dir / OURS).exists():
        git.write("symbolic-ref", OURS, f"refs/heads/{branch(git)}")


def restore_loaded(git: Git) -> Committed:
    """The files of the loaded commit as a new commit on top of everything, for a server that does not start any more.

    What is in the tree is committed first, so nothing is lost. `jobs.toml` stays as it is if it can be read: a job that
    somebody disabled since must not come back to life.
    """
    target = loaded(git)
    if target is None:
        raise NotFound("No commit of the jobs repo has ever loaded, so there is nothing to restore")
    commit_all(git)
    head = git.head().commit
    assert head is not None
    git.write("read-tree", "-m", "-u", head, _with_overrides_of(git, head, target))
    changes = staged_changes(git)
    if not changes:
        return Committed(head, "", ())
    subject = f"Update jobs: restore {target[:12]}, the last that loaded"
    git.write("commit", "--quiet", "--no-verify", "-F", "-", data=subject.encode())
    commit = git.head().commit
    assert commit is not None
    return Committed(commit, subject, tuple(path for _, path in changes))


def _with_overrides_of(git: Git, head: str, target: str) -> str:
    """The tree of `target`, but jobs.toml as `head` has it (or has it not), unless that cannot be read."""
    found = git.read("rev-parse", "--verify", "--quiet", f"{head}:jobs.toml", codes=(0, 1, 128))
    if found.code == 0 and not _readable_overrides(git, head):
        return f"{target}^{{tree}}"
    with _index(git) as index:
        git.write("read-tree", target, index=index)
        if found.code == 0:
            blob = found.out.decode().strip()
            git.write("update-index", "--add", "--cacheinfo", f"100644,{blob},jobs.toml", index=index)
        else:
            git.write("update-index", "--force-remove", "jobs.toml", index=index)
        return git.write("write-tree", index=index).out.decode().strip()


def _readable_overrides(git: Git, commit: str) -> bool:
    try:
        tomllib.loads(git.read("cat-file", "blob", f"{commit}:jobs.toml").out.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return True


@contextmanager
def _index(git: Git) -> Iterator[Path]:
    """Where an index may be that is nobody's but the caller's."""
    with tempfile.TemporaryDirectory(dir=git.home, prefix="index-") as folder:
        yield Path(folder) / "index"


def _status(git: Git) -> list[tuple[str, str]]:
    out = git.inspect("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames").out
    return [(item[:2].decode(), os.fsdecode(item[3:])) for item in out.split(b"\0") if item]


def staged_changes(git: Git) -> list[tuple[str, str]]:
    """(A|M|D|T, path) of what the index holds and HEAD does not."""
    out = git.inspect("diff", "--cached", "--name-status", "-z", "--no-renames", "--no-ext-diff", "--no-textconv").out
    items = [os.fsdecode(item) for item in out.split(b"\0") if item]
    return list(zip(items[::2], items[1::2], strict=True))


def _add_all(git: Git, but: Sequence[str]) -> tuple[str, ...]:
    """Stage everything that can be read; git's words on the rest. What is in `but` is not staged afterwards."""
    if but:
        git.write("reset", "--quiet", "--", *(f":(literal){path}" for path in but))
    others = (f":(exclude,literal){path}" for path in but)
    added = git.write("add", "--all", "--ignore-errors", "--", ".", *others, codes=(0, 1, 128))
    if added.code == 0:
        return ()
    said = git.scrub(added.err.decode("utf-8", "replace")).splitlines()
    words = tuple(line.removeprefix("error: ") for line in said if line.startswith("error: "))
    if added.code == 128 and not words:
        raise GitFailed(f"git add failed: {'; '.join(said[:3])}")
    return words


def _under_way(git: Git) -> str | None:
    return next((why for name, why in UNDER_WAY.items() if (git.git_dir / name).exists()), None)


def _unfree(git: Git, head: Head) -> str | None:
    """What can be told without asking git for the state of every file."""
    return _under_way(git) or _elsewhere(git, head.branch) or _held(git)


def _conflict(paths: Sequence[str]) -> str | None:
    return f"a conflict in {messages.printable(paths[0])} is not resolved" if paths else None


def _elsewhere(git: Git, at: str | None) -> str | None:
    ours = branch(git)
    if at == ours:
        return None
    return f"HEAD is {'on the branch ' + at if at else 'detached'}, and the branch of this instance is {ours}"


def _held(git: Git) -> str | None:
    """Somebody else's lock, of those that a commit needs. Stale ones are removed."""
    if git.writing:
        return None
    found = locks.heal(git).held
    needed = [name for name in found if not name.startswith("refs/") or name.startswith("refs/heads/")]
    return f"another git process is at work ({needed[0]})" if needed else None

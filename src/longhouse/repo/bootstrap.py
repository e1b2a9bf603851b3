"""From nothing, or from a folder somebody already has, to a jobs repo that works. Never overwrites a file.

The repository lies beside the work tree, not in it, and the tree's `.git` is a relative link to it: a moved data
directory stays whole, and plain `git -C jobs log` works. Every step can be cut short; the next start goes on.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from longhouse.errors import CannotStart, LonghouseError
from longhouse.masking import Masker
from longhouse.paths import Paths
from longhouse.repo import commits, history, hook, leaks, starter
from longhouse.repo.git import Git
from longhouse.repo.git_program import require_recent

BRANCH = "main"
MANIFEST = "manifest.py"
LINK = Path("..") / "jobs.git"
RESTORE = "Put jobs.git back from a backup of the data directory."


@dataclass(frozen=True)
class Booted:
    git: Git
    head: str
    branch: str
    created: bool
    """Something was made: the repository, the folder, a file."""
    adopted: bool
    """The folder, or its repository, was there before we were."""
    sample: str | None
    """Id of the sample job, if this call made it."""


def ensure(paths: Paths, *, known_commits: bool) -> Booted:
    """The jobs repo, made or adopted as far as it is not there. Raises CannotStart.

    `known_commits`: the database has seen commits of this repo, so an absent repository is a loss, not a beginning.
    """
    try:
        return _ensure(paths, known_commits)
    except OSError as error:
        raise CannotStart(
            f"The jobs repo cannot be created: {error.strerror} ({error.filename or paths.tree})",
            hint=f"The server needs to write to {paths.data}.",
        ) from error
    except CannotStart:
        raise
    except LonghouseError as error:
        raise CannotStart(f"The jobs repo cannot be made ready. {error.message}", hint=error.hint) from error


def _ensure(paths: Paths, known_commits: bool) -> Booted:
    _refuse_odd_places(paths)
    had_files = paths.tree.is_dir() and any(paths.tree.iterdir())
    _drop_empty(paths.git_dir)
    git = opened(paths)
    require_recent(git.version(), git.program)
    made = adopted = False
    if not paths.git_dir.exists():
        made, adopted = True, had_files
        _refuse_lost_repository(paths, known_commits)
        _adopt(paths) if (paths.tree / ".git").is_dir() else _create(paths)
    head = _require_whole(git, known_commits)
    made |= _link(paths)
    hook.install(paths)
    commits.remember_branch(git)
    if head and not _files(paths.tree):
        _restore_tree(git, head)
        made = True
    written = _write_starter(paths.tree, git, head, everything=adopted or head is None)
    if head is None or adopted or written:
        found = leaks.in_files(paths.tree, commits.state(git).changed, Masker().finds)
        subject = "Update jobs: first commit" if head is None else None
        commits.commit_all(git, subject, but=[leak.path for leak in found])
    now = git.head()
    if now.commit is None:
        raise CannotStart("The first commit of the jobs repo could not be made", hint="Look at `git -C jobs status`.")
    return Booted(
        git=git,
        head=now.commit,
        branch=commits.branch(git),
        created=made or bool(written),
        adopted=adopted,
        sample=starter.SAMPLE if (head is None or written) and _is_starter(paths.tree / MANIFEST) else None,
    )


@lru_cache(maxsize=8)
def opened(paths: Paths) -> Git:
    """git for the jobs repo of this data directory, there or not. Always the same: it remembers what it checked."""
    return Git(paths.git_dir, paths.tree, paths.cache / "git")


def _refuse_odd_places(paths: Paths) -> None:
    for place in (paths.tree, paths.git_dir):
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise CannotStart(
                f"{place} is not a folder",
                hint="Move it away, or use another data directory. A link does not do: the repo holds a relative one.",
            )
    link, there = paths.tree / ".git", paths.git_dir.is_dir() and any(paths.git_dir.iterdir())
    if there and link.is_dir() and not link.is_symlink():
        raise CannotStart(
            f"There are two repositories of the jobs: {link} and {paths.git_dir}",
            hint=f"Keep one: move {link} away to keep the history of this instance.",
        )
    if _leads_elsewhere(link, paths.git_dir):
        raise CannotStart(
            f"{link} leads to a repository elsewhere, and the jobs repo has to be {paths.git_dir}",
            hint="Clone it into the jobs folder, or remove the link to begin a new history.",
        )


def _leads_elsewhere(link: Path, git_dir: Path) -> bool:
    """Whether `.git` is a link or a gitfile to something that exists and is not ours."""
    if link.is_symlink():
        return link.exists() and not (git_dir.exists() and link.samefile(git_dir))
    if not link.is_file():
        return False
    target = link.parent / link.read_text("utf-8", "replace").removeprefix("gitdir:").strip()
    return target.exists() and not (git_dir.exists() and target.samefile(git_dir))


def _refuse_lost_repository(paths: Paths, known_commits: bool) -> None:
    if known_commits:
        raise CannotStart(f"{paths.git_dir} is gone, and with it the history this instance ran from", hint=RESTORE)
    if _present(paths.tree / ".git") and not (paths.tree / ".git").is_dir():
        raise CannotStart(
            f"{paths.tree / '.git'} leads to a repository that is not there",
            hint=f"{RESTORE} Or remove {paths.tree / '.git'} to begin a new history with the files as they are.",
        )


def _present(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _drop_empty(git_dir: Path) -> None:
    """An empty folder (a mount point, say) is as good as none."""
    with suppress(OSError):
        git_dir.rmdir()


def _create(paths: Paths) -> None:
    paths.tree.mkdir(parents=True, exist_ok=True)
    _in_one_step(paths, lambda place: Git(place, paths.tree, paths.cache / "git").create(BRANCH))


def _adopt(paths: Paths) -> None:
    """The `.git` folder of an existing repo becomes jobs.git, with all its history."""
    theirs = paths.tree / ".git"
    commits.require_free(Git(theirs, paths.tree, paths.cache / "git"))
    try:
        theirs.rename(paths.git_dir)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _in_one_step(paths, lambda place: shutil.copytree(theirs, place, symlinks=True))
        shutil.rmtree(theirs)


def _in_one_step(paths: Paths, make: Callable[[Path], object]) -> None:
    """`make` a repository at another place, then give it its name: half a repository is never found at a start."""
    place = paths.data / ".jobs.git.new"
    shutil.rmtree(place, ignore_errors=True)
    make(place)
    place.rename(paths.git_dir)


def _require_whole(git: Git, known_commits: bool) -> str | None:
    """The commit that HEAD is at, None before the first one. Raises CannotStart when the repository is damaged."""
    missing = [name for name in ("HEAD", "config", "objects", "refs") if not (git.git_dir / name).exists()]
    if missing:
        raise CannotStart(f"{git.git_dir} is not a whole git repository: {', '.join(missing)} missing", hint=RESTORE)
    head = git.head().commit
    if head is None and known_commits:
        raise CannotStart(f"{git.git_dir} has no commit, though this instance ran from some", hint=RESTORE)
    if head is not None:
        try:
            git.read("ls-tree", "-r", "--full-tree", "--name-only", head)
        except LonghouseError as error:
            raise CannotStart(f"{git.git_dir} is damaged: {error.message}", hint=RESTORE) from error
    return head


def _link(paths: Paths) -> bool:
    """The tree's `.git`. True if it had to be made."""
    link = paths.tree / ".git"
    paths.tree.mkdir(exist_ok=True)
    if link.is_symlink() and os.readlink(link) == str(LINK):
        return False
    if link.is_file() and not link.is_symlink() and (paths.tree / _gitfile(link)).exists():
        return False  # a gitfile of this very place; it is replaced once the data directory has moved
    link.unlink(missing_ok=True)
    link.symlink_to(LINK)
    return True


def _gitfile(link: Path) -> str:
    return link.read_text("utf-8", "replace").removeprefix("gitdir:").strip()


def _files(tree: Path) -> list[Path]:
    return [path for path in tree.iterdir() if path.name != ".git"]


def _restore_tree(git: Git, head: str) -> None:
    """The folder is gone or empty, its history is not: put the committed files back."""
    git.write("read-tree", "--reset", "-u", head)


def _write_starter(tree: Path, git: Git, head: str | None, *, everything: bool) -> list[str]:
    """Starter files that neither the tree nor the history has: all of them, or just the manifest."""
    missing = [path for path in starter.SOURCES if not _present(tree / path)]
    if not everything:
        missing = [path for path in missing if path == MANIFEST]
    wanted = [path for path in missing if head is None or not history.ever_held(git, head, path)]
    if MANIFEST in missing and MANIFEST not in wanted:
        raise CannotStart(
            f"{tree / MANIFEST} is missing, and the history of the jobs repo has it",
            hint="Put it back: longhouse-jobs repo restore --loaded",
        )
    if MANIFEST not in wanted and not _is_starter(tree / MANIFEST):
        wanted = [path for path in wanted if not path.startswith("jobs/")]  # the sample is of no use unregistered
    bare = not ("jobs/hello.py" in wanted or _is_starter(tree / MANIFEST))
    for path in wanted:
        _write(tree / path, starter.text(path, bare=bare))
    return wanted


def _is_starter(manifest: Path) -> bool:
    """Whether it is ours, from a first boot that was cut short."""
    try:
        return manifest.read_text("utf-8") == starter.text(MANIFEST)
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.swp")
    part.write_text(text, encoding="utf-8")
    part.rename(path)

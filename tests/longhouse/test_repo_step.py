"""A step of the branch over commits that somebody else made: all of it, or nothing and a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from longhouse.paths import Paths
from longhouse.repo import bootstrap, changes, commits, divergence
from longhouse.repo.git import Git

THEM = ("they", "they@localhost")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    bootstrap.ensure(Paths(tmp_path / "data"), known_commits=False)
    return bootstrap.opened(Paths(tmp_path / "data"))


def coming(git: Git, *steps: changes.Writes) -> tuple[str, str]:
    """Where the branch is, and the last of new commits on top that it does not have."""
    old = new = git.head().commit or ""
    for writes in steps:
        new = changes.prepare(git, [new], writes, "Theirs", THEM)
    return old, new


def test_many_files_of_several_commits_are_taken(git: Git):
    many: dict[str, bytes | None] = {f"jobs/many/n{n}.py": b"n = %d\n" % n for n in range(120)}
    old, new = coming(git, many, {"jobs/hello.py": None, "empty.txt": b"", "jobs/many/n7.py": b"seven\n"})
    divergence.advance(git, old, new)
    state = commits.state(git)
    assert state.head == new and state.clean and state.branch == "main"
    assert (git.work_tree / "jobs/many/n119.py").read_bytes() == b"n = 119\n"
    assert (git.work_tree / "jobs/many/n7.py").read_bytes() == b"seven\n"
    assert (git.work_tree / "empty.txt").read_bytes() == b"" and not (git.work_tree / "jobs/hello.py").exists()
    assert git.ref(changes.ADVANCING) is None


@pytest.mark.parametrize("path", ["manifest.py", "new.py"])
def test_what_is_in_no_commit_stays_and_nothing_is_taken(git: Git, path: str):
    old, new = coming(git, {"manifest.py": b"# theirs\n", "new.py": b"theirs\n"})
    (git.work_tree / path).write_bytes(b"# mine\n")
    with pytest.raises(divergence.InTheWay, match=path):
        divergence.advance(git, old, new)
    assert git.head().commit == old and (git.work_tree / path).read_bytes() == b"# mine\n"


def test_a_commit_that_somebody_makes_meanwhile_is_not_stepped_over(git: Git):
    old, new = coming(git, {"manifest.py": b"# theirs\n"})
    (git.work_tree / "own.py").write_bytes(b"mine\n")
    made = commits.commit_all(git)
    assert made is not None
    with pytest.raises(commits.Overtaken, match="committed meanwhile"):
        divergence.advance(git, old, new)
    assert git.head().commit == made.commit and commits.state(git).clean and git.ref(changes.ADVANCING) is None


def test_a_link_to_another_repository_goes_without_touching_what_is_there(git: Git):
    """Those that come are refused before; one of our own, from an adopted history, may go."""
    old = git.head().commit or ""
    git.write("update-index", "--add", "--cacheinfo", f"160000,{old},other")
    with_link = git.write("commit-tree", commits.tree_of_index(git), "-p", old, data=b"Link").out.decode().strip()
    git.write("update-ref", "refs/heads/main", with_link, old)
    os.mkdir(git.work_tree / "other")
    (git.work_tree / "other" / "kept").write_bytes(b"kept\n")
    changes.advance(git, with_link, changes.prepare(git, [with_link], {"other": None}, "Theirs", THEM), "main")
    assert (git.work_tree / "other" / "kept").read_bytes() == b"kept\n"

"""Kill -9 at calls to the system of save and commit: an edit is in history whole, or nothing of it is anywhere."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longhouse.paths import Paths
from longhouse.repo import beneath, bootstrap, changes, commits
from tests.instance import until
from tests.reliability.edit_process import COMING, WRITES, come
from tests.reliability.seeds import a_seed
from tests.reliability.test_p02_kills import ROOT

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


WHAT = {False: "save and commit", True: "taking commits from elsewhere"}


class Author:
    stepping = False
    """It takes commits that somebody else made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = folder / "template"
        bootstrap.ensure(Paths(self.template), known_commits=False)
        bootstrap.opened(Paths(self.template)).inspect("status")
        argv = [sys.executable, "-m", "tests.reliability.edit_process"]
        self.process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def change(self, number: int, *strace: str) -> tuple[Path, int]:
        """A fresh repo that one change was made in under strace; with the calls to the system that its process made."""
        assert self.process.stdin and self.process.stdout
        data, trace = self.folder / f"d{number}", self.folder / f"t{number}"
        shutil.copytree(self.template, data, symlinks=True)
        self.process.stdin.write(f"{data}\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        until(lambda: "T (stopped)" in Path(f"/proc/{pid}/status").read_text(), what="the author waits")
        tracer = subprocess.Popen(
            ["strace", "-qq", "-o", str(trace), "-p", str(pid), *strace], stderr=subprocess.DEVNULL, cwd=ROOT
        )
        until(lambda: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text(), what="strace looks on")
        subprocess.run(["kill", "-CONT", str(pid)], check=True)
        assert self.process.stdout.readline() == "ended\n"
        tracer.wait(20)
        calls = len(trace.read_text(errors="replace").splitlines()) if trace.exists() else 0
        trace.unlink(missing_ok=True)
        return data, calls


@pytest.fixture(params=["an edit", "commits from elsewhere"])
def author(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Author]:
    found = Author(tmp_path)
    if request.param != "an edit":
        come(found.template)
        found.stepping = True
    yield found
    found.process.kill()
    found.process.communicate()


def whole(tree: Path, before: Path) -> None:
    """Every file has all of its old bytes or all of its new ones."""
    for path, data in WRITES.items():
        now = (tree / path).read_bytes() if (tree / path).exists() else None
        old = (before / path).read_bytes() if (before / path).exists() else None
        assert now in (old, data), path


def look(data: Path, template: Path, *, finish: bool = True) -> str:
    """What a crash left, and what it is after the next start: "whole" or "nothing", which must be all of it."""
    whole(data / "jobs", template / "jobs")
    git = bootstrap.opened(Paths(data))
    end = time.monotonic() + 10
    while subprocess.run(["pgrep", "-f", f"git-dir={data}/"], capture_output=True).returncode == 0:
        assert time.monotonic() < end, "what git was doing ends by itself"
        time.sleep(0.01)
    before = git.ref("refs/heads/main")
    held = git.ref(changes.PENDING) or before
    assert git.ref(COMING) is None or held == before, "the journal of a step has a name of its own"
    accepted = (data / "accepted").read_text() if (data / "accepted").exists() else ""
    assert not accepted or accepted in (before, held)
    for lock in data.rglob("*.lock"):  # their age is P32's subject
        if lock.name != "jobs.lock":
            lock.unlink()
    if finish:
        changes.complete(git, "main")
    fsck = git.read("fsck", "--strict", "--no-dangling", codes=(0, 1, 2, 4))
    assert fsck.code == 0, fsck.err
    state = commits.state(git)
    edited = state.head != bootstrap.opened(Paths(template)).head().commit
    assert not accepted or state.head == accepted
    expected = WRITES if edited else {path: _bytes(template / "jobs" / path) for path in WRITES}
    there = {path: _bytes(data / "jobs" / path) for path in WRITES}
    assert there == expected, "all of it or nothing"
    assert state.clean and not list((data / "jobs").rglob(f"*{beneath.TEMPORARY}"))
    return "whole" if edited else "nothing"


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def kills(author: Author, points: int, seed: str) -> Counter[str]:
    data, calls = author.change(0)
    assert look(data, author.template) == "whole" and calls > 300
    found: Counter[str] = Counter()
    pick = random.Random(seed)
    span = calls / points
    chosen = [pick.randint(int(n * span) + 1, max(int(n * span) + 1, int((n + 1) * span))) for n in range(points)]
    for number, when in enumerate(chosen, 1):
        data, _ = author.change(number, "-e", f"inject=all:signal=SIGKILL:when={when}")
        accepted = (data / "accepted").exists()
        found["accepted" if accepted else look(data, author.template)] += 1
        if accepted:
            look(data, author.template)
        shutil.rmtree(data)
    return found


def split_by_a_kill(author: Author) -> Path:
    """What a kill right after the branch moved leaves: the commit is there, its files are not."""
    data = author.folder / "split"
    shutil.copytree(author.template, data, symlinks=True)
    git = bootstrap.opened(Paths(data))
    head = git.head().commit
    assert head is not None
    coming = git.ref(COMING)
    commit = coming or changes.prepare(git, [head], WRITES, "Change", ("me", "me@localhost"))
    if coming:
        step = git.write("commit-tree", f"{coming}^{{tree}}", "-p", head, "-p", coming, data=b"A step")
        git.write("update-ref", changes.ADVANCING, step.out.decode().strip())
    else:
        git.write("update-ref", changes.PENDING, commit)
    git.write("update-ref", "refs/heads/main", commit, head)
    return data


def _prove(author: Author, points: int, proves: Callable[..., None]) -> None:
    seed = a_seed()
    found = kills(author, points, seed)
    total = sum(found.values())
    assert total == points > found["nothing"] > 0, found
    data = split_by_a_kill(author)
    with pytest.raises(AssertionError, match="all of it or nothing"):
        look(data, author.template, finish=False)
    assert look(data, author.template) == "whole"
    proves(
        "P31",
        figure=f"{WHAT[author.stepping]} killed at {total} of its system calls: {found['nothing']} left nothing, "
        f"{total - found['nothing']} all of it in history and in the files; 0 split, git fsck clean",
        control="a kill between branch and files, the journal not read: an edit in history and not in the files",
    )


def test_an_edit_is_in_history_whole_or_not_at_all(author: Author, proves: Callable[..., None]):
    _prove(author, 13 if author.stepping else 25, proves)


@pytest.mark.soak
def test_an_edit_is_in_history_whole_or_not_at_all_often(author: Author, proves: Callable[..., None]):
    _prove(author, 300, proves)

"""A process that saves and commits one change and says when it is accepted; it is killed at some call to the system.
Where commits of somebody else wait at COMING, it takes these instead.

Started once: each change is done by a fork of it, so that what is counted is the change and not the start of Python.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from longhouse.paths import Paths
from longhouse.repo import beneath, bootstrap, changes, divergence

WRITES: dict[str, bytes | None] = {
    "manifest.py": b"# new\n" * 500,
    "jobs/new/deep.py": b"new = 1\n" * 500,
    "jobs/hello.py": None,
}


COMING = "refs/longhouse/coming"


def change(data: Path) -> None:
    git = bootstrap.opened(Paths(data))
    head, commit = git.head().commit, git.ref(COMING)
    assert head is not None
    if commit is None:
        commit = changes.prepare(git, [head], WRITES, "Change", ("me", "me@localhost"))
        changes.accept(git, commit, "main")
    else:
        beneath.FEW = 0  # all at once, as the many files of such a step usually are
        divergence.advance(git, head, commit)
    (data / "accepted").write_text(commit)


def come(data: Path) -> None:
    """The same writes, as two commits that somebody else made."""
    git = bootstrap.opened(Paths(data))
    made = git.head().commit
    assert made is not None
    for writes in (dict(list(WRITES.items())[:1]), dict(list(WRITES.items())[1:])):
        made = changes.prepare(git, [made], writes, "Theirs", ("they", "they@localhost"))
    git.set_ref(COMING, made)


def main() -> None:
    """Lines in: a data directory. Lines out: the id of the stopped process that will change it when it goes on."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
            try:
                change(Path(line.strip()))
            finally:
                os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main()

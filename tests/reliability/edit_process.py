"""A process that saves and commits one change and says when it is accepted; it is killed at some call to the system.

Started once: each change is done by a fork of it, so that what is counted is the change and not the start of Python.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from longhouse.paths import Paths
from longhouse.repo import bootstrap, changes

WRITES: dict[str, bytes | None] = {
    "manifest.py": b"# new\n" * 500,
    "jobs/new/deep.py": b"new = 1\n" * 500,
    "jobs/hello.py": None,
}


def change(data: Path) -> None:
    git = bootstrap.opened(Paths(data))
    head = git.head().commit
    assert head is not None
    commit = changes.prepare(git, [head], WRITES, "Change", ("me", "me@localhost"))
    changes.accept(git, commit, "main")
    (data / "accepted").write_text(commit)


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

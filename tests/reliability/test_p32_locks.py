"""git's locks: one that a dead process left heals within seconds, one that somebody holds is never removed."""

from __future__ import annotations

import os
import time

import pytest

from longhouse import loading
from longhouse.repo import commits, locks
from tests.instance import until
from tests.longhouse.test_sync import local, write

__all__ = ["local"]

LEFT = ("index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "refs/heads/main.lock")


@pytest.mark.parametrize("tries", [25, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_stale_lock_heals_and_a_held_one_stays(house, local, monkeypatch, tries, proves):
    before = local.head().commit
    for name in LEFT:
        (local.git_dir / name).touch()
    write(house, "jobs/edit.py", "x = 1\n")
    began = time.monotonic()

    def committed() -> bool:
        loading.settle(house)
        return local.head().commit != before

    until(committed, seconds=30, what="the edit is committed")
    healed = time.monotonic() - began
    assert not any((local.git_dir / name).exists() for name in LEFT)
    assert healed <= 10  # the promise is 5 s on a machine that does nothing else

    removed = 0
    for name in LEFT:
        path = local.git_dir / name
        with path.open("w"):
            os.utime(path, (0, 0))  # as old as can be: its age alone would make it stale
            for _ in range(tries // len(LEFT)):
                assert locks.heal(local).held == (name,)
                removed += not path.exists()
        path.unlink()
    path = local.git_dir / "index.lock"
    with path.open("w"):
        os.utime(path, (0, 0))
        write(house, "jobs/edit.py", "x = 2\n")
        loading.settle(house)
        assert "index.lock" in (commits.state(local).blocked or "")  # and it is said
        monkeypatch.setattr(locks, "_same_file", lambda *_: False)
        monkeypatch.setattr(locks, "_git_at_work", lambda *_: False)
        lost = len(locks.heal(local).healed)
    assert removed == 0 and lost == 1
    proves(
        "P32",
        figure=f"{len(LEFT)} stale locks gone and the edit committed after {healed:.1f} s; held locks "
        f"removed: {removed} of {tries}",
        control=f"without the look at who holds it: {lost} of 1 removed",
    )

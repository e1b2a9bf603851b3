"""What a change of the jobs repo costs: from the save to the commit, the checkout and the jobs it registers."""

import gc
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.house import opened

from longhouse import describing, loading
from longhouse.clock import SystemClock
from longhouse.house import House
from longhouse.paths import Paths
from longhouse.repo import bootstrap, checkouts, commits

ROUNDS = 15
JOBS = 500
"""At most; files beyond are there and no job's."""


def main() -> None:
    gc.freeze()  # as the server does before it serves
    first_boot()
    for count in (5, 500, 5000):
        with repo_of(count) as house:
            print(f"-- {count} files, {min(count, JOBS)} of them job modules")
            edits(house)
            reading(house)


def first_boot() -> None:
    def boot() -> None:
        with tempfile.TemporaryDirectory() as folder:
            bootstrap.ensure(Paths(Path(folder)), known_commits=False)

    report("first boot: folder, files, repository, commit", boot)


def edits(house: House) -> None:
    """What the watch does once an edit has come to rest."""
    numbers = iter(range(10**6))
    git, tree = bootstrap.opened(house.paths), house.paths.tree
    manifest_text = (tree / "manifest.py").read_text()

    def a_function() -> None:
        (tree / "jobs" / "j0.py").write_text(f"def run():\n    return {next(numbers)}\n")

    def a_schedule() -> None:
        (tree / "manifest.py").write_text(manifest_text.replace("'0 8", f"'{next(numbers) % 60} 9", 1))

    report("state of a tree with one change", lambda: commits.state(git), before=a_function)
    for what, edit in (("a function", a_function), ("a schedule", a_schedule)):
        whole, committed = [], []
        for _ in range(ROUNDS):
            edit()
            began = time.perf_counter()
            with told() as at:
                loading.settle(house)
            whole.append((time.perf_counter() - began) * 1000)
            committed.append((at[0] - began) * 1000)
        line(f"{what} edited: from save to committed", committed)
        line(f"{what} edited: loaded and rescheduled", whole)
    a_function()
    report("snapshot for a trial", lambda: commits.snapshot(git), before=a_function)
    commits.commit_all(git)


@contextmanager
def told() -> Iterator[list[float]]:
    """When commits were made."""
    found: list[float] = []
    tell = loading.tell_commit

    def note(*words: Any) -> None:
        found.append(time.perf_counter())
        tell(*words)

    loading.tell_commit = note
    try:
        yield found
    finally:
        loading.tell_commit = tell


def reading(house: House) -> None:
    git, folder = bootstrap.opened(house.paths), house.paths.checkouts
    head = git.head().commit
    assert head is not None

    def forget() -> None:
        checkouts.prune(folder, (), idle_seconds=0)

    report("checkout, new", lambda: checkouts.checkout(git, folder, head), before=forget, rounds=5)
    report("checkout, compared and used again", lambda: checkouts.checkout(git, folder, head))
    report("manifest read", lambda: describing.describe(house, git, head), rounds=5)


@contextmanager
def repo_of(count: int) -> Iterator[House]:
    folder = Path(tempfile.mkdtemp())
    try:
        with opened(folder / "data", SystemClock()) as house:
            tree, jobs = house.paths.tree, range(min(count, JOBS))
            house.paths.work.mkdir(exist_ok=True)
            bootstrap.ensure(house.paths, known_commits=False)
            for number in range(count):
                (tree / "jobs" / f"j{number}.py").write_text(f"def run():\n    return {number}\n")
            imports = "".join(f"from jobs.j{number} import run as r{number}\n" for number in jobs)
            registers = "".join(
                f"job_registry.register(JobConfig(id='j{number}', cron='0 8 * * *', func=r{number}))\n"
                for number in jobs
            )
            text = f"from zerg.jobs import JobConfig, job_registry\n{imports}{registers}"
            (tree / "manifest.py").write_text(text)
            loading.settle(house)
            yield house
            checkouts.prune(house.paths.checkouts, (), idle_seconds=0)
    finally:
        shutil.rmtree(folder)


def report(
    what: str, act: Callable[[], object], *, before: Callable[[], object] = lambda: None, rounds: int = ROUNDS
) -> None:
    times = []
    for _ in range(rounds):
        before()
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    line(what, times)


def line(what: str, times: Sequence[float]) -> None:
    print(f"{what:50} p50 {statistics.median(times):8.1f} ms   max {max(times):8.1f} ms")

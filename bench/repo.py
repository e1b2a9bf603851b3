"""What a change of the jobs repo costs: from the save to the commit, the checkout and the jobs it registers."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from longhouse.launch.local import LocalLauncher
from longhouse.launch.python import Interpreter
from longhouse.launch.sdk import sdk
from longhouse.paths import Paths
from longhouse.repo import bootstrap, checkouts, commits, manifest
from longhouse.repo.git import Git

ROUNDS = 15


def main() -> None:
    first_boot()
    launcher = LocalLauncher()
    try:
        for count in (5, 500, 5000):
            with repo_of(count) as (paths, git):
                print(f"-- {count} job files")
                changes(paths, git)
                reading(paths, git, launcher)
    finally:
        launcher.close()


def first_boot() -> None:
    def boot() -> None:
        with tempfile.TemporaryDirectory() as folder:
            bootstrap.ensure(Paths(Path(folder)), known_commits=False)

    report("first boot: folder, files, repository, commit", boot)


def changes(paths: Paths, git: Git) -> None:
    numbers = iter(range(10**6))

    def edit() -> None:
        (paths.tree / "jobs" / "j0.py").write_text(f"def run():\n    return {next(numbers)}\n")

    report("state of a tree with one change", lambda: commits.state(git), before=edit)
    report("one change committed", lambda: commits.commit_all(git), before=edit)
    report("snapshot for a trial", lambda: commits.snapshot(git), before=edit)
    commits.commit_all(git)


def reading(paths: Paths, git: Git, launcher: LocalLauncher) -> None:
    head = git.head().commit
    assert head is not None

    def forget() -> None:
        checkouts.prune(paths.checkouts, (), idle_seconds=0)

    report("checkout, new", lambda: checkouts.checkout(git, paths.checkouts, head), before=forget, rounds=5)
    report("checkout, compared and used again", lambda: checkouts.checkout(git, paths.checkouts, head))
    reader = manifest.Reader(launcher, sdk(paths.cache), paths.work, timeout_seconds=60)
    tree, base = checkouts.checkout(git, paths.checkouts, head), Interpreter.base()

    def load() -> None:
        manifest.load(reader, tree, base, script_interpreter=lambda file: base)

    report("manifest read", load, rounds=5)


@contextmanager
def repo_of(count: int) -> Iterator[tuple[Paths, Git]]:
    folder = Path(tempfile.mkdtemp())
    paths = Paths(folder / "data")
    try:
        git = bootstrap.ensure(paths, known_commits=False).git
        for number in range(count):
            (paths.tree / "jobs" / f"j{number}.py").write_text(f"def run():\n    return {number}\n")
        imports = "".join(f"from jobs.j{number} import run as r{number}\n" for number in range(count))
        registers = "".join(
            f"job_registry.register(JobConfig(id='j{number}', cron='0 8 * * *', func=r{number}))\n"
            for number in range(count)
        )
        text = f"from zerg.jobs import JobConfig, job_registry\n{imports}{registers}"
        (paths.tree / "manifest.py").write_text(text)
        commits.commit_all(git)
        yield paths, git
    finally:
        checkouts.prune(paths.checkouts, (), idle_seconds=0)
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
    print(f"{what:50} p50 {statistics.median(times):8.1f} ms   max {max(times):8.1f} ms")

"""What the manifest of a commit registers, and in which environments. A reading can begin beside other work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path

from longhouse.errors import LonghouseError, ManifestBroken
from longhouse.house import House
from longhouse.launch.local import Child
from longhouse.launch.python import Interpreter
from longhouse.repo import checkouts
from longhouse.repo import manifest as reading
from longhouse.repo.git import Git
from longhouse.repo.plain import Changes
from longhouse.repo.requirements import REQUIREMENTS
from longhouse.triggers import BadCron, trigger_of
from zerg._wire import JobDescription

Described = tuple[tuple[JobDescription, ...], dict[str, str]]
"""What a manifest registers, and the key of each job's environment."""
Busy = Callable[[str, int], None]
"""Told the file and line that a slow manifest has been at for some seconds."""

Asked = Future[Child]
"""The child that executes a manifest."""


class NoEnvironment(ManifestBroken):
    """The manifest may be fine, but its packages cannot be had now."""


def _silent(_file: str, _line: int) -> None:
    return


def describe(house: House, git: Git, commit: str, busy: Busy = _silent) -> Described:
    """What the manifest of a commit, or of a tree's id, registers; its checkout is there afterwards, even if that is
    ManifestBroken."""
    with _starting(house, packages=REQUIREMENTS in checkouts.listing(git, commit)) as ask:
        tree = checkouts.checkout(git, house.paths.checkouts, commit)
        return _heard(house, ask(tree).result(), tree, busy)


class Ahead:
    """`describe` for a tree that is about to be staged. Its manifest is read from a draft; what came of that counts if
    the draft is what was staged, byte by byte."""

    def __init__(
        self, house: House, git: Git, busy: Busy, read: Callable[[], tuple[Path, Asked]] | None = None
    ) -> None:
        """`read` makes the draft and has it read, or raises NoDraft; None: there is nothing to gain."""
        self.house = house
        self.git = git
        self.busy = busy
        self._read = read
        self._begun: tuple[Path, Asked] | None = None

    def begin(self) -> None:
        """Have the files read as they stand now, while the caller goes on."""
        if self._begun is None and self._read is not None:
            with suppress(checkouts.NoDraft):
                self._begun = self._read()

    def describe(self, tree: str) -> Described:
        """Of the tree's id; its checkout is there afterwards."""
        self.begin()
        if self._begun is None or not checkouts.matches(self._begun[0], checkouts.listing(self.git, tree)):
            return describe(self.house, self.git, tree, self.busy)
        (draft, asked), self._begun = self._begun, None
        try:
            return _heard(self.house, asked.result(), draft, self.busy)
        finally:
            checkouts.put_draft(self.git, self.house.paths.checkouts, draft, tree)

    def close(self) -> None:
        if self._begun is not None:
            checkouts.discard_draft(self._begun[0])


@contextmanager
def ahead(house: House, git: Git, head: str | None, changes: Changes, busy: Busy) -> Iterator[Ahead]:
    """For the tree of the commit `head` with these changes. Its reader starts at once."""
    few = 0 < len(changes) <= checkouts.MOST_WRITTEN and all(path != REQUIREMENTS for _, path in changes)
    if head is None or not few:
        yield Ahead(house, git, busy)
        return
    with _starting(house, packages=REQUIREMENTS in checkouts.listing(git, head)) as ask:

        def read() -> tuple[Path, Asked]:
            draft = checkouts.draft(git, house.paths.checkouts, head, changes)
            return draft, ask(draft)

        with closing(Ahead(house, git, busy, read)) as reader:
            yield reader


@contextmanager
def _starting(house: House, *, packages: bool) -> Iterator[Callable[[Path], Asked]]:
    """A child for one reading; the call that this gives has it execute the manifest of a tree. It starts beside what is
    done meanwhile, unless it needs an interpreter with `packages`: these are the tree's to tell."""
    with ExitStack() as ends, ThreadPoolExecutor(1, "reader") as beside:

        def start(interpreter: Interpreter) -> Child:
            return ends.enter_context(reading.started(_reader(house), interpreter))

        coming = None if packages else beside.submit(start, house.environments.base)

        def ask(tree: Path) -> Child:
            child = coming.result() if coming else start(_environment(house, tree, None)[1])
            reading.ask(child, tree)
            return child

        yield lambda tree: beside.submit(ask, tree)


def _reader(house: House) -> reading.Reader:
    return reading.Reader(house.launcher, house.sdk, house.paths.work)


def _heard(house: House, child: Child, tree: Path, busy: Busy) -> Described:
    @cache
    def environment(file: str | None) -> tuple[str, Interpreter]:
        return _environment(house, tree, file)

    definitions = reading.load(
        _reader(house),
        child,
        tree,
        script_interpreter=lambda file: environment(file)[1],
        check=lambda job: problem(house, job),
        busy=busy,
    )
    return definitions, {
        job.id: environment(job.source_file if job.script_environment else None)[0] for job in definitions
    }


def _environment(house: House, tree: Path, file: str | None) -> tuple[str, Interpreter]:
    try:
        return house.environments.of(tree, file)
    except LonghouseError as error:
        raise NoEnvironment(error.message, file=file or REQUIREMENTS, hint=error.hint) from error


def problem(house: House, job: JobDescription) -> str | None:
    """What is wrong with the job's schedule, as a sentence; None if nothing is."""
    try:
        trigger_of(job, house.zone)
    except BadCron as error:
        return str(error)
    return None

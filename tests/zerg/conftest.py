"""A tree of job files, and real children that read it or run it."""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from longhouse.launch.conversation import Answer, ask
from longhouse.launch.local import LocalLauncher
from longhouse.launch.python import Interpreter, python_spec
from zerg._wire import ManifestFailed, ManifestRead, ReadManifest, RunJob

MANIFEST = """
    from zerg.jobs import job_registry, JobConfig
    from jobs.one import run

    job_registry.register(JobConfig(id="one", func=run))
"""


class Tree:
    def __init__(self, root: Path, launcher: LocalLauncher, copy: Path, work: Path) -> None:
        self.root = root
        self.launcher = launcher
        self.copy = copy
        self.work = work
        self.artifacts = root.parent / "artifacts"
        for each in (root, self.work, self.artifacts):
            each.mkdir()

    def write(self, **files: str) -> Tree:
        """`jobs__one="…"` is jobs/one.py."""
        for name, text in files.items():
            path = self.root / (name.replace("__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))
        return self

    def ask(self, request: Any, *, timeout: float = 20, memory_mb: int | None = None) -> Answer:
        spec = python_spec(Interpreter.base(), self.copy, cwd=self.work, marker="test", memory_mb=memory_mb)
        return ask(self.launcher, spec, request, timeout_seconds=timeout)

    def read(self, **more: Any) -> Answer:
        return self.ask(ReadManifest(tree=str(self.root), **more))

    def jobs(self) -> dict[str, Any]:
        answer = self.read()
        assert isinstance(answer.final, ManifestRead), answer
        return {job.id: job for job in answer.final.jobs}

    def broken(self, **more: Any) -> ManifestFailed:
        answer = self.read(**more)
        assert isinstance(answer.final, ManifestFailed), answer
        return answer.final

    def run(self, function: str = "run", *, memory_mb: int | None = None, **more: Any) -> Answer:
        fields = {"job_id": "one", "module": "jobs.one", "run_id": 7, "attempt": 1, "due": None, **more}
        request = RunJob(tree=str(self.root), function=function, artifacts=str(self.artifacts), **fields)
        return self.ask(request, memory_mb=memory_mb)

    def body(self, text: str, **more: Any) -> Answer:
        """Run jobs/one.py with this text."""
        return self.write(jobs__one=text).run(**more)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))


@pytest.fixture(scope="session")
def launcher() -> Iterator[LocalLauncher]:
    made = LocalLauncher()
    yield made
    made.close()


@pytest.fixture
def tree(tmp_path: Path, launcher: LocalLauncher, sdk_copy: Path) -> Iterator[Tree]:
    # the address of a Unix socket, in a folder of the job's, has 108 bytes at most
    with tempfile.TemporaryDirectory(prefix="w") as short:
        yield Tree(tmp_path / "tree", launcher, sdk_copy, Path(short) / "work")


@pytest.fixture
def manifest(tree: Tree) -> Callable[[str], Tree]:
    """Write a manifest around one job that is there."""

    def write(text: str = MANIFEST) -> Tree:
        return tree.write(manifest=text, jobs__one="def run():\n    return None\n")

    return write

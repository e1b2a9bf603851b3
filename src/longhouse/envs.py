"""The Python environments of jobs: what requirements.txt or a job file asks for, resolved once and built once.

What is resolved is committed beside the requirements, so a run never asks an index for versions; an environment is kept
by its lock, so what two files lock alike they share. Only uv knows the settings of indexes, proxies and certificates,
and only uv's children see them. Both are in the data directory, and an environment still works when that has moved.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path

import uv

from longhouse.launch.local import Child, LocalLauncher, Spec
from longhouse.launch.python import PATH, Interpreter
from longhouse.repo import ages, lockfiles
from longhouse.repo.requirements import REQUIREMENTS, EnvironmentFailed, Wanted, wanted

__all__ = ["BASE", "EnvironmentFailed", "Environments"]

LOCK_SECONDS = 120.0
BUILD_SECONDS = 900.0
IDLE_SECONDS = 86400.0
LOCK = "lock.txt"
"""In each environment: what it was built from."""
BASE = ""
"""Key of the environment that has nothing but the standard library."""


class Environments:
    """All environments of an instance. Safe to use from several threads."""

    def __init__(
        self,
        launcher: LocalLauncher,
        folder: Path,
        cache: Path,
        installer: Mapping[str, str],
        *,
        allow_source_builds: bool = False,
    ) -> None:
        self.launcher = launcher
        self.folder = folder
        self.cache = cache / "uv"
        self.installer = dict(installer)
        self.allow_source_builds = allow_source_builds
        self.base = Interpreter.base()
        self._guard = threading.Lock()
        self._building: dict[str, threading.Lock] = {}

    def of(self, tree: Path, file: str | None) -> tuple[str, Interpreter]:
        """Key and interpreter for a job file of `tree` (None: the manifest), built if it is not there.

        Raises EnvironmentFailed.
        """
        asked = wanted(tree, file)
        if asked is None:
            return BASE, self.base
        lock = lockfiles.body(tree, asked)
        if lock is None:  # not committed yet, or of a commit from before locks were, or of another Python
            lock = self._locked(asked)
        key = self._name(lock)
        place = self.folder / key
        with self._alone(key):
            if not _usable(place):
                self._build(asked, lock, place)
            ages.touch(place)
        return key, Interpreter.of(place)

    def forget(self, tree: Path, file: str | None) -> None:
        """Somebody has deleted a lock: these requirements are resolved anew, to what is newest now."""
        asked = wanted(tree, file)
        if asked is not None:
            self._kept(asked).unlink(missing_ok=True)

    def prune(self, keep: Collection[str], *, idle_seconds: float = IDLE_SECONDS) -> int:
        """Remove environments unused for a while, but for those of `keep`, and what a crash left; how many went."""
        if not self.folder.is_dir():
            return 0
        now = ages.now(self.folder)
        places = (place for place in self.folder.iterdir() if place.name not in ("locks", *keep))
        gone = [place for place in places if ages.age(place, now) >= idle_seconds]
        for place in gone:
            with self._alone(place.name):
                shutil.rmtree(place, ignore_errors=True)
        return len(gone)

    def _alone(self, key: str) -> threading.Lock:
        with self._guard:
            return self._building.setdefault(key, threading.Lock())

    def _name(self, text: str) -> str:
        """Of a lock or of requirements: they mean something else for another interpreter."""
        python = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"
        return hashlib.sha256(f"{python}\0{self.allow_source_builds}\0{text}".encode()).hexdigest()[:32]

    def _kept(self, asked: Wanted) -> Path:
        return self.folder / "locks" / f"{self._name(asked.text)}.txt"

    def _locked(self, asked: Wanted) -> str:
        """The lock of these requirements, resolved when they are first seen."""
        path = self._kept(asked)
        with self._alone(path.name):
            if path.is_file():
                return path.read_text("utf-8")
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
                source, lock = Path(folder, REQUIREMENTS), Path(folder, "lock.txt")
                source.write_text(asked.text, encoding="utf-8")
                options = ("--generate-hashes", "--no-header", "--no-annotate", "--output-file", str(lock))
                self._uv(asked, LOCK_SECONDS, "pip", "compile", *options, *self._binary, str(source))
                os.replace(lock, path)
        return path.read_text("utf-8")

    def _build(self, asked: Wanted, lock: str, place: Path) -> None:
        """In another place first: an environment that is there is a whole one."""
        shutil.rmtree(place, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        try:
            made = new / "env"
            self._uv(asked, LOCK_SECONDS, "venv", "--relocatable", "--no-project", str(made))
            listed = made / LOCK
            listed.write_text(lock, encoding="utf-8")
            if lock.strip():
                options = ("--no-deps", "--require-hashes", "--link-mode=copy", "--compile-bytecode")
                where = ("--python", str(made / "bin" / "python"), "--requirements", str(listed))
                self._uv(asked, BUILD_SECONDS, "pip", "install", *options, *self._binary, *where)
            os.sync()  # the name must not be older than what it names
            made.rename(place)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    @property
    def _binary(self) -> tuple[str, ...]:
        return () if self.allow_source_builds else ("--only-binary", ":all:")

    def _uv(self, asked: Wanted, seconds: float, *args: str) -> None:
        """uv in the same containment as a job: a build script is foreign code. Raises EnvironmentFailed."""
        self.cache.mkdir(parents=True, exist_ok=True)
        chosen = () if "--python" in args else ("--python", str(self.base.program))
        with tempfile.TemporaryDirectory(prefix=".home-", dir=self.folder, ignore_cleanup_errors=True) as home:
            spec = Spec(
                argv=(uv.find_uv_bin(), *args, *chosen, "--system-certs"),
                env={
                    "PATH": PATH,
                    "HOME": home,
                    "TMPDIR": home,
                    "LANG": "C.UTF-8",
                    "NO_COLOR": "1",
                    "UV_CACHE_DIR": str(self.cache),
                    "UV_PYTHON_DOWNLOADS": "never",
                    "UV_NO_PROGRESS": "1",
                    **self.installer,
                },
                cwd=Path("/"),  # uv looks for settings in its working directory and above
                marker=f"environment-{uuid.uuid4().hex}",
            )
            with self.launcher.start(spec) as child:
                said, late = _finished(child, seconds)
                ended = child.read_exit()
        if late:
            raise EnvironmentFailed(f"{asked.file}: uv did not finish within {seconds:g} s and was ended")
        if ended.code != 0:
            raise EnvironmentFailed(
                f"{asked.file}: {reason(said)}",
                hint=_hint(said) or "Correct the requirements, or the settings of the index, and save the file again.",
            )


def _usable(place: Path) -> bool:
    """There, whole (it gets its name last), and its interpreter still exists."""
    return (place / "bin" / "python").exists()


def _finished(child: Child, seconds: float) -> tuple[str, bool]:
    """Wait for the end; what it said on standard error, and whether it had to be ended."""
    late = threading.Event()

    def end() -> None:
        late.set()
        child.kill()

    said: dict[int, bytes] = {}
    readers = [threading.Thread(target=_read, args=(pipe, said)) for pipe in (child.stdout, child.stderr)]
    ender = threading.Timer(seconds, end)
    for thread in (ender, *readers):
        thread.start()
    for thread in readers:
        thread.join()
    child.read_exit()
    ender.cancel()
    return said[child.stderr].decode("utf-8", "replace"), late.is_set()


def _read(pipe: int, said: dict[int, bytes]) -> None:
    with open(pipe, "rb", closefd=False) as stream:
        said[pipe] = stream.read(1024 * 1024)
        while stream.read(1024 * 1024):
            pass


def reason(said: str) -> str:
    """uv's own words in one line, without addresses: they may hold credentials."""
    lines = [line.strip() for line in said.splitlines()]
    kept = [
        re.sub(r"^(?:error|cause|warning):\s*", "", line) for line in lines if line and not line.startswith("hint:")
    ]
    text = ": ".join(line for line in kept if not re.fullmatch(r"[\^~| ]+", line))
    text = re.sub(r"(\w+://)\S*?([^/\s]*/?)(?=[\s`')]|$)", r"\1…/\2", text)
    text = re.sub(r"(?<![\w./:])`?/(?:[\w.+@~-]+/)+([\w.+@~-]+)`?", r"\1", text)
    return text[:1000] or "uv gave no reason"


def _hint(said: str) -> str:
    found = re.findall(r"^hint:\s*(.+)$", said, re.MULTILINE)
    return " ".join(found)[:500]

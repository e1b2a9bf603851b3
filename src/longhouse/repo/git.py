"""The only module that runs git: one program by absolute path, a clean environment, a list of switched-off features.

Three ways to call it. `read` sees objects and refs through a view with a configuration of ours, so nothing that
somebody wrote into the repository's own configuration can take part, and jobs keep running whatever happened to it.
`inspect` looks at the index and the work tree, `write` changes something; both first compare the configuration with an
allow-list.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from longhouse.errors import LonghouseError, NotFound, StorageFull
from longhouse.repo import git_config
from longhouse.repo.git_config import SWITCHED
from longhouse.repo.git_program import find_program

SECONDS = 60.0
GRACE_SECONDS = 10.0
"""Between TERM and KILL: git removes its lock files when it is terminated, and cannot when it is killed."""
MAX_OUTPUT = 64 * 1024 * 1024
EVERY = range(-64, 256)
"""Any exit code, also of a signal."""
Stop = Callable[[], bool]
LOOK_SECONDS = 0.25

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
REF = re.compile(r"refs/(?!.*(?:\.\.|//|/\.|\.lock(?:/|\Z)|@\{))[A-Za-z0-9][A-Za-z0-9._/@+-]{0,200}(?<![./])\Z")
BRANCH = re.compile(r"(?!.*(?:\.\.|//|/\.|\.lock(?:/|\Z)|@\{))[A-Za-z0-9_][A-Za-z0-9._/@+-]{0,200}(?<![./])\Z")
FULL = re.compile(rb"^(?!remote:).*(?:No space left on device|Disk quota exceeded)", re.MULTILINE)
"""Said of our disk, not of the remote's."""
EMPTY_ATTRIBUTES = "* -text !eol !ident !filter !working-tree-encoding !diff !merge\n"


class GitFailed(LonghouseError):
    code = "repo.git_failed"


class GitTimedOut(LonghouseError):
    code = "repo.git_timed_out"
    kind = "unavailable"


class ConfigRefused(LonghouseError):
    """The repository's configuration holds something that ordinary git use does not put there."""

    code = "repo.config_refused"
    kind = "conflict"


@dataclass(frozen=True)
class Result:
    code: int
    out: bytes
    err: bytes
    cut: bool = False
    """More than `limit` bytes came; `out` is the beginning."""


@dataclass(frozen=True)
class Head:
    """Where HEAD is: `branch` is None when detached, `commit` is None before the first commit."""

    branch: str | None
    commit: str | None


class Git:
    """git for one repository. Safe to use from several threads; `home` is a private folder of ours."""

    def __init__(self, git_dir: Path, work_tree: Path, home: Path, *, program: Path | None = None) -> None:
        self.git_dir = git_dir
        self.work_tree = work_tree
        self.home = home
        self.program = program or find_program()
        self.writing = 0
        """Our own writes under way: their locks are nobody else's."""
        self._lock = threading.Lock()
        self._checked: tuple[int, ...] | None = None
        self._settings: git_config.Settings = ()

    def read(
        self,
        *args: str,
        codes: Sequence[int] = (0,),
        limit: int = MAX_OUTPUT,
        index: Path | None = None,
        work_tree: Path | None = None,
    ) -> Result:
        """Objects and refs, by full name only (the view's own HEAD means nothing). Never refused."""
        view = self._view()
        tree = work_tree or view
        return self._run(args, view, tree, cwd=tree, codes=codes, limit=limit, index=index, locks=False)

    def inspect(self, *args: str, codes: Sequence[int] = (0,), index: Path | None = None) -> Result:
        """The index and the work tree, without taking a lock. Raises ConfigRefused."""
        self.check_config()
        return self._run(args, self.git_dir, self.work_tree, cwd=self.work_tree, codes=codes, index=index, locks=False)

    def write(
        self,
        *args: str,
        codes: Sequence[int] = (0,),
        data: bytes = b"",
        index: Path | None = None,
        work_tree: Path | None = None,
    ) -> Result:
        """A call that changes the repository, the index or the work tree. Raises ConfigRefused."""
        self.check_config()
        tree = work_tree or self.work_tree
        identity = [f"user.{key}={value}" for key, value in git_config.identity(self._settings).items()]
        with self.at_work():
            return self._run(args, self.git_dir, tree, cwd=tree, codes=codes, data=data, index=index, extra=identity)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Locks that are found meanwhile may be ours."""
        with self._lock:
            self.writing += 1
        try:
            yield
        finally:
            with self._lock:
                self.writing -= 1

    def contact(
        self, *args: str, env: Mapping[str, str], settings: Sequence[str], seconds: float, stop: Stop
    ) -> Result:
        """A call that talks to a remote. It goes through the view, so that no configuration but ours takes part; how it
        ended is the caller's to read. Raises ConfigRefused, and GitTimedOut also when `stop` became true."""
        self.check_config()
        view = self._view()
        return self._run(args, view, view, cwd=view, codes=EVERY, extra=settings, env=env, seconds=seconds, stop=stop)

    def version(self) -> str:
        """What git says of itself."""
        return self._run(("version",), None, None, cwd=self._private()).out.decode("utf-8", "replace")

    def create(self, branch: str) -> None:
        """Make `git_dir` a new repository whose first branch is `branch`; it must not exist."""
        self._run(
            ("init", "--quiet", "--bare", "--template=", f"--initial-branch={require_branch(branch)}"),
            self.git_dir,
            None,
            cwd=self.git_dir.parent,
        )
        git_config.write_new(self.git_dir)

    def check_config(self) -> None:
        """Raises ConfigRefused if the repository's configuration has a key or a value that is not on the list."""
        path = self.git_dir / "config"
        seen = git_config.stamp(self.git_dir)
        with self._lock:
            if seen is not None and seen == self._checked:
                return
        listing = self._run(
            ("config", "--file", str(path), "--list", "--null", "--no-includes"), None, None, cwd=self._private()
        )
        settings = git_config.parse(listing.out)
        if refused := git_config.refused(self.git_dir, settings):
            raise ConfigRefused(
                "git's configuration of the jobs repo holds settings that can run programs or change what is "
                f"committed: {', '.join(refused)}. Nothing is committed while they are there; jobs keep running.",
                hint=f"Look at it, then remove them: {git_config.removal(refused)}",
                settings=list(refused),
            )
        with self._lock:
            self._checked, self._settings = seen, settings

    def head(self) -> Head:
        """Read from the file itself: a broken configuration must not hide where we are."""
        try:
            text = (self.git_dir / "HEAD").read_text("utf-8", "replace").strip()
        except OSError as error:
            raise GitFailed(f"HEAD of the jobs repo cannot be read: {error.strerror}") from error
        if COMMIT.match(text):
            return Head(None, text)
        branch = text.removeprefix("ref: refs/heads/")
        return Head(branch, self.ref(f"refs/heads/{branch}") if BRANCH.match(branch) else None)

    def ref(self, name: str) -> str | None:
        """The commit that the full ref `name` stands at, or None. Mostly a file of its own, read without a process."""
        with suppress(OSError):
            text = (self.git_dir / require_ref(name)).read_text("ascii", "replace").strip()
            if COMMIT.match(text):
                return text
        found = self.read("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", codes=(0, 1, 128))
        return found.out.decode().strip() or None if found.code == 0 else None

    def set_ref(self, name: str, commit: str) -> None:
        """Through the view, as it is ours alone: which commit runs is noted whatever the configuration holds."""
        view = self._view()
        self._run(("update-ref", require_ref(name), require_commit(commit)), view, view, cwd=view)

    def resolve(self, text: str) -> str:
        """The full id of the commit that `text` (4 or more hex digits) abbreviates. Raises NotFound."""
        if re.fullmatch(r"[0-9a-f]{4,64}", text):
            found = self.read("rev-parse", "--verify", "--quiet", f"{text}^{{commit}}", codes=(0, 1, 128))
            if found.code == 0:
                return found.out.decode().strip()
        raise NotFound(f"there is no commit {text[:80]!r} in the jobs repo")

    def scrub(self, text: str) -> str:
        """git's words without passwords in URLs and without paths outside the data directory."""
        data = re.escape(str(self.git_dir.parent))
        text = re.sub(r"(\w+://)[^/@\s']*@", r"\1", text)
        text = re.sub(rf"{data}/", "", text)
        return re.sub(r"(?<![\w./:])/(?:[\w.+@~-]+/)*[\w.+@~-]+/?", "<path>", text).strip()

    def _private(self) -> Path:
        home = self.home / "empty"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return home

    def _view(self) -> Path:
        """A git directory with our configuration over the real objects and refs."""
        view = self.home / "view"
        with self._lock:
            with suppress(FileNotFoundError):
                if os.readlink(view / "objects") == str(self.git_dir / "objects"):
                    return view
            self._private()
            new = Path(tempfile.mkdtemp(prefix="view-", dir=self.home))
            with suppress(FileNotFoundError):  # the data directory has moved; half a view would be taken for one
                view.rename(new / "moved")
                shutil.rmtree(new / "moved", ignore_errors=True)
            (new / "info").mkdir()
            for name in ("objects", "refs", "packed-refs", "shallow"):
                (new / name).symlink_to(self.git_dir / name)
            git_config.write_new(new, like=self.git_dir)
            (new / "info" / "attributes").write_text(EMPTY_ATTRIBUTES)
            (new / "HEAD").write_text("ref: refs/heads/main\n")
            try:
                new.rename(view)
            except OSError:  # another process was first
                shutil.rmtree(new)
        return view

    def _run(
        self,
        args: Sequence[str],
        git_dir: Path | None,
        work_tree: Path | None,
        *,
        cwd: Path,
        codes: Sequence[int] = (0,),
        data: bytes = b"",
        limit: int = MAX_OUTPUT,
        index: Path | None = None,
        extra: Sequence[str] = (),
        locks: bool = True,
        env: Mapping[str, str] | None = None,
        seconds: float | None = None,
        stop: Stop | None = None,
    ) -> Result:
        where = [f"--git-dir={git_dir}"] if git_dir else []
        where += [f"--work-tree={work_tree}"] if work_tree else []
        flags = [flag for setting in (*SWITCHED, *extra) for flag in ("-c", setting)]
        argv = [str(self.program), *([] if locks else ["--no-optional-locks"]), *where, *flags, *args]
        clean = self._environment() | ({"GIT_INDEX_FILE": str(index)} if index else {}) | dict(env or {})
        result = self._finish(argv, cwd, clean, data, limit, SECONDS if seconds is None else seconds, stop)
        if result.code != 0 and FULL.search(result.err):
            raise StorageFull(f"the disk is full: git {args[0]} could not write", hint="Free some disk space.")
        if result.code not in codes and not result.cut:
            raise GitFailed(f"git {args[0]} failed: {self._reason(result)}", exit_code=result.code)
        return result

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.program.parent}:/usr/bin:/bin",
            "HOME": str(self._private()),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_EDITOR": "/bin/false",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_ALLOW_PROTOCOL": "https",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
        }

    def _finish(
        self,
        argv: list[str],
        cwd: Path,
        env: dict[str, str],
        data: bytes,
        limit: int,
        seconds: float,
        stop: Stop | None,
    ) -> Result:
        with tempfile.TemporaryFile() if data else nullcontext(subprocess.DEVNULL) as stdin:
            if not isinstance(stdin, int):
                stdin.write(data)
                stdin.seek(0)
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=env,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # a Ctrl-C in the terminal must not cut a write in half
                )
            except OSError as error:
                raise GitFailed(f"git cannot be started: {error.strerror}") from error
        with process:
            out, err, end = _collect(process, time.monotonic() + seconds, limit, stop)
            if end is not None:
                _end(process)
            if end == "late":
                raise GitTimedOut(f"git did not finish within {seconds:g} s and was ended")
        return Result(process.returncode, out, err, cut=end == "full")

    def _reason(self, result: Result) -> str:
        text = self.scrub(result.err.decode("utf-8", "replace"))
        lines = [line for line in text.splitlines() if line.startswith(("fatal:", "error:"))] or text.splitlines()
        said = "; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in lines[:3])
        return said[:500] or (f"signal {-result.code}" if result.code < 0 else f"exit code {result.code}")


def require_commit(text: str) -> str:
    if not COMMIT.match(text):
        raise NotFound(f"{text[:80]!r} is not the id of a commit")
    return text


def require_ref(name: str) -> str:
    if not REF.match(name):
        raise NotFound(f"{name[:80]!r} is not the name of a ref")
    return name


def require_branch(name: str) -> str:
    if not BRANCH.match(name):
        raise NotFound(f"{name[:80]!r} is not a usable name of a branch")
    return name


def _collect(
    process: subprocess.Popen[bytes], deadline: float, limit: int, stop: Stop | None
) -> tuple[bytes, bytes, str | None]:
    """What the process prints until it closes both pipes; "late" or "full" if it was not waited for."""
    parts: dict[IO[bytes], bytearray] = {}
    with selectors.DefaultSelector() as pipes:
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            parts[pipe] = bytearray()
            pipes.register(pipe, selectors.EVENT_READ)
        out, err = parts.values()
        while pipes.get_map():
            left = deadline - time.monotonic()
            ready = pipes.select(left if stop is None else min(left, LOOK_SECONDS))
            if (not ready and time.monotonic() >= deadline) or (stop is not None and stop()):
                return bytes(out), bytes(err), "late"
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    pipes.unregister(key.fileobj)
                parts[key.fileobj] += chunk  # type: ignore[index]
            if len(out) > limit:
                return bytes(out[:limit]), bytes(err), "full"
            del err[MAX_OUTPUT:]
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
        return bytes(out), bytes(err), None
    return bytes(out), bytes(err), "late"


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

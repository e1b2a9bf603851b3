"""A real instance in a process of its own. Ended by its process id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests import warm

T = TypeVar("T")

STARTER = "from zerg.jobs import JobConfig, job_registry\n"


def until(look: Callable[[], T], *, seconds: float = 20.0, what: str = "") -> T:
    """What `look` finds soon after it is true: looking is a request as a rule, and other tests need the processor."""
    end, pause = time.monotonic() + seconds, 0.02
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what or look}; last seen: {found!r}")
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def processes_with(text: str) -> list[int]:
    """Ids of the processes whose environment or command line has `text`."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            whole = Path(f"/proc/{entry}/environ").read_bytes() + Path(f"/proc/{entry}/cmdline").read_bytes()
            state = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if text.encode() in whole and state != "Z":
            found.append(int(entry))
    return found


class Instance:
    """`cold` is for tests of the start itself, and of what is there of the process: it is started as a user would."""

    def __init__(
        self, data: Path, *, env: Mapping[str, str] | None = None, args: tuple[str, ...] = (), cold: bool = False
    ) -> None:
        self.data = data
        self.cold = cold
        self.tree = data / "jobs"
        self._env = dict(env or {})
        self._args = args
        self._log = data.with_name(f"{data.name}.log")
        self.process: warm.Process | None = None

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self, *, wait: bool = True) -> Instance:
        words = ["--data-dir", str(self.data), "serve", "--port", "0", *self._args]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LONGHOUSE_JOBS_")}
        environment = {**ours, **self._env}  # what somebody has set for an instance of his own is not for this one
        if self.cold or "LD_PRELOAD" in environment:
            with self._log.open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "longhouse", *words],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        else:
            self.process = warm.fork(words, environment, self._log)
        if wait:
            until(self._serves, what=f"the instance serves; its log: {self.log[-2000:]}")
        return self

    def _serves(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the instance ended with {self.process.returncode}:\n{self.log}")
        try:
            return self.own() == self.process.pid and self.get("/readyz")["ready"]
        except (OSError, ValueError, KeyError):
            return False

    def own(self) -> int:
        return int(json.loads((self.data / "instance.json").read_text())["pid"])

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> float:
        """Seconds that it took."""
        began = time.monotonic()
        self._end(signal.SIGTERM)
        return time.monotonic() - began

    def _end(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)

    def exit_code(self) -> int:
        assert self.process is not None
        return self.process.wait(30)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    # --- talking ----------------------------------------------------------------------------------------------------

    def connection(self) -> tuple[HTTPConnection, dict[str, str]]:
        found = json.loads((self.data / "instance.json").read_text())
        return HTTPConnection(urlsplit(found["url"]).netloc, timeout=30), {"Authorization": f"Bearer {found['token']}"}

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection, headers = self.connection()
        try:
            data = None if body is None else json.dumps(body).encode()
            if data is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, found = self.request("GET", path)
        assert status < 300, (status, found)
        return found

    def post(self, path: str, body: Any = None) -> Any:
        status, found = self.request("POST", path, body)
        assert status < 300, (status, found)
        return found

    def cli(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "longhouse", "--data-dir", str(self.data), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)

    # --- jobs -------------------------------------------------------------------------------------------------------

    def write(self, path: str, text: str) -> None:
        target = self.tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def manifest(self, text: str, **files: str) -> None:
        """Write the manifest and `jobs/<name>.py` files, and wait until that is what runs."""
        for name, content in files.items():
            self.write(f"jobs/{name}.py", content)
        self.write("manifest.py", text)
        until(self._loaded, what="the manifest is loaded")

    def _loaded(self) -> bool:
        state, repo = self.get("/api/jobs?limit=1")["manifest"], self.get("/api/jobs/repo")
        clean = not repo["dirty"] and repo["head"] == state["loaded_commit"]
        return bool(state["ok"] and clean)

    def run(self, job_id: str, **params: Any) -> dict[str, Any]:
        """Run now; the run as it was accepted."""
        return self.post(f"/api/jobs/{job_id}/run", {"params": params})  # type: ignore[no-any-return]

    def ended(self, run_id: int, *, seconds: float = 30) -> dict[str, Any]:
        """The run when it has ended."""
        terminal = ("succeeded", "degraded", "failed", "skipped", "cancelled")

        def look() -> dict[str, Any] | None:
            run = self.get(f"/api/runs/{run_id}")
            return run if run["state"] in terminal else None

        found = until(look, seconds=seconds, what=f"run {run_id} ends")
        assert found is not None
        return found

    def state(self, run_id: int) -> str:
        return str(self.get(f"/api/runs/{run_id}")["state"])

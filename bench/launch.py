"""From `start` to the first line of a job, and a gigabyte of its output: what a run costs besides the job itself."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from longhouse.engine.capture import Capture
from longhouse.launch.conversation import ask
from longhouse.launch.local import LocalLauncher, Spec
from longhouse.launch.python import Interpreter, python_spec
from longhouse.launch.sdk import sdk
from zerg._wire import Finished, RunJob

STARTS = 60
JOB = "import time\nBEGUN = time.monotonic()\ndef run(): return BEGUN\n"
FLOOD = "import os\ndata = (b'x' * 99 + b'\\n') * 2621\nfor _ in range(4096): os.write(1, data)"


def starts(launcher: LocalLauncher, folder: Path) -> tuple[float, float]:
    """Medians in milliseconds: until the first line of the job, and until nothing of the run is left."""
    (folder / "job.py").write_text(JOB)
    spec = python_spec(Interpreter.base(), sdk(folder), cwd=folder, marker="bench")
    request = RunJob(tree=str(folder), job_id="x", module="job", function="run", run_id=1, attempt=1, due=None)
    first, whole = [], []
    for _ in range(STARTS):
        begun = time.monotonic()
        answer = ask(launcher, spec, request, timeout_seconds=30)
        whole.append(time.monotonic() - begun)
        if not isinstance(answer.final, Finished):
            raise AssertionError(f"the job of the bench did not run: {answer}")
        first.append(answer.final.result - begun)
    return statistics.median(first) * 1000, statistics.median(whole) * 1000


def bare_start() -> float:
    """What the interpreter alone takes, in milliseconds: start and end of an empty program."""
    taken = []
    for _ in range(STARTS):
        begun = time.monotonic()
        subprocess.run([Interpreter.base().program, "-I", "-S", "-c", ""], check=True)
        taken.append(time.monotonic() - begun)
    return statistics.median(taken) * 1000


def gigabyte(launcher: LocalLauncher, folder: Path) -> float:
    argv = (str(Interpreter.base().program), "-I", "-S", "-c", FLOOD)
    begun = time.monotonic()
    with launcher.start(Spec(argv=argv, env={}, cwd=folder, marker="bench")) as child:
        capture = Capture(folder / "output", 0.0)
        while data := os.read(child.stdout, 256 * 1024):
            capture.write(0, data)
        capture.seal()
        child.read_exit()
    return time.monotonic() - begun


def main() -> None:
    launcher = LocalLauncher()
    with tempfile.TemporaryDirectory() as name:
        bare = bare_start()
        first, whole = starts(launcher, Path(name))
        status = Path(f"/proc/{launcher.runner_pid}/status").read_text()
        megabytes = int(status.partition("VmRSS:")[2].split()[0]) / 1024
        print(f"start to the first line of a job: {first:.1f} ms, to the end of the run: {whole:.1f} ms (medians)")
        print(f"an empty program of the same interpreter: {bare:.1f} ms; the runner holds {megabytes:.1f} MB")
        seconds = gigabyte(launcher, Path(name))
        print(f"a gigabyte of output taken in: {seconds:.1f} s")
    launcher.close()
    held = first <= 40 and megabytes <= 12 and seconds <= 10
    print(f"first line in 40 ms, runner in 12 MB, a gigabyte in 10 s: {'held' if held else 'MISSED'}")
    if not held:
        sys.exit(1)

"""After a failed fsync nothing is acknowledged: the server ends, with a sentence and not with 0."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.instance import STARTER, Instance, processes_with, until
from tests.reliability.test_p27_full_disk import checked

ROOT = Path(__file__).parents[2]
SYNCS = "fsync,fdatasync"

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

MANIFEST = """
from jobs.quick import run as quick
from jobs.slow import run as slow

job_registry.register(JobConfig(id="quick", func=quick, overlap="allow"))
job_registry.register(JobConfig(id="slow", func=slow))
"""
FILES = {"quick": "def run():\n    pass\n", "slow": "import time\n\ndef run():\n    time.sleep(600)\n"}


def test_a_server_whose_disk_failed_acknowledges_nothing_more_and_ends(instance: Instance, proves) -> None:
    instance.start()
    instance.manifest(STARTER + MANIFEST, **FILES)
    slow = instance.run("slow")["id"]
    until(lambda: instance.state(slow) == "running", what="the slow job runs")
    children = until(lambda: processes_with(f"/{slow}/1"), what="its processes")
    assert instance.process is not None
    acknowledged = [instance.run("quick")["id"] for _ in range(3)]
    for run_id in acknowledged:
        instance.ended(run_id)
    answers = []
    with failing(instance.process.pid):
        while instance.process.poll() is None and len(answers) < 200:
            try:
                answers.append(instance.request("POST", "/api/jobs/quick/run", {}))
            except (OSError, ValueError):
                break
        code = instance.exit_code()
    failed = next(number for number, (status, _) in enumerate(answers) if status != 202)
    assert [status for status, _ in answers[failed:] if status < 500] == [], answers
    assert answers[failed][1]["code"] == "storage.failed"
    assert code == 1
    assert "error: the disk failed to write the database through (fsync)" in instance.log
    assert "hint: Nothing that was not on disk has been acknowledged." in instance.log
    assert "Traceback" not in instance.log, instance.log
    until(lambda: not [pid for pid in children if pid in processes_with(f"/{slow}/1")], what="no child is left")
    acknowledged += [run["id"] for status, run in answers if status == 202]
    said = "".join(f"accepted {run_id}\n" for run_id in acknowledged)
    assert checked(instance.data, said) == []

    instance.start()
    first = until(lambda: instance.get(f"/api/runs/{slow}")["attempts"][0], what="the slow run is explained")
    assert (first["state"], first["reason"]) == ("failed", "interrupted")
    instance.stop()
    proves(
        "P28",
        f"fsync failing under a live server: 0 of {len(answers) - failed} requests acknowledged after it, exit code"
        f" {code} with advice, 0 processes left, 0 of {len(acknowledged)} acknowledged runs lost",
        control=trusting(instance.data.with_name("control")),
    )


SCRIPT = """
import sys
from itertools import chain
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from longhouse.errors import LonghouseError
from longhouse.store import database, faults

if sys.argv[2] == "trusting":
    faults.UNSYNCED = faults.FAILING = frozenset()
db = database.Database(Path(sys.argv[1]))
with db.write() as c:
    c.execute("CREATE TABLE t (n)").fetchall()
for line in chain(["ready"], sys.stdin):
    try:
        with db.write() as c:
            c.execute("INSERT INTO t VALUES (1)").fetchall()
        print("acknowledged", flush=True)
    except LonghouseError as error:
        print(error.code, flush=True)
"""


def trusting(folder: Path) -> str:
    """A disk that failed once and then says that all is well: the kernel has dropped what it could not write."""
    said = {}
    for mode in ("ours", "trusting"):
        place = folder.with_name(f"{folder.name}-{mode}.db")
        command = [sys.executable, "-c", SCRIPT, str(place), mode]
        with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin and process.stdout
            assert process.stdout.readline() == "acknowledged\n"
            with failing(process.pid):
                process.stdin.write("while it fails\n")
                process.stdin.flush()
                first = process.stdout.readline()
            process.stdin.write("when it works again\n")
            process.stdin.flush()
            said[mode] = (first.strip(), process.stdout.readline().strip())
            process.stdin.close()
    assert said == {"ours": ("storage.failed", "storage.failed"), "trusting": ("unavailable", "acknowledged")}
    return "an fsync that failed once taken for a passing trouble: the next write is acknowledged"


@contextmanager
def failing(pid: int) -> Iterator[None]:
    """Every fsync of the process fails."""
    tracer = subprocess.Popen(
        [*("strace", "-f", "-o", "/dev/null", "-p", str(pid)), "-e", f"inject={SYNCS}:error=EIO"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    assert "attached" in tracer.stderr.readline()
    try:
        yield
    finally:
        tracer.terminate()
        tracer.wait()
        tracer.stderr.close()

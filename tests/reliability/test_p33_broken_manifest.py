"""P33: a manifest that cannot be read stops no job, is committed as broken, and is said at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from longhouse import jobs, loading
from longhouse.house import House
from longhouse.repo import bootstrap, panel
from longhouse.simulation import impact
from longhouse.store import jobs as rows
from tests.instance import STARTER

JOBS = 5
GOOD = (
    STARTER
    + "from jobs.work import run\n"
    + "".join(f"job_registry.register(JobConfig(id='j{number}', func=run, every=60))\n" for number in range(JOBS))
)
BROKEN: dict[str, str | None] = {
    "syntax error": GOOD + "def (:\n",
    "import loop": "import jobs.one\n" + GOOD,
    "exit": GOOD + "import sys\nsys.exit()\n",
    "endless loop": GOOD + "while True:\n    pass\n",
    "2 GB": GOOD + "whole = bytearray(2 * 1024 ** 3)\n",
    "duplicate id": GOOD + GOOD.splitlines()[-1] + "\n",
    "deleted file": None,
}
SAID_SECONDS = 5.0
SLACK = 4.0
"""Other tests run beside."""


def known(house: House) -> set[str]:
    with house.db.read() as db:
        return {job.id for job in rows.all_jobs(db)}


def settled(house: House) -> float:
    """Seconds until every surface says that the manifest is broken."""
    worker = threading.Thread(target=loading.settle, args=(house,))
    began = time.monotonic()
    worker.start()
    while jobs.manifest(house).ok and time.monotonic() - began < 60:
        worker.join(0.01)
    took = time.monotonic() - began
    worker.join()
    return took


def test_no_kind_of_broken_manifest_drops_a_job(house: House, proves: Callable[..., None]) -> None:
    bootstrap.ensure(house.paths, known_commits=False)
    tree = house.paths.tree
    (tree / "jobs" / "work.py").write_text("def run():\n    pass\n")
    (tree / "jobs" / "one.py").write_text("from jobs.two import second\nfirst = 1\n")
    (tree / "jobs" / "two.py").write_text("from jobs.one import first\nsecond = 1\n")
    (tree / "manifest.py").write_text(GOOD)
    assert loading.boot(house) is None
    wanted, slowest, dropped = known(house), 0.0, 0
    assert len(wanted) == JOBS
    for kind, text in BROKEN.items():
        good = jobs.manifest(house).loaded_commit
        if text is None:
            (tree / "manifest.py").unlink()
        else:
            (tree / "manifest.py").write_text(text)
        slowest = max(slowest, settled(house))
        state, head = jobs.manifest(house), bootstrap.opened(house.paths).head().commit or ""
        assert not state.ok and state.error and state.file and state.loaded_commit == good, (kind, state)
        assert impact.of_message(panel.commit(house, head).commit.body) == (impact.BROKEN,), kind
        dropped += len(wanted - known(house))
        (tree / "manifest.py").write_text(GOOD)
        loading.settle(house)
        assert jobs.manifest(house).ok, (kind, jobs.manifest(house).error)
    assert dropped == 0 and slowest < SAID_SECONDS * SLACK

    (tree / "manifest.py").write_text(STARTER)
    loading.settle(house)
    control = len(wanted - known(house))
    assert control == JOBS, "a manifest that does load without them drops them: the count sees it"
    proves(
        "P33",
        figure=f"{dropped} jobs dropped by {len(BROKEN)} kinds of broken manifest, said within {slowest:.1f} s",
        control=f"a manifest that loads without them: {control} dropped",
    )

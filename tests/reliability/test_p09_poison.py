"""A job that kills what watches over it is put aside, and a killed server's twenty jobs live once each again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.instance import STARTER, Instance, processes_with, until
from tests.spec.test_crash import owner_of

POISON = """
import os, signal

def run():
    os.kill(os.getppid(), signal.SIGKILL)
"""
HARMLESS = """
import time

def run():
    time.sleep(1)
"""
LONG = """
import time

def run(ctx):
    time.sleep(600 if ctx.attempt == 1 else 0.5)
"""
BYSTANDERS = 5
LIVE = 20


def stuck(instance: Instance) -> float:
    connection, headers = instance.connection()
    connection.request("GET", "/metrics", headers=headers)
    text = connection.getresponse().read().decode()
    connection.close()
    return float(next(line for line in text.splitlines() if line.startswith("longhouse_stuck_runs ")).split()[1])


def test_a_job_that_kills_its_supervisor_is_put_aside_and_others_go_on(tmp_path: Path, proves):
    instance = Instance(tmp_path / "data", args=("--slots", str(BYSTANDERS + 1)))
    try:
        instance.start().manifest(
            STARTER
            + "from jobs.poison import run as poison\nfrom jobs.harmless import run as harmless\n"
            + "job_registry.register(JobConfig(id='poison', func=poison, max_attempts=10))\n"
            + "job_registry.register(JobConfig(id='twice', func=poison, max_attempts=2))\n"
            + f"for n in range({BYSTANDERS}):\n"
            + "    job_registry.register(JobConfig(id=f'harmless-{n}', func=harmless, max_attempts=1))\n",
            poison=POISON,
            harmless=HARMLESS,
        )
        others = [instance.run(f"harmless-{n}")["id"] for n in range(BYSTANDERS)]
        poisoned = instance.ended(instance.run("poison")["id"])
        assert (poisoned["state"], poisoned["reason"], poisoned["attempt"]) == ("failed", "quarantined", 3)
        ends = [instance.ended(run_id) for run_id in others]
        assert [(run["state"], run["attempt"]) for run in ends] == [("succeeded", 1)] * BYSTANDERS
        within = instance.ended(instance.run("twice")["id"])  # the negative control: fewer tries than it takes
        assert (within["reason"], within["attempt"]) == ("interrupted", 2)
        proves(
            "P9",
            figure=f"quarantined after 3 of 10 attempts; {BYSTANDERS} of {BYSTANDERS} others succeeded at the first",
            control="with max_attempts=2 it ends interrupted, not quarantined",
        )
    finally:
        instance.kill()


def test_twenty_live_jobs_of_a_killed_server_have_one_process_tree_each_again(tmp_path: Path, proves):
    instance = Instance(tmp_path / "data", args=("--slots", str(LIVE)))
    try:
        instance.start().manifest(
            STARTER
            + "from jobs.long import run\n"
            + f"for n in range({LIVE}):\n    job_registry.register(JobConfig(id=f'long-{{n}}', func=run))\n",
            long=LONG,
        )
        ids = [instance.run(f"long-{n}")["id"] for n in range(LIVE)]
        until(lambda: all(instance.state(run_id) == "running" for run_id in ids), seconds=60, what="all are running")
        marker = f"LONGHOUSE_JOBS_ATTEMPT={owner_of(instance)}/"
        until(lambda: len(processes_with(marker)) >= LIVE, what="all of them have their process")
        instance.kill()
        until(lambda: not processes_with(marker), what="nothing outlives the server")
        instance.start()
        ends = [instance.ended(run_id) for run_id in ids]
        assert Counter((run["state"], run["attempt"]) for run in ends) == {("succeeded", 2): LIVE}
        assert stuck(instance) == 0
        proves(
            "P2",
            figure=f"{LIVE} live jobs of a killed server: 0 processes left, each run again once, 0 stuck after it",
        )
    finally:
        instance.kill()

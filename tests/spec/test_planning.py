"""Pause, run later and backfill on a real server: at once, over restarts, and by the command."""

from __future__ import annotations

import json
import time

from longhouse.clock import SystemClock, iso
from tests.instance import Instance, until

MANIFEST = """from zerg.jobs import JobConfig, job_registry
from jobs.tick import run as tick
from jobs.told import run as told

job_registry.register(JobConfig(id="tick", func=tick, every=1, overlap="allow"))
job_registry.register(JobConfig(id="told", func=told, cron="0 * * * *"))
"""
TICK = "def run():\n    pass\n"
TOLD = "def run(ctx):\n    print(f'due {ctx.due}')\n"


def runs_of(instance: Instance, job: str) -> list[dict[str, object]]:
    found = instance.get(f"/api/runs?job={job}&limit=200")["items"]
    assert isinstance(found, list)
    return found


def ends(instance: Instance) -> list[tuple[str, int]]:
    """Oldest first."""
    found = instance.get("/api/jobs/tick/firings?limit=200")["items"]
    return [(each["end"], each["count"]) for each in reversed(found)]


def test_a_pause_takes_effect_at_once_survives_a_restart_and_ends_by_itself(instance: Instance):
    instance.start()
    instance.manifest(MANIFEST, tick=TICK, told=TOLD)
    until(lambda: runs_of(instance, "tick"), what="the job fires every second")

    assert instance.cli("pause", "--for", "1h").returncode == 0
    count = len(runs_of(instance, "tick"))
    paused = time.time()
    instance.stop()
    instance.start()
    assert instance.get("/api/pause")["paused"]
    until(lambda: ends(instance)[-1][0] == "skipped_paused" and time.time() > paused + 2, what="due times are skipped")
    assert len(runs_of(instance, "tick")) == count, "nothing was started since"
    ran = instance.cli("run", "tick", "--wait")
    assert ran.returncode == 0, ran.stderr
    shown = instance.cli("jobs", "list")
    assert "the instance is paused by this machine" in shown.stderr and "paused" in shown.stdout

    end = (SystemClock().now() // 1000 + 3) * 1000
    instance.post("/api/pause", {"until": iso(end)})
    instance.kill()  # the end comes while nothing runs
    until(lambda: SystemClock().now() > end, what="the end of the pause")
    instance.start()
    assert not instance.get("/api/pause")["paused"]
    until(lambda: ends(instance)[-1][0] == "ran", what="it fires again")
    firings = instance.get("/api/jobs/tick/firings?limit=200")["items"]
    skipped = next(each for each in firings if each["end"] == "skipped_paused")
    assert skipped["last"] == iso(end - 1000) and not skipped["open"], "up to its own end, not to the restart"
    assert sum(each["end"] == "skipped_paused" for each in firings) == 1


def test_the_command_plans_and_cancels(instance: Instance):
    instance.start()
    instance.manifest(MANIFEST.replace("every=1", 'cron="0 0 1 1 *"'), tick=TICK, told=TOLD)

    later = instance.cli("run", "told", "--at", "90m")
    assert later.returncode == 0 and "waits until" in later.stdout and "in 1 h" in later.stdout
    soon = instance.post("/api/jobs/told/run", {"at": iso(SystemClock().now() + 3000)})
    assert instance.ended(soon["id"])["state"] == "succeeded"
    past = instance.cli("run", "told", "--at", "2020-01-01")
    assert past.returncode == 2 and "has passed already" in past.stderr

    words = ("backfill", "told", "--from", "2026-02-04T05:00:00Z", "--to", "2026-02-04T07:30:00Z")
    asked = instance.cli(*words, "--no-input")
    assert asked.returncode == 2 and "3 due times" in asked.stderr and "--yes" in asked.stderr
    made = json.loads(instance.cli(*words, "--yes", "--json").stdout)
    until(lambda: instance.get(f"/api/backfills/{made['id']}")["left"] == 0, what="the backfill is done")
    printed = [
        instance.cli("runs", "logs", str(run["id"])).stdout.strip()
        for run in reversed(instance.get(f"/api/runs?backfill={made['id']}")["items"])
    ]
    assert [text.partition("+")[0] for text in printed] == [f"due 2026-02-04 0{n}:00:00" for n in (5, 6, 7)]
    assert "3 succeeded" in instance.cli("backfills", "show", str(made["id"])).stdout
    assert instance.cli("backfills", "cancel", str(made["id"])).returncode == 4
    assert "told" in instance.cli("backfills", "list", "--job", "told").stdout

    assert instance.cli("jobs", "pause", "told", "--until", "2020-01-01").returncode == 2
    assert instance.cli("jobs", "pause", "told", "--for", "1d", "--until", "2020-01-01").returncode == 2
    assert "until somebody resumes" in instance.cli("jobs", "pause", "told").stdout
    assert "next run" in instance.cli("jobs", "resume", "told").stdout

    cancelled = instance.cli("runs", "cancel", "--job", "told")
    assert cancelled.returncode == 0 and cancelled.stdout == "told: 1 cancelled\n"
    assert instance.cli("runs", "cancel").returncode == 2

"""The simulation: what it counts is what the triggers and the rules of the queue say."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from longhouse.cli import root
from longhouse.clock import parse_iso
from longhouse.simulation import Simulation, Work, simulate
from longhouse.triggers import trigger_of
from tests.conftest import job_spec
from tests.instance import Instance

DAY = 86_400_000
START = parse_iso("2026-10-01T00:00:00Z")
BERLIN = "Europe/Berlin"


def work(id: str, seconds: float = 60, **settings: Any) -> Work:
    return Work(job_spec(id, **settings), seconds)


def over(works: list[Work], days: int = 30, slots: int = 100, **given: Any) -> Simulation:
    return simulate(works, zone=BERLIN, start=START, end=START + days * DAY, slots=slots, **given)


def mixed(seed: int, count: int = 25) -> list[Work]:
    chance = random.Random(seed)
    crons = ["* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 * * *", "5 */3 * * 1", "0,30 1-3 * * *", "*/20 5 * * * *"]
    zones = [BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
    found = []
    for number in range(count):
        timed = (
            {"cron": chance.choice(crons)}
            if chance.random() < 0.7
            else {"cron": None, "every": chance.choice([45, 3600, 100_000])}
        )
        found.append(
            work(
                f"job-{number:02}",
                chance.choice([0.5, 20, 90, 700, 5000]),
                timezone=chance.choice(zones),
                overlap=chance.choice(["skip", "skip", "queue"]),
                priority=chance.randrange(3),
                concurrency_group=chance.choice([None, None, "one", "two"]),
                concurrency_limit=chance.choice([1, 2]),
                jitter_minutes=chance.choice([0, 0, 0, 5]),
                **timed,
            )
        )
    return found


@pytest.mark.parametrize("seed", range(2))
def test_every_due_time_is_counted_as_the_trigger_counts_it(seed: int) -> None:
    found = over(mixed(seed), days=30, slots=5)
    assert found.course.overloaded_at is None
    for job in found.jobs:
        trigger = trigger_of(job.work.spec, BERLIN)
        assert trigger is not None
        assert job.due == trigger.count(START - 1, START + 30 * DAY - 1) == job.runs + job.skipped, job.work.spec.id


@pytest.mark.parametrize(("seed", "slots"), [(1, 2), (2, 4), (3, 50)])
def test_windows_that_are_looked_up_come_to_the_same_as_windows_that_are_worked_through(seed: int, slots: int) -> None:
    looked_up = over(mixed(seed), days=6, slots=slots)
    worked = over(mixed(seed), days=6, slots=slots, trace=[])
    assert looked_up == worked


def test_a_run_longer_than_its_interval_skips_what_comes_meanwhile() -> None:
    for rule, runs in (("skip", 720), ("queue", 961), ("allow", 1440)):
        found = over([work("a", 90, cron="* * * * *", overlap=rule)], days=1)
        assert (found.jobs[0].runs, found.jobs[0].skipped) == (runs, 1440 - runs)


def test_slots_and_groups_make_runs_wait() -> None:
    five = [work(f"j{n}", 60, cron="0 * * * *") for n in range(5)]
    found = over(five, slots=2)
    assert [job.longest_wait for job in found.jobs] == [0, 0, 60_000, 60_000, 120_000]
    assert (found.course.running.most, found.course.waiting.most) == (2, 3)
    grouped = [Work(each.spec.replace(concurrency_group="db"), 60) for each in five]
    assert [job.longest_wait for job in over(grouped).jobs] == [0, 60_000, 120_000, 180_000, 240_000]
    urgent = [*five[:4], Work(five[4].spec.replace(priority=5), 60)]
    assert [job.longest_wait for job in over(urgent, slots=1).jobs] == [60_000, 120_000, 180_000, 240_000, 0]


def test_more_work_than_can_be_done_is_said() -> None:
    found = over([work(f"j{n}", 120, cron="* * * * *", overlap="allow") for n in range(4)], slots=1, days=60)
    assert found.course.overloaded_at is not None


def test_downtime_ends_as_each_job_says() -> None:
    down = (START + 10 * DAY + 30_000, START + 11 * DAY + 30_000)
    rules = {
        "skip": {"missed_down": 24},
        "latest": {"caught_up_by": 23, "ran": 1},
        "all": {"missed_down": 14, "ran": 10},
    }
    works = [work(rule, 5, cron="30 * * * *", catch_up=rule, overlap="allow") for rule in rules]
    found = over(works, days=20, down=down)
    assert {job.work.spec.id: job.downtime for job in found.jobs} == rules
    for job in found.jobs:
        assert job.due == job.runs + job.skipped + sum(job.downtime.values())


def test_jobs_that_come_together_are_named() -> None:
    works = [work("a", cron="0 8 * * *"), work("b", cron="0 8 */1 * *"), work("c", cron="0 8 * * 1")]
    found = over(works, days=28)
    assert found.together == (("a", "b"),)
    assert [(each.starts, each.jobs, each.times) for each in found.collisions] == [(3, ("a", "b", "c"), 4)]


def test_changes_of_the_clocks_are_told_for_each_schedule() -> None:
    works = [work("once", cron="30 2 * * *"), work("elapsed", cron="*/15 * * * *"), work("never", cron="0 12 * * *")]
    found = over(works, days=200)
    autumn, spring = found.clocks
    assert (autumn.shift_minutes, spring.shift_minutes) == (-60, 60)
    said = [{found.owners[e.trigger][0]: (e.what, e.count) for e in each.effects} for each in (autumn, spring)]
    assert said == [
        {"once": ("once", 1), "elapsed": ("elapsed", 4)},
        {"once": ("moved", 1), "elapsed": ("elapsed", 4)},
    ]


MANIFEST = """from zerg.jobs import JobConfig, job_registry
def run(): pass
job_registry.register(JobConfig(id="night", cron="30 2 * * *", timezone="Europe/Berlin", func=run))
job_registry.register(JobConfig(id="noon", cron="0 12 * * *", timezone="Europe/Berlin", func=run))
job_registry.register(JobConfig(id="by-hand", func=run))
"""


def test_the_command_reads_a_directory_without_an_instance(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "manifest.py").write_text(MANIFEST)
    words = [
        "--data-dir",
        str(tmp_path / "none"),
        "simulate",
        "--dir",
        str(tree),
        "--from",
        "2026-10-01",
        "--days",
        "60",
    ]
    assert root.run(words) == 0
    text = capfd.readouterr().out
    assert "30 2 * * *" in text and "Without a schedule or disabled: by-hand" in text
    assert "60 min back" in text and "night: 1 that the clock repeats, due the first time only" in text
    assert root.run([*words, "--json", "--job", "night"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert [(job["id"], job["due"], job["runs"]) for job in document["jobs"]] == [("night", 60, 60)]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--dir", "."], 2, "there is no manifest.py"),
        (["--dir", "tree", "--job", "x"], 3, "there is no job 'x'"),
        (["--dir", "tree", "--duration", "soon"], 2, "is no length of time"),
        (["--dir", "tree", "--from", "soon"], 2, "is neither a date nor a time"),
        (["--dir", "tree", "--down", "2000-01-01..2000-01-02"], 2, "is not a span within the simulated one"),
        ([], 6, "no instance runs"),
    ],
)
def test_what_makes_no_sense_is_said(
    words: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "manifest.py").write_text(MANIFEST)
    assert root.run(["--data-dir", str(tmp_path / "none"), "simulate", *words]) == code
    assert said in capfd.readouterr().err


def test_a_manifest_that_does_not_load_is_exit_code_7(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.py").write_text("import nothing_like_this\n")
    assert root.run(["simulate", "--dir", str(tmp_path), "--data-dir", str(tmp_path / "none")]) == 7
    assert "manifest.py:1" in capfd.readouterr().err


def test_the_command_takes_the_jobs_of_the_instance_and_what_their_runs_took(instance: Instance) -> None:
    instance.start()
    text = MANIFEST.replace("def run(): pass", "import time\ndef run(): time.sleep(0.3)")
    instance.manifest(text)
    instance.ended(instance.run("night")["id"])
    ended = instance.cli("simulate", "--days", "7", "--slots", "3", "--json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    night, noon = document["jobs"]
    assert (night["id"], night["measured_runs"], night["seconds"] < 60) == ("night", 1, True)
    assert (noon["id"], noon["measured_runs"], noon["seconds"]) == ("noon", 0, 60)
    assert (document["slots"], night["due"]) == (3, 7)
    assert "by-hand" in document["idle"]

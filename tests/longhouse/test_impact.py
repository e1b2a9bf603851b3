"""What a commit says about schedules, and which edits cannot change any."""

from __future__ import annotations

import pytest

from longhouse.repo.bodies import only_bodies
from longhouse.simulation import impact
from tests.conftest import START, job_spec

ZONE = "Europe/Berlin"


def lines(before, after):
    return dict(impact.trailers(by_id(before), by_id(after), zone=ZONE, now=START))


def by_id(jobs):
    return impact.scheduled([(job, True) for job in jobs])


def test_the_same_schedules_say_nothing():
    job = job_spec("a", cron="0 8 * * *")
    assert lines([job], [job.replace(priority=3, timezone=ZONE)]) == {}


def test_added_changed_and_removed_jobs_are_named_with_what_it_comes_to():
    before = [job_spec("hourly", cron="0 * * * *"), job_spec("gone", cron=None, every=3600)]
    after = [job_spec("hourly", cron="*/30 * * * *"), job_spec("new", cron="0 8 * * *")]
    assert lines(before, after) | {"Clock-Change": ""} == {
        "Schedules": "added new; changed hourly; removed gone",
        "Runs-Per-Week": "336 -> 343",
        "Peak-Concurrency": "2 -> 2",
        "Clock-Change": "",
    }


def test_a_disabled_job_and_one_without_a_schedule_count_for_nothing():
    jobs = [(job_spec("a", cron="0 8 * * *"), False), (job_spec("b", cron=None), True)]
    assert impact.scheduled(jobs) == {}


def test_a_change_of_the_clock_that_touches_a_changed_job_is_dated_and_others_are_not_named():
    before = [job_spec("other", cron="30 2 * * *")]
    found = impact.trailers(by_id(before), by_id([*before, job_spec("night", cron="30 2 * * *")]), zone=ZONE, now=START)
    clocks = [value for name, value in found if name == "Clock-Change"]
    assert clocks == ["2026-03-29 Europe/Berlin: moved night", "2026-10-25 Europe/Berlin: once night"]


def test_rare_runs_have_a_fraction_and_many_jobs_are_counted():
    after = [job_spec(f"j{number}", cron="0 8 1 * *") for number in range(6)]
    found = lines([], after)
    assert found["Schedules"] == "added j0, j1, j2, j3 and 2 more"
    assert found["Runs-Per-Week"] == "0 -> 1.5"
    assert found["Peak-Concurrency"] == "0 -> 0", "none of them in the next week"


def test_the_lines_become_sentences_and_other_peoples_lines_do_not():
    body = "Because of the move.\n\nRuns-Per-Week: 7 -> 14\nManifest: broken\nSigned-off-by: Ada <ada@example.org>\n"
    assert impact.words(impact.of_message(body)) == (
        "Due times in a week: 14; before, 7.",
        "The manifest is broken: the last commit that loaded goes on running.",
    )
    assert impact.of_message("Runs-Per-Week: 7 -> 14\nand some prose") == ()
    assert impact.words((("Runs-Per-Week", "many"), ("Clock-Change", "soon"))) == (
        "Due times in a week: many.",
        "Change of the clock: soon.",
    )


BEFORE = (
    "import os\n\nLIMIT = 3\n\ndef run(n: int = 1):\n    return n\n\nclass Box:\n    def get(self):\n        return 1\n"
)


@pytest.mark.parametrize(
    ("after", "same"),
    [
        (BEFORE.replace("return n", "return n + 1"), True),
        (BEFORE.replace("return 1", "import json\n        return 2"), True),
        (BEFORE + "# a remark\n", True),
        (BEFORE.replace("LIMIT = 3", "LIMIT = 4"), False),
        (BEFORE.replace("n: int = 1", "n: str = 'a'"), False),
        (BEFORE.replace("def run", "async def run"), False),
        (BEFORE + "def more():\n    pass\n", False),
        (BEFORE.replace("    return n\n", "    return (\n", 1), False),
        (BEFORE.replace("    return n", "    job_registry.register(n)"), False),
        ("# /// script\n# dependencies = ['tiny']\n# ///\n" + BEFORE, False),
    ],
)
def test_an_edit_inside_functions_is_told_from_one_that_importing_sees(after: str, same: bool):
    assert only_bodies(BEFORE, after) is same


def test_a_function_that_importing_the_file_calls_is_no_inside():
    calls = BEFORE + "LATER = run()\n"
    assert only_bodies(calls, calls.replace("LIMIT", "LIMIT")) is True
    assert only_bodies(calls, calls.replace("return n", "return n + 1")) is False

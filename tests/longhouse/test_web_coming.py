"""The next due times on a job's page, and what the clocks do between them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from longhouse.triggers import trigger_of, upcoming
from longhouse.web.coming import Coming, coming
from tests.conftest import job_spec


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def listed(
    cron: str | None, start: str, count: int, *, every: int | None = None, zone: str = "Europe/Berlin"
) -> list[Coming]:
    spec = job_spec(cron=cron, every=every, timezone=zone)
    trigger = trigger_of(spec, "UTC")
    assert trigger is not None
    return coming(spec, "UTC", at(start), list(upcoming(trigger, at(start), count)))


FORWARD, BACK = at("2026-03-29T01:00"), at("2026-10-25T01:00")


def test_a_time_that_does_not_exist_runs_right_after() -> None:
    rows = listed("30 2 * * *", "2026-03-27T12:00", 3)
    assert [row.at for row in rows] == [at("2026-03-28T01:30"), FORWARD, FORWARD, at("2026-03-30T00:30")]
    assert rows[1].turn == "The clocks go forward, from 02:00 to 03:00"
    assert rows[2].note == "02:30 does not exist that day, runs at 03:00"
    assert [row.note for row in (rows[0], rows[3])] == ["", ""]


def test_several_times_that_do_not_exist_run_once() -> None:
    rows = listed("0,30 2 * * *", "2026-03-29T00:00", 1)
    assert rows[1].note == "02:00 and 02:30 do not exist that day, runs at 03:00"


@pytest.mark.parametrize(
    ("cron", "start", "said"),
    [
        ("*/10 2 * * *", "2026-03-28T12:00", "the times in between do not exist and are left out"),
        ("*/30 2 * * *", "2026-10-24T12:00", "the times in between come twice, and it is due both times"),
        ("0 8 * * *", "2026-10-24T12:00", "it goes on by the clock"),
        ("*/30 * * * *", "2026-03-29T00:45", "it keeps its pace"),
    ],
)
def test_a_change_says_what_it_does(cron: str, start: str, said: str) -> None:
    turns = [row for row in listed(cron, start, 8) if row.turn]
    assert [row.note for row in turns] == [said]
    assert turns[0].at in (FORWARD, BACK)


def test_an_interval_keeps_its_pace() -> None:
    rows = listed(None, "2026-03-29T00:00", 4, every=1800)
    assert [row.note for row in rows if row.turn] == ["it keeps its pace"]


def test_most_of_the_year_there_is_nothing_to_say() -> None:
    rows = listed("0 8 * * *", "2026-05-01T00:00", 20)
    assert len(rows) == 20 and not any(row.turn or row.note for row in rows)
    assert coming(job_spec(), "UTC", 0, []) == []

"""What the next changes of the clocks do to a job, as API, command and page say it."""

from __future__ import annotations

import pytest

from longhouse.triggers import turns

BERLIN = "on 2026-03-29 the clocks of Europe/Berlin skip 02:00 to 03:00"
NEW_YORK = "on 2026-03-08 the clocks of America/New_York skip 02:00 to 03:00"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cron": "30 2 * * *"}, [("2026-03-29", "moved"), ("2027-03-28", "moved")]),
        ({"cron": "*/15 2 * * *"}, [("2026-03-29", "left_out"), ("2026-10-25", "twice")]),
        ({"cron": "30 2 * * *", "timezone": "America/New_York"}, [("2026-03-08", "moved"), ("2027-03-14", "moved")]),
        ({"cron": "30 2 * * *", "timezone": "UTC"}, []),
        ({"cron": "0 8 * * *"}, []),
        ({"cron": "*/15 * * * *"}, []),
        ({"cron": None, "every": 900}, []),
        ({"cron": None}, []),
    ],
)
def test_the_next_two_are_told_with_what_they_do(client, add_job, settings, said):
    add_job("nightly", **settings)
    found = client.get("/api/jobs/nightly").json()["clock_changes"]
    assert [(each["date"], each["effect"]) for each in found] == said


def test_the_command_says_them(command, add_job):
    add_job("nightly", cron="30 2 * * *")
    code, out, _ = command("jobs", "show", "nightly")
    assert code == 0
    assert f"    {BERLIN}; what is due then is due once, at 03:00\n" in out


def test_the_page_says_the_one_that_is_near(browser, add_job):
    add_job("nightly", cron="30 2 * * *")
    add_job("there", cron="30 2 * * *", timezone="America/New_York")
    assert f"Change of the clocks: {NEW_YORK}; what is due then" in browser.get("/jobs/there"), "32 days ahead"
    assert "Change of the clocks" not in browser.get("/jobs/nightly"), "53 days ahead"


def test_a_zone_without_changes_costs_no_more_than_one_look(client, add_job, monkeypatch):
    """The years of a zone are looked at once, whoever asks."""
    add_job("nightly", cron="30 2 * * *", timezone="Asia/Tokyo")
    client.get("/api/jobs/nightly")
    looks = turns.between.__globals__["_of_year"].cache_info
    before = looks().misses
    client.get("/api/jobs/nightly")
    assert looks().misses == before

"""Times as the command line shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from longhouse.cli import times
from longhouse.clock import parse_iso

NOON = "2026-02-04T12:00:00.000Z"


@pytest.fixture
def kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_is_shown_in_the_zone_of_the_terminal(kathmandu: None) -> None:
    assert times.local(NOON) == "2026-02-04 17:45:00"
    assert times.local(None) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "in 0.0 s"),
        (9.96, "in 10.0 s"),
        (59.9, "in 59 s"),
        (61, "in 1 min"),
        (3_600, "in 1 h"),
        (90_000, "in 1 d"),
        (-5, "5.0 s ago"),
        (-7_300, "2 h ago"),
    ],
)
def test_how_far_away_it_is(seconds: float, text: str) -> None:
    assert times.away(NOON, parse_iso(NOON) - int(seconds * 1000)) == text


def test_how_long_it_took() -> None:
    assert times.between(NOON, "2026-02-04T12:02:30.000Z") == "2 min"
    assert times.between(None, None) == ""

"""What becomes of due times that have passed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from longhouse.triggers.every import Every
from longhouse.triggers.misfire import End, Fire, Missed, Policy, settle

MINUTE = 60_000
EACH_MINUTE = Every(60)


def policy(catch_up: str = "latest", grace: int = MINUTE, most: int = 10) -> Policy:
    return Policy(grace, catch_up, most)


def test_a_due_time_within_the_grace_fires():
    assert settle(EACH_MINUTE, 0, MINUTE + 59_000, policy=policy()) == [Fire(MINUTE, late=False)]


def test_nothing_is_due():
    assert settle(EACH_MINUTE, MINUTE, 2 * MINUTE - 1, policy=policy()) == []


def test_latest_runs_the_last_missed_one_and_says_which_it_makes_up_for():
    ended = settle(Every(3600), 0, 10 * 3_600_000 + 30 * MINUTE, policy=policy())
    hour = 3_600_000
    assert ended == [Missed(hour, 9 * hour, 9, End.CAUGHT_UP_BY), Fire(10 * hour, late=True)]


def test_latest_leaves_it_to_the_firing_that_is_on_time():
    ended = settle(EACH_MINUTE, 0, 10 * MINUTE + 1, policy=policy())
    assert ended == [Missed(MINUTE, 9 * MINUTE, 9, End.CAUGHT_UP_BY), Fire(10 * MINUTE, late=False)]


def test_skip_says_whether_we_were_down_or_late():
    up_since = 5 * MINUTE + 1
    ended = settle(EACH_MINUTE, 0, 10 * MINUTE, policy=policy("skip"), up_since=up_since)
    assert ended[:2] == [
        Missed(MINUTE, 5 * MINUTE, 5, End.MISSED_DOWN),
        Missed(6 * MINUTE, 8 * MINUTE, 3, End.MISSED_LATE),
    ]
    assert [entry for entry in ended if isinstance(entry, Fire)] == [Fire(9 * MINUTE, False), Fire(10 * MINUTE, False)]


def test_all_runs_the_last_few_and_counts_the_rest():
    ended = settle(Every(3600), 0, 30 * 3_600_000 + 2 * MINUTE, policy=policy("all", most=3), up_since=10**12)
    hour = 3_600_000
    assert ended == [
        Missed(hour, 27 * hour, 27, End.MISSED_DOWN),
        *(Fire(n * hour, late=True) for n in (28, 29, 30)),
    ]


@given(
    step=st.integers(1, 5000),
    cursor=st.integers(0, 10**7),
    gone=st.integers(0, 10**8),
    up=st.one_of(st.none(), st.integers(0, 10**8)),
    catch_up=st.sampled_from(["skip", "latest", "all"]),
    grace=st.integers(0, 10**6),
    most=st.integers(1, 20),
)
def test_every_due_time_is_in_exactly_one_entry(step, cursor, gone, up, catch_up, grace, most):
    trigger, now = Every(step), cursor + gone
    ended = settle(trigger, cursor, now, policy=Policy(grace, catch_up, most), up_since=up)
    seen, last = 0, cursor
    for entry in ended:
        first, to, count = (
            (entry.due, entry.due, 1) if isinstance(entry, Fire) else (entry.first, entry.last, entry.count)
        )
        assert first == trigger.after(last)
        assert count == trigger.count(first - 1, to)
        seen, last = seen + count, to
    assert seen == trigger.count(cursor, now)
    late = [entry for entry in ended if isinstance(entry, Fire) and entry.late]
    assert len(late) <= {"skip": 0, "latest": 1, "all": most}[catch_up]
    assert all(now - entry.due <= grace for entry in ended if isinstance(entry, Fire) and not entry.late)

"""The life of a run is one table, in the code and in the database."""

from __future__ import annotations

import itertools

import apsw
import pytest

from longhouse.house import House
from longhouse.runs import retry
from longhouse.runs.state import ACTIVE, NEXT, TERMINAL, IllegalMove, RunState, move

ENQUEUED = (
    "INSERT INTO runs (job_id, trigger, actor, surface, not_before, overlap, max_attempts, spec, created_at, state)"
    " VALUES ('a', 'manual', 'me', 'cli', 0, 'skip', 1, '{}', 0, ?)"
)


def test_terminal_is_terminal():
    assert {"succeeded", "degraded", "failed", "skipped", "cancelled"} == TERMINAL
    assert {"queued", "running", "retrying"} == ACTIVE


@pytest.mark.parametrize(("old", "new"), list(itertools.product(RunState, RunState)))
def test_the_database_refuses_what_the_table_refuses(house: House, old: RunState, new: RunState):
    allowed = new in NEXT[old]
    if allowed:
        assert move(old, new) is new
    else:
        with pytest.raises(IllegalMove, match=f"a {old} run cannot become {new}"):
            move(old, new)
    with house.db.write() as db:
        db.execute(ENQUEUED, (old,))
    refused = False
    try:
        with house.db.write() as db:
            db.execute("UPDATE runs SET state = ?", (new,)).fetchall()
    except apsw.ConstraintError:
        refused = True
    assert refused is (not allowed and old is not new)


def test_delays_double_up_to_an_hour():
    assert [retry.delay_seconds(n, 15, spread=0) for n in (1, 2, 3, 9, 500)] == [15, 30, 60, 3600, 3600]
    assert retry.delay_seconds(1, 10, spread=0.5) == 10.5


def test_the_spread_depends_on_its_parts_alone():
    spreads = [retry.spread_of("job", n) for n in range(1000)]
    assert spreads == [retry.spread_of("job", n) for n in range(1000)]
    assert 0 <= min(spreads) < 0.05
    assert 0.95 < max(spreads) < 1

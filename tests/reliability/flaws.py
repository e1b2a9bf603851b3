"""Protections switched off, for the negative controls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from longhouse import history, queue
from longhouse.house import House
from longhouse.queue import Ending
from longhouse.runs.state import RunState
from longhouse.store import attempts, runs

Put = Callable[[Any, str, Any], None]
"""`setattr`, or that of a monkeypatch."""


def believe_everybody(house: House, put: Put) -> None:
    """`finish` as somebody would write it who has not met a second voice: it believes whoever calls."""
    ends, moves = attempts.END, runs.MOVE
    put(attempts, "END", ends.replace(" AND state IS NULL", ""))
    put(runs, "MOVE", moves.replace(" AND state = :old AND attempt = :attempt", ""))
    assert ends != attempts.END and moves != runs.MOVE, "the guards are elsewhere now"
    with house.db.write() as db:
        db.execute("DROP TRIGGER IF EXISTS runs_life").fetchall()
    believed, look, finish = threading.local(), history.in_transaction, queue.finish

    def believing(db: Any, run_id: int) -> Any:
        attempt = getattr(believed, "attempt", None)
        run = look(db, run_id)
        return run if attempt is None else replace(run, state=RunState.RUNNING, attempt=attempt)

    def careless(house: House, run_id: int, attempt: int, ending: Ending) -> RunState | None:
        believed.attempt = attempt
        try:
            return finish(house, run_id, attempt, ending)
        finally:
            believed.attempt = None

    put(history, "in_transaction", believing)
    put(queue, "finish", careless)

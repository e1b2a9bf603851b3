"""Runs that somebody deletes: only such that have ended, and as old ones go, with all that belongs to them.

The ledger keeps its entries: a due time that started a run has done so, also when the run is no longer there. What is
to go is written down with the act itself, in the transaction of its row in the audit trail; then it goes batch by
batch, and what was left when the server died goes after the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from longhouse import audit, history, retention
from longhouse.errors import Conflict, Invalid
from longhouse.house import By, House
from longhouse.logs import Log
from longhouse.runs.state import ACTIVE, TERMINAL
from longhouse.store import deletions as rows
from longhouse.store import events, run_search
from longhouse.store import retention as kept
from longhouse.store.database import Connection
from longhouse.store.deletions import Doomed
from longhouse.store.run_search import Counted, Wanted

log = Log("longhouse.deletions")

MOST_NAMED = 1_000
SECONDS = 5.0
"""Whoever asks waits for at most so long; the rest goes in the background."""


@dataclass(frozen=True)
class Plan:
    """What would go."""

    doomed: Doomed
    count: int
    active: int = 0
    """Runs that stay because they have not ended."""
    gone: int = 0
    """Runs that were named and are not there."""


@dataclass(frozen=True)
class Deleted:
    count: int
    """Runs that were to go; `left` of them go in the background."""
    active: int
    gone: int
    left: int
    freed_bytes: int
    """What they had printed and left behind, as far as they are gone."""


# --- what would go --------------------------------------------------------------------------------------------------


def named(house: House, run_ids: list[int]) -> Plan:
    """Raises Invalid for more than MOST_NAMED."""
    wanted = sorted(set(run_ids))
    if len(wanted) > MOST_NAMED:
        raise Invalid(
            f"that are {len(wanted):,} runs; at most {MOST_NAMED:,} can be named at once",
            hint="Take them in parts, or say what they have in common.",
        )
    with house.db.read() as db:
        found = rows.standing(db, wanted)
    ended = tuple(run_id for run_id, row in found.items() if row["state"] in TERMINAL)
    return Plan(Doomed(ids=ended), len(ended), active=len(found) - len(ended), gone=len(wanted) - len(found))


def matching(house: House, wanted: Wanted, *, ended_by: int | None = None) -> Plan:
    """Everything that fits and has ended, by now or at `ended_by`: the same runs, whatever ends afterwards.

    Raises Invalid if the beginning of a commit's or environment's name fits too many.
    """
    now = house.clock.now()
    fixed = replace(wanted, states=_among(wanted, TERMINAL), ended_by=now if ended_by is None else min(now, ended_by))
    waits = replace(wanted, states=_among(wanted, ACTIVE))
    with house.db.read() as db:
        vague = run_search.ambiguous(db, wanted)
        if vague is not None:
            raise Invalid(
                f"{vague!r} is the beginning of very many names", hint="Give more of the commit or environment."
            )
        floor = run_search.floor(db, wanted)  # what goes makes the search reach no further
        fixed, waits = replace(fixed, floor=floor), replace(waits, floor=floor)
        found = run_search.counted(db, fixed) if fixed.states else Counted(0, 0, 0)
        active = run_search.counted(db, waits).runs if waits.states else 0
    return Plan(Doomed(matching=replace(fixed, low=found.low, high=found.high)), found.runs, active=active)


def _among(wanted: Wanted, states: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(set(wanted.states) & states if wanted.states else states))


def first(house: House, plan: Plan, limit: int) -> list[int]:
    """Some of those that would go, newest first."""
    with house.db.read() as db:
        return rows.finished(db, plan.doomed, None, limit) if plan.count else []


# --- going ----------------------------------------------------------------------------------------------------------


def delete(house: House, run_id: int, by: By) -> Deleted:
    """Raises NotFound, and Conflict for a run that has not ended."""
    run = history.get(house, run_id)
    if run.state in ACTIVE:
        raise Conflict(
            f"run {run_id} has not ended: it is {run.state}",
            hint=f"Cancel it first: longhouse-jobs runs cancel {run_id}",
        )
    return carry_out(house, named(house, [run_id]), by)


def carry_out(house: House, plan: Plan, by: By, *, confirm: int | None = None) -> Deleted:
    """`confirm` is the number that whoever asks has seen. Raises Conflict if more than that would go."""
    if confirm is not None and plan.count > confirm:
        raise Conflict(
            f"{_runs(plan.count)} would go, not {confirm:,}",
            hint="Look at it again (dry_run), then confirm that number.",
        )
    removed = freed = 0
    if plan.count:
        deletion = 0
        try:
            with house.db.write() as db:
                _record(house, db, plan, by)
                deletion = rows.add(db, plan.doomed)
                house.deleting.add(deletion)  # before anybody else can see it
            until = house.clock.monotonic() + SECONDS
            for gone in _removed(house, deletion, plan.doomed):
                removed, freed = gone
                if house.clock.monotonic() >= until or house.feed.closing.is_set():
                    break
        finally:
            house.deleting.discard(deletion)
    left = max(0, plan.count - removed)
    if left:
        house.feed.sweep.ring()
    return Deleted(plan.count, plan.active, plan.gone, left, freed)


def carry_on(house: House, tried: set[int]) -> Iterator[int]:
    """What of deletions is still there goes, one batch for each step; how many runs went with it. Those of `tried` are
    left out, and those that were looked through are added to it; one that is being carried out is for the next time."""
    with house.db.read() as db:
        pending = rows.pending(db)
    for deletion, doomed in pending:
        if deletion in tried or deletion in house.deleting:
            continue
        before = 0
        for removed, _ in _removed(house, deletion, doomed):
            yield removed - before
            before = removed
        tried.add(deletion)


def _removed(house: House, deletion: int, doomed: Doomed) -> Iterator[tuple[int, int]]:
    """After each batch: how many runs and bytes have gone in all. Those whose files cannot be removed stay, and so
    does the deletion: it is tried again."""
    batch = retention.Batch(house)
    below: int | None = None
    removed = freed = stuck = 0
    while True:
        with house.db.read() as db:
            found = rows.finished(db, doomed, below, batch.size)
        if not found:
            break
        below, ready = found[-1], []
        for run_id in found:
            try:
                freed += retention.remove_files(house, run_id)
                ready.append(run_id)
            except OSError as error:
                stuck += 1
                log.error("a deleted run stays: its files cannot be removed", run=run_id, error=error)
        if ready:
            batch.write(lambda db, ids: _forget(house, db, ids), ready)
            house.outlook.forget_runs()
            removed += len(ready)
        yield removed, freed
    if not stuck:
        with house.db.write() as db:
            rows.done(db, deletion)


def _forget(house: House, db: Connection, run_ids: list[int]) -> None:
    found = rows.standing(db, run_ids)
    kept.forget(db, run_ids)
    data = {"runs": sorted(found), "jobs": sorted({row["job_id"] for row in found.values()})}
    events.append(db, "run.deleted", "runs", data, house.clock.now())


# --- what is written down -------------------------------------------------------------------------------------------


def _record(house: House, db: Connection, plan: Plan, by: By) -> None:
    ids = plan.doomed.ids
    found = rows.standing(db, ids) if len(ids) == 1 else {}
    for run_id, row in found.items():
        before = {"run": run_id, "state": row["state"], "finished_at": row["finished_at"]}
        audit.record(house, db, by, "run.delete", f"job:{row['job_id']}", before=before)
    if not found:
        what: dict[str, Any] = {"runs": list(ids)} if ids else {"matching": _conditions(plan.doomed.matching)}
        audit.record(house, db, by, "run.delete", "runs", after={"count": plan.count, **what})


def _conditions(wanted: Wanted | None) -> dict[str, Any]:
    return {name: value for name, value in asdict(wanted or Wanted()).items() if value not in (None, "", ())}


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"

"""One act on many jobs or runs: each by the verb that does it for one, all in one transaction, each with its outcome.

What one of them refuses changes nothing about the others. Asked for again, acts that set something find it set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from longhouse import finding, history, jobs, queue
from longhouse.errors import Conflict, Invalid, LonghouseError, StorageFailed, StorageFull
from longhouse.finding import Looked
from longhouse.house import By, House
from longhouse.runs.state import ACTIVE, TERMINAL
from longhouse.store import run_search
from longhouse.store.database import all_or_nothing
from longhouse.store.idempotency import Joined
from longhouse.store.run_search import Wanted

MOST = 1_000
JOB_ACTS = ("enable", "disable", "pause", "resume")
RUN_ACTS = ("cancel", "rerun")

Id = TypeVar("Id", str, int)


@dataclass(frozen=True)
class Outcome:
    id: str | int
    """Of the job or run that was named."""
    changed: bool = False
    """False if it was so already, or was refused."""
    run: int | None = None
    """The new run, or the one that stops."""
    error: LonghouseError | None = None


def set_jobs(house: House, act: str, job_ids: list[str], by: By, *, until: str | None = None) -> list[Outcome]:
    """Enable, disable, pause or resume. Raises Invalid for more than MOST."""

    def one(inside: House, job_id: str) -> Outcome:
        if act in ("enable", "disable"):
            before = jobs.get_job(inside, job_id).job.enabled
            return Outcome(job_id, jobs.set_enabled(inside, job_id, act == "enable", by).enabled != before)
        if act == "resume":
            return Outcome(job_id, jobs.resume(inside, job_id, by))
        jobs.pause(inside, job_id, by, until=until)
        return Outcome(job_id, True)

    return _each(house, job_ids, one)


def run_jobs(house: House, job_ids: list[str], by: By) -> list[Outcome]:
    """A run of each, at once, with the parameters of the manifest. Raises Invalid for more than MOST."""
    return _each(house, job_ids, lambda inside, job_id: Outcome(job_id, True, jobs.run_now(inside, job_id, by).id))


def cancel_runs(house: House, run_ids: list[int], by: By) -> list[Outcome]:
    """Raises Invalid for more than MOST."""

    def one(inside: House, run_id: int) -> Outcome:
        before = history.get(inside, run_id).cancel_requested_at
        return Outcome(run_id, queue.cancel(inside, run_id, by).cancel_requested_at != before, run_id)

    return _each(house, run_ids, one)


def rerun(house: House, run_ids: list[int], by: By, *, same_commit: bool) -> list[Outcome]:
    """Each once more, oldest first. Several of one job wait for each other: only what was active before is in the way.

    Raises Invalid for more than MOST.
    """
    refused: dict[str, Conflict | None] = {}

    def one(inside: House, run_id: int) -> Outcome:
        old = history.get(inside, run_id)
        if old.job_id not in refused:
            refused[old.job_id] = jobs.no_room(inside, old.job_id)
        full = refused[old.job_id]
        if full is not None and old.trigger != "trial":
            raise full
        new = jobs.rerun(inside, run_id, by, same_commit=same_commit, crowd=True)
        return Outcome(run_id, True, new.id)

    return _each(house, sorted(run_ids), one)


def _each(house: House, ids: list[Id], act: Callable[[House, Id], Outcome]) -> list[Outcome]:
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST:
        raise Invalid(f"that are {len(wanted):,}; at most {MOST:,} go at once", hint="Take them in parts.")
    found = []
    with house.db.write() as db:
        inside = replace(house, db=Joined(db, house.db))
        for each in wanted:
            try:
                with all_or_nothing(db):
                    found.append(act(inside, each))
            except (StorageFull, StorageFailed):
                raise  # nothing of it stands
            except LonghouseError as error:
                found.append(Outcome(each, error=error))
    house.feed.replan()  # what the acts rang before the commit found nothing yet
    house.feed.repo.ring()
    return found


# --- everything that fits -------------------------------------------------------------------------------------------


def matching_jobs(house: House, looked: Looked) -> list[str]:
    """Raises Invalid if those are more than MOST."""
    return _few(finding.ids(house, looked), "jobs")


def matching_runs(house: House, act: str, wanted: Wanted) -> list[int]:
    """Those that can be cancelled, or run again: the active ones, or those that have ended; newest first.

    Raises Invalid if those are more than MOST.
    """
    fits = ACTIVE if act == "cancel" else TERMINAL
    states = tuple(sorted(set(wanted.states) & fits if wanted.states else fits))
    if not states:
        return []
    with house.db.read() as db:
        return _few(run_search.ids(db, replace(wanted, states=states), MOST + 1), "runs")


def _few(ids: list[Id], noun: str) -> list[Id]:
    if len(ids) > MOST:
        raise Invalid(f"more than {MOST:,} {noun} fit", hint="Narrow it down: at most so many go at once.")
    return ids

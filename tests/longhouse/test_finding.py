"""Looking for jobs and runs: each condition alone and with others, held against the plain way of filtering all."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from longhouse import finding, history, jobs, pauses, queue
from longhouse.errors import Invalid
from longhouse.finding import Label, Looked, matches, placed
from longhouse.house import SYSTEM, By, House
from longhouse.queue import Ending
from longhouse.runs.state import Reason, RunState
from longhouse.store import run_search
from longhouse.store.run_search import Wanted
from longhouse.store.runs import Run
from tests.conftest import HandClock

OWNER = By("owner", "web")
SEED = int(os.environ.get("LONGHOUSE_SEED", "20261122"))
MESSAGES = ("", "LookupError: no customer 4711", "100% of it_all gone \\ away", "Timed out after 60 s.")


def fits(run: Run, wanted: Wanted) -> bool:
    """What the search means, said plainly."""
    text = wanted.text.lower()
    return (
        wanted.job_id in (None, run.job_id)
        and (not wanted.states or run.state in wanted.states)
        and wanted.reason in (None, run.reason)
        and wanted.trigger in (None, run.trigger)
        and (run.commit_sha or "").startswith(wanted.commit or "")
        and run.environment.startswith(wanted.environment or "")
        and (wanted.since is None or run.created_at >= wanted.since)
        and (wanted.until is None or run.created_at < wanted.until)
        and (not text or text in run.message.lower() or text == str(run.id))
        and wanted.fingerprint in (None, run.fingerprint)
    )


def some_runs(house: House, clock: HandClock, chance: random.Random, count: int) -> None:
    for _ in range(count):
        clock.advance(chance.choice((1, 60, 3600, -7200)))
        job_id = chance.choice(("a", "b", "c"))
        run = jobs.run_now(house, job_id, chance.choice((OWNER, SYSTEM)))
        if chance.random() < 0.15:
            queue.cancel(house, run.id, OWNER)
            continue
        claimed = queue.claim(house)
        assert claimed is not None
        state = chance.choice((RunState.SUCCEEDED, RunState.FAILED, RunState.DEGRADED))
        reason = chance.choice((Reason.EXCEPTION, Reason.TIMED_OUT)) if state is RunState.FAILED else None
        message = "" if state is RunState.SUCCEEDED else chance.choice(MESSAGES)
        queue.finish(house, run.id, claimed.attempt, Ending(state=state, reason=reason, message=message))


def test_every_search_finds_what_filtering_all_finds(
    house: House, clock: HandClock, add_job: Callable[..., None]
) -> None:
    chance = random.Random(SEED)
    for job_id in "abc":
        add_job(job_id, max_attempts=1, overlap="allow", priority=chance.randint(0, 3))
    some_runs(house, clock, chance, 120)
    every, _ = history.list_runs(house, limit=1_000)
    times = [run.created_at for run in every]
    found = 0
    for _ in range(300):
        wanted = Wanted(
            job_id=chance.choice((None, None, "a", "nobody")),
            states=chance.choice(((), (), ("failed",), ("succeeded", "cancelled"))),
            reason=chance.choice((None, None, None, "exception", "oom")),
            trigger=chance.choice((None, None, "manual", "rerun")),
            commit=chance.choice((None, None, "c0ffee", "c0ffee" * 6 + "beef", "d")),
            since=chance.choice((None, None, chance.choice(times))),
            until=chance.choice((None, None, chance.choice(times))),
            text=chance.choice(("", "", "CUSTOMER 4711", "0% of it_all", "\\", "17", "%")),
            fingerprint=chance.choice((None, None, None, chance.choice(every).fingerprint)),
        )
        right = [run.id for run in every if fits(run, wanted)]
        shown, following = history.list_runs(house, wanted, limit=1_000)
        assert [run.id for run in shown] == right, (SEED, wanted)
        assert following is None
        assert all(run.spec == {} for run in shown), "lists do without the large documents"
        found += len(right)
    assert found > 1_000, "the control: the searches find something"


def test_pages_of_a_search_follow_each_other(house: House, clock: HandClock, add_job: Callable[..., None]) -> None:
    for job_id in "abc":
        add_job(job_id, max_attempts=1, overlap="allow")
    some_runs(house, clock, random.Random(SEED), 30)
    wanted = Wanted(states=("failed", "cancelled"))
    every = [run.id for run in history.list_runs(house, wanted, limit=100)[0]]
    seen: list[int] = []
    before = None
    while True:
        found, before = history.list_runs(house, wanted, before=before, limit=4)
        seen += [run.id for run in found]
        if before is None:
            break
    assert seen == every and len(seen) > 8


def test_of_several_indexes_the_narrowest_is_taken(
    house: House, clock: HandClock, add_job: Callable[..., None]
) -> None:
    add_job("a", overlap="allow")
    add_job("b", overlap="allow")
    for job_id in "aaaaaab":
        jobs.run_now(house, job_id, OWNER)
    with house.db.read() as db:
        values = {"job_id": "b", "trigger": "manual", "state0": "queued", "low": 0, "high": 100}
        assert run_search._narrowest(db, values) == "runs_of_job"
        assert run_search._narrowest(db, {**values, "job_id": "a", "trigger": "rerun"}) == "runs_by_trigger"
        several = {"state0": "queued", "state1": "running", "low": 0, "high": 100}
        assert run_search._narrowest(db, several) is None, "of several values no index gives the order"


def test_times_are_given_as_people_give_them(house: House, clock: HandClock) -> None:
    wanted = finding.runs_wanted(house, since="2026-02-04 08:00", until="24h", job_id="", text="x")
    assert wanted == Wanted(since=clock.now() - 3_600_000, until=clock.now() - 86_400_000, text="x")
    with pytest.raises(Invalid, match="since: 'yesterday' is no time"):
        finding.runs_wanted(house, since="yesterday")


# --- jobs -----------------------------------------------------------------------------------------------------------

MAIL = Label("daily-digest", "Send my Daily summary.", "home", ("mail", "daily"), enabled=True, paused=False)
SHOP = MAIL._replace(id="check-shop", description="Is it up?", project="shop", tags=(), enabled=False, last="failed")
PLAIN = MAIL._replace(id="apple", description="", project="", tags=("Zoo",), paused=True, ran=True)


@pytest.mark.parametrize(
    ("looked", "ids"),
    [
        (Looked(), ["daily-digest", "check-shop", "apple"]),
        (Looked(text="DAILY my"), ["daily-digest"]),
        (Looked(text="mail"), ["daily-digest"]),
        (Looked(text="shop up"), ["check-shop"]),
        (Looked(text="zoo"), ["apple"]),
        (Looked(text="nothing"), []),
        (Looked(tag="mail"), ["daily-digest"]),
        (Looked(tag="mai"), []),
        (Looked(project="shop"), ["check-shop"]),
        (Looked(show="on"), ["daily-digest", "apple"]),
        (Looked(show="off"), ["check-shop"]),
        (Looked(show="paused"), ["apple"]),
        (Looked(show="failing"), ["check-shop"]),
        (Looked(show="never"), ["daily-digest", "check-shop"]),
        (Looked(show="off", project="home"), []),
    ],
)
def test_jobs_that_fit(looked: Looked, ids: list[str]) -> None:
    assert [label.id for label in (MAIL, SHOP, PLAIN) if matches(label, looked)] == ids


def test_groups_are_in_order_and_those_without_come_last() -> None:
    every = (MAIL, SHOP, PLAIN)
    assert placed(every, "") == [("", "apple"), ("", "check-shop"), ("", "daily-digest")]
    assert placed(every, "project") == [("home", "daily-digest"), ("shop", "check-shop"), ("", "apple")]
    assert placed(every, "tag") == [
        ("daily", "daily-digest"),
        ("mail", "daily-digest"),
        ("Zoo", "apple"),
        ("", "check-shop"),
    ]


def test_jobs_are_found_as_they_stand(house: House, clock: HandClock, add_job: Callable[..., None]) -> None:
    add_job("alpha", project="home", tags=("mail", "daily"), max_attempts=1)
    add_job("beta", project="shop", max_attempts=1)
    add_job("gamma", enabled=False)
    jobs.pause(house, "beta", OWNER)

    def ids(**looked: str) -> list[str]:
        return finding.ids(house, Looked(**looked))

    assert ids() == ["alpha", "beta", "gamma"]
    assert (ids(show="paused"), ids(show="off"), ids(show="failing")) == (["beta"], ["gamma"], [])
    assert ids(show="never") == ["alpha", "beta", "gamma"]
    run = jobs.run_now(house, "alpha", OWNER)
    assert ids(show="never") == ["beta", "gamma"]
    claimed = queue.claim(house)
    assert claimed is not None
    queue.finish(house, run.id, 1, Ending(state=RunState.FAILED, reason=Reason.EXIT, exit_code=2))
    assert ids(show="failing") == ["alpha"]
    pauses.pause(house, OWNER)
    assert ids(show="paused") == ["alpha", "beta"], "a disabled job is off, not paused"


def test_a_page_in_groups_counts_what_is_on_other_pages(house: House, add_job: Callable[..., None]) -> None:
    for number in range(7):
        add_job(f"job-{number}", project="one" if number < 5 else "", tags=("x", "y") if number == 0 else ())
    first = finding.find(house, Looked(), group="project", limit=4)
    assert [(group.name, group.count, len(group.items)) for group in first.groups] == [("one", 5, 4)]
    assert (first.total, first.known, first.pages, first.tags, first.projects) == (7, 7, 2, ["x", "y"], ["one"])
    second = finding.find(house, Looked(), group="project", page=2, limit=4)
    assert [(group.name, [item.job.id for item in group.items]) for group in second.groups] == [
        ("one", ["job-4"]),
        ("", ["job-5", "job-6"]),
    ]
    tags = finding.find(house, Looked(text="job-0"), group="tag")
    assert [group.name for group in tags.groups] == ["x", "y"] and tags.total == 1

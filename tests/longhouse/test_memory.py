"""What a job keeps between its runs: its limit on both sides, and looking and clearing from every surface."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longhouse import accounts, jobs, queue
from longhouse.engine.capture import Capture
from longhouse.engine.notes import Notes
from longhouse.house import SYSTEM
from longhouse.masking import Masker
from longhouse.output import read_lines
from longhouse.store import jobs as rows
from zerg._wire import MAX_STATE_BYTES, StateSet, size_of_state
from zerg.context import State

FULL = MAX_STATE_BYTES - len('"full"') - len('""')
"""Characters that fill the memory to the last byte, under the key `full`."""


@pytest.fixture
def keep(house, add_job):
    """`keep("digest", seen=12)`: a job that has kept this."""

    def kept(job_id: str = "digest", **values: Any) -> None:
        add_job(job_id)
        with house.db.write() as db:
            for key, value in values.items():
                rows.set_state(db, job_id, key, value, house.clock.now())

    return kept


# --- the limit --------------------------------------------------------------------------------------------------------


class Sent(list):
    send = list.append


def test_the_job_is_told_where_it_sets_too_much():
    sent = Sent()
    state = State({"old": "x" * 1000}, sent)
    with pytest.raises(ValueError, match=rf"'full'.*{MAX_STATE_BYTES} is the limit"):
        state["full"] = "x" * FULL
    assert sent == [] and "full" not in state
    del state["old"]
    state["full"] = "x" * FULL
    assert size_of_state(dict(state)) == MAX_STATE_BYTES
    with pytest.raises(ValueError):
        state["more"] = None
    state["full"] = "short"
    state["more"] = None
    assert dict(state) == {"full": "short", "more": None}
    assert [(each.key, each.removed) for each in sent] == [
        *(("old", True), ("full", False), ("full", False), ("more", False))
    ]


def test_what_several_runs_set_is_limited_all_together(house, add_job, tmp_path):
    """Each kept to the limit by what it knew; together they do not."""
    add_job("digest", overlap="allow")
    said = []
    for number in range(2):
        jobs.run_now(house, "digest", SYSTEM)
        claimed = queue.claim(house)
        assert claimed is not None
        capture = Capture(tmp_path / f"{number}-1", 0.0)
        notes = Notes(house, claimed, tmp_path, capture, Masker())
        notes.take(
            [StateSet(key=f"half-{number}", value="x" * (MAX_STATE_BYTES * 6 // 10)), StateSet(key="n", value=1)]
        )
        capture.seal()
        said.append([line.text for line in read_lines(tmp_path / f"{number}-1").lines])
    assert sorted(jobs.memory(house, "digest")) == ["half-0", "n"]
    assert said == [[], [f"ctx.state['half-1'] was not kept: {MAX_STATE_BYTES:,} bytes is the limit."]]


# --- the API ----------------------------------------------------------------------------------------------------------


def test_it_is_shown_and_cleared_by_key_or_as_a_whole(client, house, keep):
    keep(seen=12, last={"at": "noon"}, **{"a b&c": None})
    keep("other", seen=1)
    found = client.get("/api/jobs/digest/state").json()
    assert found["state"] == {"seen": 12, "last": {"at": "noon"}, "a b&c": None}
    assert (found["bytes"], found["limit"]) == (size_of_state(found["state"]), MAX_STATE_BYTES)
    assert client.delete("/api/jobs/digest/state", params={"key": "a b&c"}).json() == {"cleared": 1}
    unknown = client.delete("/api/jobs/digest/state", params={"key": "a b&c"})
    assert unknown.status_code == 404 and "keeps nothing under 'a b&c'" in unknown.json()["detail"]
    assert client.delete("/api/jobs/digest/state").json() == {"cleared": 2}
    assert client.delete("/api/jobs/digest/state").json() == {"cleared": 0}, "nothing left, nothing wrong"
    assert jobs.memory(house, "digest") == {} and jobs.memory(house, "other") == {"seen": 1}
    with house.db.read() as db:
        noted = [json.loads(row) for row in db.execute("SELECT before FROM audit WHERE verb = 'job.forget'").get]
    assert noted == [{"keys": ["a b&c"]}, {"keys": ["last", "seen"]}], "the audit names keys and no values"


def test_clearing_needs_the_scope_of_changing_jobs(anonymous, house, keep):
    keep(seen=12)
    reader = accounts.new_token(house, "reader", ("jobs:read", "runs:write"), SYSTEM).value
    anonymous.headers["Authorization"] = f"Bearer {reader}"
    assert anonymous.get("/api/jobs/digest/state").json()["state"] == {"seen": 12}
    assert anonymous.delete("/api/jobs/digest/state").status_code == 403
    assert jobs.memory(house, "digest") == {"seen": 12}


def test_a_job_that_is_not_there_has_none(client):
    assert client.get("/api/jobs/gone/state").status_code == 404
    assert client.delete("/api/jobs/gone/state").status_code == 404


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_shows_and_clears_it(command, house, keep):
    keep(seen=12, last="noon")
    code, out, _ = command("jobs", "state", "digest")
    assert (code, out.splitlines()[:2]) == (0, ['last  "noon"', "seen  12"])
    assert out.splitlines()[2].endswith("of 1,048,576 bytes")
    assert command("jobs", "state", "digest", "seen")[1].startswith("seen  12\n")
    assert json.loads(command("jobs", "state", "digest", "seen", "--json")[1])["state"] == {"seen": 12}
    code, _, err = command("jobs", "state", "digest", "absent")
    assert code == 3 and "keeps nothing under 'absent'" in err
    assert command("jobs", "state", "digest", "absent", "--clear")[0] == 3
    assert command("jobs", "state", "digest", "seen", "--clear")[:2] == (0, "digest: 1 key cleared\n")
    assert jobs.memory(house, "digest") == {"last": "noon"}
    assert json.loads(command("jobs", "state", "digest", "--clear", "--json")[1]) == {"cleared": 1}
    assert jobs.memory(house, "digest") == {}


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_names_keys_and_sizes_and_clears_after_a_second_click(browser, house, keep):
    keep(seen=12, last="x" * 4_200, **{"<b>": 1})
    keep("empty")
    text = browser.get("/jobs/digest")
    assert "<code>&lt;b&gt;</code>" in text and "4.2 kB" in text and "x" * 4_200 not in text
    memory = text[text.index('id="job-memory"') :]
    details = memory[memory.index('<details class="sure">') : memory.index("</details>")]
    assert "Clear the memory of digest" in details, "the button is behind a first one"
    assert "Nothing yet" in browser.post("/jobs/digest/forget")
    assert jobs.memory(house, "digest") == {}
    assert "Nothing yet" in browser.get("/jobs/empty?part=memory")


def test_the_page_names_the_largest_of_many_keys(browser, keep):
    keep(**{f"key-{number:02d}": "x" * number for number in range(30)})
    text = browser.get("/jobs/digest?part=memory")
    assert "key-29" in text and "key-10" in text and "key-09" not in text and "10 more; " in text


def test_a_page_without_the_right_csrf_token_clears_nothing(browser, house, keep):
    keep(seen=12)
    browser.post("/jobs/digest/forget", status=403, csrf="x" * 43)
    assert jobs.memory(house, "digest") == {"seen": 12}

"""The past of the jobs repo: what a commit says, comparing, blame, restoring, and what changed since a success."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from longhouse import jobs, loading, queue, restoring, secrets
from longhouse.edits import RemovalUnconfirmed
from longhouse.errors import ManifestBroken, NotFound
from longhouse.house import By, House
from longhouse.queue import Ending
from longhouse.repo import bootstrap, commits, manifest, panel, past
from longhouse.repo.commits import CommitBlocked
from longhouse.runs.state import RunState
from longhouse.simulation import impact
from longhouse.store import jobs as rows
from longhouse.vault import Secret
from tests.conftest import HandClock
from tests.instance import STARTER

ME = By("ada", "cli")
WORK = "def run(n: int = 1):\n    return {'n': n}\n"


@pytest.fixture
def home(house: House) -> House:
    bootstrap.ensure(house.paths, known_commits=False)
    put(house, "jobs/work.py", WORK)
    assert loading.boot(house) is None
    return house


def put(house: House, path: str, text: str) -> None:
    (house.paths.tree / path).write_text(text)


def load(house: House, *registrations: str) -> str:
    """The commit of a manifest with these jobs."""
    lines = [f"job_registry.register(JobConfig(func=run, {each}))\n" for each in registrations]
    put(house, "manifest.py", STARTER + "from jobs.work import run\n" + "".join(lines))
    loading.settle(house)
    return head(house)


def head(house: House) -> str:
    found = bootstrap.opened(house.paths).head().commit
    assert found is not None
    return found


def told(house: House, commit: str | None = None) -> dict[str, str]:
    return dict(impact.of_message(panel.commit(house, commit or head(house)).commit.body))


def text(house: House, path: str) -> str:
    return (house.paths.tree / path).read_text()


# --- what a commit says ----------------------------------------------------------------------------------------------


def test_a_commit_that_changes_schedules_says_what_it_does(home: House):
    load(home, "id='a', cron='0 8 * * *'")
    load(home, "id='a', cron='0 8 * * *'", "id='b', cron='30 2 * * *'")
    shown = panel.commit(home, head(home))
    assert shown.commit.subject == "Update jobs: manifest.py"
    assert told(home)["Runs-Per-Week"] == "7 -> 14"
    assert "added b" in told(home)["Schedules"]
    assert "2026-03-29 Europe/Berlin: moved b" in shown.commit.body
    assert jobs.manifest(home).loaded_commit == head(home)


def test_a_commit_that_changes_none_says_nothing(home: House):
    load(home, "id='a', cron='0 8 * * *'")
    put(home, "README.md", "Mine.\n")
    loading.settle(home)
    assert panel.commit(home, head(home)).commit.body == ""


def test_enabling_and_disabling_say_it_too(home: House):
    load(home, "id='a', cron='0 8 * * *'")
    jobs.set_enabled(home, "a", False, ME)
    loading.settle(home, tree=False)
    assert told(home) == {"Schedules": "removed a", "Runs-Per-Week": "7 -> 0", "Peak-Concurrency": "1 -> 0"}


def test_a_broken_manifest_is_committed_and_its_commit_says_so(home: House):
    good = load(home, "id='a', cron='0 8 * * *'")
    put(home, "manifest.py", "def (:\n")
    loading.settle(home)
    assert told(home) == {"Manifest": "broken"}
    assert jobs.manifest(home).loaded_commit == good and not jobs.manifest(home).ok
    load(home, "id='a', cron='0 9 * * *'")
    assert told(home)["Schedules"] == "changed a"


def test_the_manifest_is_read_once_for_commit_and_load_and_not_before_an_edit_inside_a_function(
    home: House, monkeypatch: pytest.MonkeyPatch
):
    load(home, "id='a', cron='0 8 * * *'")
    seen: list[str] = []
    real = manifest.load

    def read(*words: Any, **more: Any) -> Any:
        seen.append(head(home))
        return real(*words, **more)

    monkeypatch.setattr(manifest, "load", read)
    before = head(home)
    load(home, "id='a', cron='0 9 * * *'")
    assert seen == [before], "read before it was committed, and not again"
    seen.clear()
    put(home, "jobs/work.py", WORK.replace("n}", "n + 1}"))
    loading.settle(home)
    assert seen == [head(home)] != [before], "committed first"
    assert jobs.manifest(home).loaded_commit == head(home)


def test_what_is_written_while_the_manifest_is_read_is_the_next_commit(home: House, monkeypatch: pytest.MonkeyPatch):
    real = manifest.load

    def read(*words: Any, **more: Any) -> Any:
        put(home, "jobs/late.py", "x = 1\n")
        return real(*words, **more)

    monkeypatch.setattr(manifest, "load", read)
    made = load(home, "id='a', cron='0 8 * * *'")
    assert [change.path for change in panel.commit(home, made).changes] == ["manifest.py"]
    assert commits.state(bootstrap.opened(home.paths)).changed == ("jobs/late.py",)


# --- looking back ----------------------------------------------------------------------------------------------------


def test_any_two_commits_and_the_files_as_they_are(home: House):
    first = load(home, "id='a', cron='0 8 * * *'")
    second = load(home, "id='a', cron='0 9 * * *'")
    assert "-job_registry" in past.compare(home, first, second[:10]).diff
    assert past.compare(home, second, first).changes == past.compare(home, first, second).changes
    assert past.compare(home, second, None).changes == ()
    put(home, "manifest.py", "x = 1\n")
    put(home, "jobs/new.py", "y = 2\n")
    found = past.compare(home, second, None)
    assert [(change.kind, change.path) for change in found.changes] == [("M", "manifest.py"), ("A", "jobs/new.py")]
    assert "+x = 1" in found.diff and "+y = 2" in found.diff and "b/jobs/new.py" in found.diff
    assert [each.path for each in past.compare(home, second, None, "jobs/new.py").changes] == ["jobs/new.py"]
    with pytest.raises(NotFound, match="no commit 'dead'"):
        past.compare(home, "dead", first)
    with pytest.raises(NotFound, match="not the path"):
        past.compare(home, first, second, "../etc/passwd")


def test_what_is_in_no_commit_is_shown_without_secrets(home: House):
    made = load(home, "id='a', cron='0 8 * * *'")
    secrets.put(home, "KEY", Secret("correct-horse-battery"), ME)
    put(home, "jobs/leak.py", "KEY = 'correct-horse-battery'\n")
    found = past.compare(home, made, None)
    assert "leak.py" in found.diff and "correct-horse" not in found.diff


def test_blame_and_the_history_of_a_file(home: House):
    first = head(home)
    put(home, "jobs/work.py", WORK + "\n\ndef other():\n    pass\n")
    loading.settle(home)
    second = head(home)
    load(home, "id='a', cron='0 8 * * *'")
    found = past.blame(home, "jobs/work.py", None)
    assert [commit == second for commit, _ in found.lines] == [False, False, True, True, True, True]
    assert found.lines[4][1] == "def other():" and found.commits[second].subject.startswith("Update jobs")
    assert [each.id for each in panel.log(home, 10, path="jobs/work.py")[0]] == [second, found.lines[0][0]]
    assert len(past.blame(home, "jobs/work.py", first).lines) == 2
    with pytest.raises(NotFound, match="has no file"):
        past.blame(home, "jobs/none.py", None)


def ran(home: House, state: RunState) -> int:
    run = jobs.run_now(home, "a", ME)
    claimed = queue.claim(home)
    assert claimed is not None and claimed.run.id == run.id
    queue.finish(home, run.id, claimed.attempt, Ending(state=state))
    return run.id


def test_what_changed_since_the_job_last_succeeded(home: House, client: TestClient, clock: HandClock):
    load(home, "id='a', cron='0 8 * * *', max_attempts=1")
    first = ran(home, RunState.SUCCEEDED)
    assert client.get(f"/api/runs/{first}/changes").json()["why"] == "No run of this job succeeded before."
    again = ran(home, RunState.FAILED)
    found = client.get(f"/api/runs/{again}/changes").json()
    assert (found["since"], found["same"], found["diff"]) == (first, True, "")
    put(home, "jobs/work.py", WORK.replace("n}", "n / 0}"))
    loading.settle(home)
    broken = ran(home, RunState.FAILED)
    found = client.get(f"/api/runs/{broken}/changes").json()
    assert (found["since"], found["same"]) == (first, False)
    assert found["changes"] == [{"kind": "M", "path": "jobs/work.py"}] and "+    return {'n': n / 0}" in found["diff"]
    assert client.get("/api/runs/999/changes").status_code == 404


def test_the_command_says_what_changed_since_the_job_last_succeeded(
    home: House, command: Callable[..., tuple[int, str, str]]
):
    load(home, "id='a', cron='0 8 * * *', max_attempts=1")
    first = ran(home, RunState.SUCCEEDED)
    assert command("runs", "changes", str(first)) == (0, "No run of this job succeeded before.\n", "")
    again = ran(home, RunState.FAILED)
    assert command("runs", "changes", str(again))[1] == f"Nothing: run {first} succeeded with the same code.\n"
    put(home, "jobs/work.py", WORK.replace("n}", "n / 0}"))
    loading.settle(home)
    broken = ran(home, RunState.FAILED)
    code, said, _ = command("runs", "changes", str(broken))
    assert code == 0
    assert said.startswith(f"1 file changed since run {first} succeeded\n  M jobs/work.py\n\n")
    assert "\n+    return {'n': n / 0}\n" in said
    assert json.loads(command("runs", "changes", str(broken), "--json")[1])["since"] == first
    code, said, error = command("runs", "changes", "999")
    assert (code, said) == (3, "") and "999" in error


# --- the way back ----------------------------------------------------------------------------------------------------


def test_a_file_comes_back_as_a_new_commit(home: House):
    first = load(home, "id='a', cron='0 8 * * *'")
    second = load(home, "id='a', cron='0 9 * * *'")
    made = restoring.restore(home, ME, first, "manifest.py")
    assert made.commit == head(home) and made.files == ("manifest.py",)
    assert "0 8" in text(home, "manifest.py")
    shown = panel.commit(home, made.commit)
    assert shown.commit.parents == (second,) and shown.commit.author == "ada"
    assert shown.commit.subject == f"Update jobs: restore manifest.py of {first[:12]}"
    assert told(home)["Schedules"] == "changed a"
    with home.db.read() as db:
        assert [job.spec.cron for job in rows.all_jobs(db)] == ["0 8 * * *"]
    assert restoring.restore(home, ME, first, "manifest.py").commit is None, "it is that way already"
    assert commits.state(bootstrap.opened(home.paths)).clean


def test_everything_comes_back_but_who_is_disabled_and_what_was_not_committed_is_kept(home: House):
    first = load(home, "id='a', cron='0 8 * * *'")
    put(home, "jobs/extra.py", "x = 1\n")
    load(home, "id='a', cron='0 9 * * *'")
    jobs.set_enabled(home, "a", False, ME)
    loading.settle(home)
    put(home, "jobs/unsaved.py", "precious = 1\n")
    made = restoring.restore(home, ME, first)
    assert made.commit is not None
    assert not (home.paths.tree / "jobs/extra.py").exists() and not (home.paths.tree / "jobs/unsaved.py").exists()
    kept = panel.commit(home, panel.commit(home, made.commit).commit.parents[0])
    assert "+precious = 1" in kept.diff, "it was committed before it went"
    with home.db.read() as db:
        assert [(job.spec.cron, job.enabled) for job in rows.all_jobs(db)] == [("0 8 * * *", False)]


def test_what_would_not_load_is_refused_and_nothing_changes(home: House):
    put(home, "manifest.py", "def (:\n")
    loading.settle(home)
    broken = head(home)
    good = load(home, "id='a', cron='0 8 * * *'")
    with pytest.raises(ManifestBroken) as caught:
        restoring.restore(home, ME, broken)
    assert caught.value.file == "manifest.py" and caught.value.line == 1
    assert head(home) == good and commits.state(bootstrap.opened(home.paths)).clean


def test_a_restore_that_removes_jobs_waits_for_a_yes_and_a_merge_is_left_alone(home: House, client: TestClient):
    first = load(home, "id='a', cron='0 8 * * *'")
    load(home, "id='a', cron='0 8 * * *'", "id='b', every=60", "id='c', every=60")
    with pytest.raises(RemovalUnconfirmed, match="removes 2 of 3 jobs: b, c"):
        restoring.restore(home, ME, first)
    refused = client.post("/api/jobs/repo/restore", json={"commit": first})
    assert refused.status_code == 409 and refused.json()["jobs"] == ["b", "c"]
    git_dir = bootstrap.opened(home.paths).git_dir
    (git_dir / "MERGE_HEAD").write_text(first + "\n")
    with pytest.raises(CommitBlocked, match="a merge is under way"):
        restoring.restore(home, ME, first)
    (git_dir / "MERGE_HEAD").unlink()
    answer = client.post("/api/jobs/repo/restore", json={"commit": first[:8], "confirm_removal": True})
    assert answer.status_code == 200 and answer.json()["commit"] == head(home)


def test_over_http(home: House, client: TestClient):
    first = load(home, "id='a', cron='0 8 * * *'")
    second = load(home, "id='a', cron='0 9 * * *'")
    found = client.get("/api/jobs/repo/diff", params={"from": first, "to": second}).json()
    assert (found["from"], found["to"]) == (first, second) and found["changes"] == [
        {"kind": "M", "path": "manifest.py"}
    ]
    assert client.get("/api/jobs/repo/diff", params={"from": first}).json()["to"] is None
    assert client.get("/api/jobs/repo/diff", params={"from": "--output=x"}).status_code == 422
    assert client.get("/api/jobs/repo/blame/jobs/work.py").json()["lines"][0]["text"] == "def run(n: int = 1):"
    assert client.get(f"/api/jobs/repo/commits/{first}/files/jobs/work.py").json()["text"] == WORK
    assert client.get(f"/api/jobs/repo/commits/{first}/files/jobs/none.py").status_code == 404
    assert "Schedules changed a." in client.get(f"/api/jobs/repo/commits/{second}").json()["impact"]
    log = client.get("/api/jobs/repo/log", params={"path": "jobs/work.py"}).json()["items"]
    assert len(log) == 1
    restored = client.post("/api/jobs/repo/restore", json={"commit": first, "path": "manifest.py"})
    assert restored.status_code == 200 and restored.json()["files"] == ["manifest.py"]
    assert client.post("/api/jobs/repo/restore", json={"commit": "nope"}).status_code == 422
    assert client.post("/api/jobs/repo/restore", json={"commit": first, "path": "../x"}).status_code == 404

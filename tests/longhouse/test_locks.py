"""What requirements resolve to is committed beside them: from a folder of wheels, through a real load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from longhouse import edits, jobs, loading
from longhouse.envs import EnvironmentFailed, Environments
from longhouse.errors import ManifestBroken
from longhouse.house import By, House
from longhouse.repo import bootstrap, checkouts, commits, lockfiles, panel
from longhouse.repo.checkouts import checkout
from longhouse.repo.requirements import Wanted
from longhouse.simulation import impact
from longhouse.store import jobs as rows
from tests.instance import STARTER
from tests.longhouse.test_envs import version, wheel

ME = By("ada", "api")
MANIFEST = STARTER + "from jobs.work import run\njob_registry.register(JobConfig(id='a', func=run, every=60))\n"


@pytest.fixture
def home(house: House, tmp_path: Path) -> House:
    """A house whose environments come from a shelf of wheels."""
    shelf = tmp_path / "shelf"
    wheel(shelf, "tiny", "1.0")
    settings = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(shelf)}
    made = replace(house, environments=Environments(house.launcher, house.paths.envs, house.paths.cache, settings))
    bootstrap.ensure(made.paths, known_commits=False)
    put(made, "jobs/work.py", "def run():\n    pass\n")
    put(made, "manifest.py", MANIFEST)
    assert loading.boot(made) is None
    return made


def put(house: House, path: str, text: str) -> None:
    (house.paths.tree / path).write_text(text)


def every(house: House) -> int | None:
    with house.db.read() as db:
        job = rows.get(db, "a")
    return job.spec.every if job else None


def newest(house: House) -> panel.history.Shown:
    return panel.commit(house, bootstrap.opened(house.paths).head().commit or "")


def changed(house: House) -> list[str]:
    return [change.path for change in newest(house).changes]


def test_a_lock_is_committed_with_the_requirements_and_a_run_takes_it(
    home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    put(home, "requirements.txt", "tiny\n")
    loading.settle(home)
    assert jobs.manifest(home).ok and changed(home) == ["requirements.lock", "requirements.txt"]
    lock = (home.paths.tree / "requirements.lock").read_text()
    assert lock.startswith(lockfiles.HEAD) and "tiny==1.0" in lock and "--hash=sha256:" in lock

    wheel(tmp_path / "shelf", "tiny", "2.0")
    tree = checkout(bootstrap.opened(home.paths), home.paths.checkouts, newest(home).commit.id)
    shutil.rmtree(home.paths.envs)  # nothing is remembered but what the commit holds
    home.paths.envs.mkdir()
    monkeypatch.setattr(Environments, "_locked", lambda *args: pytest.fail("a run resolved"))
    assert version(home.environments.of(tree, "jobs/work.py")[1]) == "1.0"
    monkeypatch.undo()
    (tmp_path / "bare").mkdir()
    put_bare = tmp_path / "bare" / "requirements.txt"
    put_bare.write_text("tiny\n")
    assert version(home.environments.of(tmp_path / "bare", None)[1]) == "2.0", "without the lock it would be the newest"


def test_a_job_files_own_list_has_its_own_lock_and_deleting_it_resolves_anew(home: House, tmp_path: Path):
    put(home, "jobs/work.py", "# /// script\n# dependencies = ['tiny']\n# ///\ndef run():\n    pass\n")
    loading.settle(home)
    assert changed(home) == ["jobs/work.py", "jobs/work.py.lock"]
    wheel(tmp_path / "shelf", "tiny", "2.0")
    (home.paths.tree / "jobs" / "work.py.lock").unlink()
    loading.settle(home)
    assert "tiny==2.0" in (home.paths.tree / "jobs" / "work.py.lock").read_text()
    assert changed(home) == ["jobs/work.py.lock"] and jobs.manifest(home).ok


def test_from_outside_a_failed_resolution_is_committed_said_and_the_last_good_set_runs(home: House):
    good = jobs.manifest(home).loaded_commit
    put(home, "requirements.txt", "nowhere-to-be-found\n")
    loading.settle(home)
    state = jobs.manifest(home)
    assert not state.ok and state.loaded_commit == good and "nowhere-to-be-found" in str(state.error)
    assert changed(home) == ["requirements.txt"]
    assert impact.of_message(newest(home).commit.body) == (impact.NO_ENVIRONMENT,)


def test_over_the_api_it_is_refused_with_the_resolvers_reason_and_locked_when_it_works(home: House):
    before = newest(home).commit.id
    with pytest.raises(ManifestBroken, match="nowhere-to-be-found"):
        edits.change(home, ME, {"requirements.txt": b"nowhere-to-be-found\n"}, expected={})
    assert newest(home).commit.id == before
    edits.change(home, ME, {"requirements.txt": b"tiny\n"}, expected={})
    assert changed(home) == ["requirements.lock", "requirements.txt"]
    assert "tiny==1.0" in (home.paths.tree / "requirements.lock").read_text()


def test_a_commit_that_came_without_its_lock_gets_it_as_the_next_one(home: House):
    put(home, "requirements.txt", "tiny\n")
    commits.commit_all(bootstrap.opened(home.paths), "By hand")
    loading.settle(home)
    assert jobs.manifest(home).loaded_commit == newest(home).commit.id and newest(home).commit.subject == "By hand"
    loading.settle(home)
    assert changed(home) == ["requirements.lock"] and jobs.manifest(home).loaded_commit == newest(home).commit.id


def test_a_manifest_that_is_read_before_it_is_committed_has_its_packages(home: House, monkeypatch: pytest.MonkeyPatch):
    put(home, "requirements.txt", "tiny\n")
    loading.settle(home)
    started, drafts = [], []
    start, draft = home.launcher.start, checkouts.draft
    monkeypatch.setattr(home.launcher, "start", lambda spec: started.append(spec) or start(spec))
    monkeypatch.setattr(checkouts, "draft", lambda *words: drafts.append(words) or draft(*words))
    put(home, "manifest.py", MANIFEST.replace("60", "120").replace("from jobs", "import tiny\nfrom jobs"))
    loading.settle(home)
    assert jobs.manifest(home).ok and every(home) == 120
    assert len(drafts) == 1 and [str(home.paths.envs) in spec.argv[0] for spec in started] == [True]
    drafts.clear()
    put(home, "requirements.txt", "nowhere-to-be-found\n")
    put(home, "manifest.py", MANIFEST)
    loading.settle(home)
    assert not jobs.manifest(home).ok and drafts == [], "what new packages need is found out once they are staged"


def test_a_spoilt_lock_is_made_good_and_is_no_commit(home: House):
    put(home, "requirements.txt", "tiny\n")
    loading.settle(home)
    before = newest(home).commit.id
    lock = (home.paths.tree / "requirements.lock").read_text()
    put(home, "requirements.lock", "# of something else\n")
    loading.settle(home)
    assert (home.paths.tree / "requirements.lock").read_text() == lock
    assert newest(home).commit.id == before and panel.status(home).blocked is None


@pytest.mark.parametrize(
    "line", ["--index-url https://example.org/", "-e .", "tiny==1.0 --config-settings=a=b", "--find-links /tmp"]
)
def test_a_lock_may_name_no_index_and_no_option(tmp_path: Path, line: str):
    asked = Wanted("requirements.txt", "tiny\n")
    lock = lockfiles.lock_file(asked, f"tiny==1.0 \\\n    --hash=sha256:00\n{line}\n")
    (tmp_path / lock.path).write_text(lock.text)
    with pytest.raises(EnvironmentFailed, match=r"requirements\.lock:4: -.* does not belong into a lock"):
        lockfiles.body(tmp_path, asked)


def test_a_lock_of_other_requirements_or_another_python_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = Wanted("requirements.txt", "tiny\n")
    lock = lockfiles.lock_file(asked, "tiny==1.0\n")
    (tmp_path / lock.path).write_text(lock.text)
    assert lockfiles.body(tmp_path, asked) == "tiny==1.0\n"
    assert lockfiles.body(tmp_path, Wanted("requirements.txt", "tiny>1\n")) is None
    python: Callable[[], str] = lambda: "CPython 2.7, Linux x86_64"  # noqa: E731
    monkeypatch.setattr(lockfiles, "python", python)
    assert lockfiles.body(tmp_path, asked) is None

"""From files in the tree to jobs that are scheduled: real git, a real child, a clock set by hand."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace

import pytest

from longhouse import jobs, ledger, loading, queue, trials
from longhouse.errors import LonghouseError, ManifestBroken, NotFound
from longhouse.house import By, House
from longhouse.repo import bootstrap, checkouts, commits, panel
from longhouse.store import jobs as rows
from longhouse.store import settings
from longhouse.triggers import trigger_of
from tests.conftest import HandClock
from tests.instance import STARTER

ME = By("me", "cli")
MINUTE = 60_000


@pytest.fixture
def home(house: House) -> House:
    """A house with its jobs repo, and a job file that all manifests here use."""
    bootstrap.ensure(house.paths, known_commits=False)
    (house.paths.tree / "jobs" / "work.py").write_text("def run(n: int = 1):\n    return {'n': n}\n")
    assert loading.boot(house) is None
    return house


def write(home: House, *registrations: str) -> None:
    lines = [f"job_registry.register(JobConfig(func=run, {each}))\n" for each in registrations]
    (home.paths.tree / "manifest.py").write_text(STARTER + "from jobs.work import run\n" + "".join(lines))


def load(home: House, *registrations: str) -> None:
    write(home, *registrations)
    loading.settle(home)


def known(home: House) -> dict[str, rows.Job]:
    with home.db.read() as db:
        return {job.id: job for job in rows.all_jobs(db)}


def test_added_changed_and_removed_jobs_follow_the_manifest(home: House, clock: HandClock):
    load(home, "id='a', every=60", "id='b', every=60")
    assert set(known(home)) == {"a", "b"}
    clock.advance(30)
    load(home, "id='a', every=60, priority=3", "id='c', every=60")
    assert set(known(home)) == {"a", "c"}
    assert known(home)["a"].spec.priority == 3
    with pytest.raises(NotFound, match="no longer in the manifest"):
        jobs.get_job(home, "b")


def test_the_cursor_starts_anew_with_the_schedule_and_only_then(home: House, clock: HandClock):
    load(home, "id='a', every=3600")
    started = known(home)["a"].cursor
    clock.advance(30)
    load(home, "id='a', every=3600, priority=1")
    assert known(home)["a"].cursor == started
    clock.advance(30)
    load(home, "id='a', every=1800, priority=1")
    assert known(home)["a"].cursor == clock.now()


def test_what_was_due_under_the_old_schedule_is_explained_before_the_new_one_counts(home: House, clock: HandClock):
    load(home, "id='a', every=60, overlap='allow'")
    clock.advance(65)
    load(home, "id='a', every=7200, overlap='allow'")
    assert [(f.end, f.count) for f in jobs.firings(home, "a", low=0, high=2**52)] == [("ran", 1)]


def test_a_job_that_comes_back_starts_at_now(home: House, clock: HandClock):
    load(home, "id='a', every=60")
    load(home, "id='b', every=60")
    clock.advance(3600)
    load(home, "id='a', every=60", "id='b', every=60")
    assert known(home)["a"].cursor == clock.now()
    assert jobs.firings(home, "a", low=0, high=2**52) == []


def test_a_job_disabled_in_the_manifest_has_one_open_entry(home: House, clock: HandClock):
    load(home, "id='a', every=60, enabled=False")
    clock.advance(600)
    found = jobs.firings(home, "a", low=0, high=2**52)
    assert [(f.end, f.count, f.open) for f in found] == [("skipped_disabled", 10, True)]
    load(home, "id='a', every=60")
    assert [f.open for f in jobs.firings(home, "a", low=0, high=2**52)] == [False]


def test_a_broken_commit_changes_nothing_but_what_is_said(home: House, clock: HandClock):
    load(home, "id='a', every=60")
    good = jobs.manifest(home)
    (home.paths.tree / "manifest.py").write_text("def (:\n")
    loading.settle(home)
    broken = jobs.manifest(home)
    assert (broken.ok, broken.file, broken.line) == (False, "manifest.py", 1)
    assert broken.loaded_commit == good.loaded_commit == commits.loaded(bootstrap.opened(home.paths))
    assert panel.status(home).head != good.loaded_commit, "it is committed all the same"
    assert set(known(home)) == {"a"}
    since = broken.broken_since
    clock.advance(60)
    (home.paths.tree / "manifest.py").write_text("def (:\n#\n")
    loading.settle(home)
    assert jobs.manifest(home).broken_since == since


def test_jobs_toml_counts_while_the_manifest_is_broken(home: House):
    load(home, "id='a', every=60")
    (home.paths.tree / "manifest.py").write_text("def (:\n")
    (home.paths.tree / "jobs.toml").write_text("[jobs.a]\nenabled = false\n")
    loading.settle(home)
    assert known(home)["a"].enabled is False


def test_an_override_is_a_commit_of_jobs_toml_alone(home: House):
    load(home, "id='a', every=60")
    (home.paths.tree / "jobs" / "half_written.py").write_text("def run(:\n")
    jobs.set_enabled(home, "a", False, ME)
    loading.settle(home, tree=False)
    git = bootstrap.opened(home.paths)
    newest = panel.log(home, 1)[0][0]
    assert newest.subject == "Update jobs: disable a"
    assert [change.path for change in panel.commit(home, newest.id).changes] == ["jobs.toml"]
    assert commits.state(git).changed == ("jobs/half_written.py",)


def test_what_an_index_refused_is_tried_again_without_a_new_commit(home: House):
    class Away:
        there, base = False, home.environments.base

        def of(self, tree, file):
            if not self.there:
                raise LonghouseError("the index does not answer")
            return home.environments.of(tree, file)

        def prune(self, keep):
            return 0

    away = Away()
    house = replace(home, environments=away)
    load(house, "id='a', every=60")
    assert jobs.manifest(house).error == "the index does not answer"
    away.there = True
    loading.settle(house)
    assert jobs.manifest(house).ok
    assert set(known(house)) == {"a"}


def test_a_trial_takes_the_tree_as_it_stands_and_leaves_no_trace_in_it(home: House):
    load(home, "id='a', every=60")
    write(home, "id='a', every=60", "id='newer', every=60, params={'n': 5}")
    before = commits.state(bootstrap.opened(home.paths))
    run = trials.trial(home, "newer", ME)
    assert (run.trigger, run.params, run.max_attempts, run.pinned) == ("trial", {"n": 5}, 1, True)
    assert commits.state(bootstrap.opened(home.paths)) == before
    assert set(known(home)) == {"a"}
    claimed = queue.claim(home)
    assert claimed is not None
    assert claimed.run.commit_sha == run.commit_sha != before.head
    with pytest.raises(NotFound, match="registers no job 'gone'"):
        trials.trial(home, "gone", ME)
    (home.paths.tree / "manifest.py").write_text("import nothing_there\n")
    with pytest.raises(ManifestBroken) as broken:
        trials.trial(home, "a", ME)
    assert broken.value.place == "manifest.py:1"
    assert jobs.manifest(home).ok, "a trial says nothing about what is committed"


def test_the_commit_this_version_loaded_is_not_read_again_at_the_next_start(home: House, monkeypatch):
    load(home, "id='a', every=60")

    def never(*args: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr(loading, "describe", never)
    assert loading.boot(home) is None
    with pytest.raises(AssertionError, match="it was read"):
        loading.boot(replace(home, version="another"))


@pytest.mark.parametrize("seed", range(3))
def test_after_any_edits_the_next_due_time_is_that_of_the_manifest(home: House, clock: HandClock, seed: int):
    chance = random.Random(seed)
    load(home, "id='a', every=60")
    for _ in range(6):
        clock.advance(chance.choice([0, 1, 59, 61, 3600]))
        act = chance.choice(["edit", "enable", "disable", "delete", "settle"])
        every = chance.choice([60, 90, 3600])
        if act == "edit":
            load(home, f"id='a', every={every}")
        elif act == "delete":
            load(home)
            assert known(home) == {}
            load(home, f"id='a', every={every}")
        elif act == "settle":
            with home.db.write() as db:
                for job in rows.all_jobs(db):
                    ledger.settle_job(home, db, job, clock.now())
        else:
            jobs.set_enabled(home, "a", act == "enable", ME)
            loading.settle(home, tree=False)
        job = known(home)["a"]
        trigger = trigger_of(job.spec, home.zone)
        assert trigger is not None
        expected = trigger.after(clock.now()) if job.enabled else None
        assert jobs.get_job(home, "a").next_due == expected, f"seed {seed}"
    with home.db.read() as db:
        assert settings.get(db, "tried_commit") == jobs.manifest(home).loaded_commit


def test_a_change_is_read_by_one_child_and_a_file_that_is_left_out_by_none(home: House, monkeypatch):
    """That of a schedule is given the files before git stages them; that of a function after its commit, which nothing
    shall slow."""
    started, order = [], []

    def noted(module, name):
        act = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *words, **more: order.append(name) or act(*words, **more))

    start = home.launcher.start
    monkeypatch.setattr(home.launcher, "start", lambda spec: started.append(spec.marker) or start(spec))
    for module, name in ((checkouts, "draft"), (commits, "stage"), (commits, "commit_staged")):
        noted(module, name)
    load(home, "id='a', every=60")
    assert (len(started), order) == (1, ["draft", "stage", "commit_staged"])
    order.clear()
    (home.paths.tree / "jobs" / "work.py").write_text("def run(n: int = 1):\n    return {'n': n + 1}\n")
    loading.settle(home)
    assert (len(started), order) == (2, ["stage", "commit_staged", "draft"])
    order.clear()
    (home.paths.tree / "notes.txt").write_text("ghp_" + "a1B2c3D4e5" * 3 + "a1B2c3\n")
    loading.settle(home)
    assert (len(started), order) == (2, [])
    with home.db.read() as db:
        assert [leak["path"] for leak in settings.get(db, "repo_left_out")] == ["notes.txt"]


def test_a_file_with_a_secret_that_somebody_staged_is_staged_no_more(home: House):
    """Else it would be said to be committed soon, and every other change would wait for it."""
    (home.paths.tree / "notes.txt").write_text("ghp_" + "a1B2c3D4e5" * 3 + "a1B2c3\n")
    subprocess.run(["git", "add", "notes.txt"], cwd=home.paths.tree, check=True)
    assert panel.status(home).staged
    loading.settle(home)
    status = panel.status(home)
    assert (status.dirty, status.staged, [leak.path for leak in status.left_out]) == (True, False, ["notes.txt"])


def test_what_the_instance_stages_itself_is_nobodys_to_commit(home: House, monkeypatch):
    seen, stage = [], commits.stage

    def staged(*words, **more):
        found = stage(*words, **more)
        seen.append((commits.state(bootstrap.opened(home.paths)).staged, panel.status(home).staged))
        return found

    monkeypatch.setattr(commits, "stage", staged)
    load(home, "id='a', every=60")
    assert seen == [(True, False)]

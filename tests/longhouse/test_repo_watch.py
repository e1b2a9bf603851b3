"""When a change has come to rest: the rule stepped by hand, and the real file system once for each kind of event."""

import queue
import random
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from watchfiles import Change

from longhouse.feed import Bell
from longhouse.paths import Paths
from longhouse.repo import bootstrap, watch
from longhouse.repo.watch import Act, Rest, Watch, matters, of_git


def test_a_change_is_settled_after_a_second_of_quiet_and_said_once():
    rest = Rest(0.0)
    rest.changed(10.0)
    assert rest.act(10.9) is Act.WAIT and rest.due() == 11.0
    rest.changed(10.9)
    assert rest.act(11.5) is Act.WAIT
    assert rest.act(11.9) is Act.ASK
    rest.answer(False, 11.9)
    assert rest.act(11.9) is Act.SETTLED
    assert rest.act(12.0) is Act.WAIT


def test_while_something_is_staged_the_quiet_has_to_last_a_minute():
    rest = Rest(0.0)
    rest.changed(10.0, by_git=True)
    assert rest.act(11.0) is Act.ASK
    rest.answer(True, 11.0)
    for now in (11.0, 30.0, 40.1, 69.9):
        assert rest.act(now) is Act.WAIT, now
    assert rest.act(70.0) is Act.SETTLED


def test_the_owners_own_commit_ends_the_minute_at_once():
    rest = Rest(0.0)
    rest.changed(10.0)
    rest.answer(True, 11.0)
    rest.changed(20.0, by_git=True)
    assert rest.act(21.0) is Act.ASK
    rest.answer(False, 21.0)
    assert rest.act(21.0) is Act.SETTLED


def test_an_edit_while_something_is_staged_begins_the_minute_anew():
    rest = Rest(0.0)
    rest.changed(10.0)
    rest.answer(True, 11.0)
    rest.changed(50.0)
    assert rest.act(70.0) is Act.WAIT
    assert rest.act(110.0) is Act.SETTLED


def test_without_events_there_is_a_look_every_half_minute():
    rest = Rest(0.0)
    assert rest.act(29.9) is Act.WAIT and rest.due() == 30.0
    assert rest.act(30.0) is Act.ASK
    rest.answer(False, 30.0)
    assert rest.act(30.0) is Act.RESCAN
    assert rest.act(30.1) is Act.WAIT and rest.due() == 60.0


def test_what_was_staged_without_an_event_is_found_by_the_look_and_gets_its_minute():
    rest = Rest(0.0)
    assert rest.act(30.0) is Act.ASK
    rest.answer(True, 30.0)
    assert rest.act(30.0) is Act.WAIT
    assert rest.act(89.0) is Act.WAIT
    assert rest.act(90.0) is Act.SETTLED


def test_a_ring_asks_for_a_look_at_once_but_not_in_the_middle_of_a_change():
    rest = Rest(0.0)
    rest.rung(5.0)
    assert rest.act(5.0) is Act.ASK
    rest.answer(False, 5.0)
    assert rest.act(5.0) is Act.SETTLED
    rest.changed(6.0)
    rest.rung(6.1)
    assert rest.act(6.5) is Act.WAIT


def test_waiting_always_ends_later_than_now_and_never_after_something_is_due():
    """Else the loop would spin, or sleep through it."""
    seed = random.randrange(10**6)
    print("seed", seed)
    dice = random.Random(seed)
    for _ in range(500):
        rest, now = Rest(0.0), 0.0
        for _ in range(40):
            match dice.randrange(4):
                case 0:
                    rest.changed(now, by_git=dice.random() < 0.5)
                case 1:
                    rest.rung(now)
            act = rest.act(now)
            if act is Act.ASK:
                rest.answer(dice.random() < 0.5, now)
                act = rest.act(now)
                assert act is not Act.ASK
            if act is not Act.WAIT:
                assert rest.act(now) is Act.WAIT, "said once"
            due = rest.due()
            assert due > now
            just_before = replace(rest)
            assert just_before.act(due - 0.001) is Act.WAIT
            now += dice.choice([0.1, 0.5, 1.0, 5.0, 31.0, due - now])


@pytest.mark.parametrize(
    "path",
    ["/d/jobs/.git/index", "/d/jobs/.git", "/d/jobs/jobs/__pycache__/a.pyc", "/d/jobs/.manifest.py.swp", "/d/jobs/4913",
     "/d/jobs/a.py~", "/d/jobs/.#a.py", "/d/jobs/#a.py#", "/d/jobs/.jobs.toml.x1.swp", "/d/jobs/.venv/bin/python"],
)  # fmt: skip
def test_what_editors_and_git_leave_behind_does_not_count(path):
    assert not matters(Change.modified, path)


def test_files_count():
    assert matters(Change.added, "/d/jobs/jobs/a.py") and matters(Change.deleted, "/d/jobs/.gitignore")


def test_of_the_repository_only_what_git_does_for_people_counts():
    assert of_git(Change.modified, "/d/jobs.git/HEAD") and of_git(Change.added, "/d/jobs.git/index")
    assert not of_git(Change.added, "/d/jobs.git/index.lock") and not of_git(Change.added, "/d/jobs.git/objects")


# --- the real thing -------------------------------------------------------------------------------------------------


class Watched:
    def __init__(self, paths, staged=None):
        self.bell, self.said = Bell(), queue.Queue()
        git = bootstrap.opened(paths)
        self.watch = Watch(paths, ring=self.bell, staged=staged or (lambda: watch.staged(git)))
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        for act in self.watch.settled():
            self.said.put(act)
        self.said.put(None)

    def next(self):
        return self.said.get(timeout=20)


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "QUIET_SECONDS", 0.3)
    paths = Paths(tmp_path / "data")
    bootstrap.ensure(paths, known_commits=False)
    return paths


@pytest.fixture
def watched(paths):
    made = []

    def start(**more):
        made.append(Watched(paths, **more))
        assert made[-1].next() is Act.SETTLED, "what changed before anybody watched"
        return made[-1]

    yield start
    for each in made:
        each.watch.stop()
        each.thread.join(10)
        assert not each.thread.is_alive()


def git(paths, *args):
    subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *args], cwd=paths.tree, check=True)


@pytest.mark.parametrize(
    "act",
    [
        lambda tree: (tree / "jobs" / "new.py").write_text("x"),
        lambda tree: (tree / "manifest.py").write_text("x"),
        lambda tree: (tree / "jobs" / "hello.py").unlink(),
        lambda tree: (tree / "jobs" / "hello.py").rename(tree / "jobs" / "hi.py"),
        lambda tree: (tree / "deep" / "er").mkdir(parents=True) or (tree / "deep" / "er" / "a.py").write_text("x"),
    ],
    ids=["added", "changed", "removed", "renamed", "in a new folder"],
)
def test_every_kind_of_change_is_noticed(paths, watched, act):
    seen = watched()
    act(paths.tree)
    assert seen.next() is Act.SETTLED


def test_our_own_commit_is_no_change_of_the_tree(paths, watched):
    events = []
    seen = watched(staged=lambda: events.append(1) or False)
    tree_events = []
    original = seen.watch._changed
    seen.watch._changed = lambda *, by_git: tree_events.append(by_git) or original(by_git=by_git)
    (paths.tree / "a.py").write_text("x")
    assert seen.next() is Act.SETTLED
    before = tree_events.count(False)
    git(paths, "add", "-A")
    git(paths, "commit", "-q", "-m", "x")
    assert seen.next() is Act.SETTLED
    assert tree_events.count(False) == before, "watchfiles follows .git; nothing of that gets through"
    assert tree_events.count(True) >= 1


def test_a_persons_commit_is_noticed_at_once_though_it_was_staged(paths, watched):
    seen = watched()
    (paths.tree / "a.py").write_text("x")
    git(paths, "add", "-A")
    with pytest.raises(queue.Empty):
        seen.said.get(timeout=1.5)
    git(paths, "commit", "-q", "-m", "mine")
    assert seen.next() is Act.SETTLED


def test_a_tree_that_is_deleted_and_made_again_is_watched_again(paths, watched):
    seen = watched()
    shutil.rmtree(paths.tree)
    assert seen.next() is Act.SETTLED
    paths.tree.mkdir()
    (paths.tree / "manifest.py").write_text("x")
    assert seen.next() is Act.SETTLED
    (paths.tree / "manifest.py").write_text("y")
    assert seen.next() is Act.SETTLED


def test_a_tree_that_another_replaces_at_once_is_watched(paths, watched, tmp_path):
    seen = watched()
    shutil.copytree(paths.tree, tmp_path / "other", symlinks=True)
    paths.tree.rename(tmp_path / "old")
    Path(tmp_path / "other").rename(paths.tree)
    while seen.watch._folder() != seen.watch._seen:
        seen.next()
    (paths.tree / "jobs" / "x.py").write_text("x")
    assert seen.next() is Act.SETTLED


def test_a_lost_event_is_found_by_the_look(paths, watched, monkeypatch):
    seen = watched()
    seen.watch._end.set()  # no watcher any more
    monkeypatch.setattr(watch, "RESCAN_SECONDS", 0.5)
    seen.bell.ring()
    assert seen.next() is Act.SETTLED
    assert seen.next() is Act.RESCAN


def test_a_ring_gives_a_look(paths, watched):
    seen = watched()
    seen.bell.ring()
    assert seen.next() is Act.SETTLED


def test_stop_returns_at_once_and_ends_the_iteration(paths, watched):
    seen = watched()
    seen.watch.stop()
    assert seen.said.get(timeout=1) is None

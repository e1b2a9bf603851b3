"""Every settled change is committed, a broken one too; and nobody's unfinished work is spoilt by it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from longhouse.errors import NotFound
from longhouse.paths import Paths
from longhouse.repo import bootstrap, checkouts, commits, history, locks
from longhouse.repo.commits import CommitBlocked
from longhouse.repo.git import GitFailed


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "data")


@pytest.fixture
def repo(paths):
    return bootstrap.ensure(paths, known_commits=False).git


def git(paths, *args, check=True):
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "advice.detachedHead=false")
    done = subprocess.run(["git", *who, *args], cwd=paths.tree, check=check, capture_output=True, text=True)
    return done.stdout.strip()


def write(paths, name, text):
    path = paths.tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def last_subject(paths):
    return git(paths, "log", "-1", "--format=%s")


# --- what is committed ----------------------------------------------------------------------------------------------


def test_what_is_in_the_tree_is_committed_and_named(paths, repo):
    write(paths, "jobs/new.py", "x = 1\n")
    write(paths, "manifest.py", "y = 1\n")
    (paths.tree / "jobs" / "hello.py").unlink()
    made = commits.commit_all(repo)
    assert made.subject == last_subject(paths) == "Update jobs: remove jobs/hello.py, add jobs/new.py, manifest.py"
    assert made.files == ("jobs/hello.py", "jobs/new.py", "manifest.py")
    assert git(paths, "status", "--porcelain") == ""
    assert commits.state(repo).clean


def test_nothing_changed_is_no_commit(repo):
    assert commits.commit_all(repo) is None


def test_a_broken_file_is_committed_like_any_other(paths, repo):
    write(paths, "manifest.py", "def\n")
    assert history.file_at(repo, commits.commit_all(repo).commit, "manifest.py") == b"def\n"


def test_many_files_are_counted_and_odd_names_are_shown_harmlessly(paths, repo):
    for number in range(7):
        write(paths, f"jobs/n{number}.py", "x")
    assert commits.commit_all(repo).subject.endswith("add jobs/n3.py and 3 more files")
    write(paths, "jobs/a\n\x1b[31m\u202eb.py", "x")
    subject = commits.commit_all(repo).subject
    assert subject == last_subject(paths) and subject.isprintable()


def test_a_commit_may_be_by_somebody_and_say_something_else(paths, repo):
    write(paths, "jobs.toml", "[jobs.a]\nenabled = false\n")
    commits.commit_all(repo, "Update jobs: disable a", author="Ada <ada@example.org>")
    assert git(paths, "log", "-1", "--format=%s|%an|%cn") == "Update jobs: disable a|Ada|Longhouse Jobs"


def test_a_commit_of_one_file_leaves_the_rest_as_it_is(paths, repo):
    write(paths, "jobs/mine.py", "x")
    write(paths, "jobs/other.py", "x")
    git(paths, "add", "jobs/mine.py")
    write(paths, "jobs.toml", "[jobs.a]\nenabled = false\n")
    made = commits.commit_all(repo, "Update jobs: disable a", only=("jobs.toml",))
    assert made.files == ("jobs.toml",)
    assert git(paths, "show", "--name-only", "--format=", "HEAD") == "jobs.toml"
    assert git(paths, "status", "--porcelain").splitlines() == ["A  jobs/mine.py", "?? jobs/other.py"]


def test_ignored_files_stay_out(paths, repo):
    write(paths, "jobs/__pycache__/a.cpython-311.pyc", "x")
    write(paths, ".env", "SECRET=1")
    assert commits.state(repo).clean
    assert commits.commit_all(repo) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_left_out_loudly_and_the_rest_is_committed(paths, repo):
    write(paths, "a.py", "x")
    write(paths, "b.py", "x")
    (paths.tree / "a.py").chmod(0)
    made = commits.commit_all(repo)
    assert made.files == ("b.py",) and "a.py" in made.left_out[0]


def test_a_repository_inside_the_tree_does_not_stop_the_others(paths, repo):
    subprocess.run(["git", "init", "-q", str(paths.tree / "vendor")], check=True)
    write(paths, "vendor/x.py", "x")
    write(paths, "a.py", "x")
    made = commits.commit_all(repo)
    assert "a.py" in made.files
    assert any("vendor" in words for words in made.left_out)


# --- what a person is doing -----------------------------------------------------------------------------------------


def diverged(paths):
    """Two branches that changed the same line."""
    git(paths, "checkout", "-q", "-b", "other")
    write(paths, "manifest.py", "theirs = 1\n")
    git(paths, "commit", "-qam", "theirs")
    git(paths, "checkout", "-q", "main")
    write(paths, "manifest.py", "ours = 1\n")
    git(paths, "commit", "-qam", "ours")


UNDER_WAY = {
    "merge": (["merge", "other"], "a merge is under way", ["merge", "--abort"]),
    "rebase": (["rebase", "other"], "a rebase is under way", ["rebase", "--abort"]),
    "rebase --apply": (["rebase", "--apply", "other"], "a rebase is under way", ["rebase", "--abort"]),
    "cherry-pick": (["cherry-pick", "other"], "a cherry-pick is under way", ["cherry-pick", "--abort"]),
    "revert": (["revert", "--no-edit", "HEAD~1"], "a revert is under way", ["revert", "--abort"]),
    "bisect": (["bisect", "start"], "a bisect is under way", ["bisect", "reset"]),
}


@pytest.mark.parametrize("what", UNDER_WAY)
def test_nothing_is_committed_while_something_is_under_way_and_then_it_is(paths, repo, what):
    begin, why, abort = UNDER_WAY[what]
    diverged(paths)
    if what == "revert":
        write(paths, "manifest.py", "more = 1\n")
        git(paths, "commit", "-qam", "more")
    git(paths, *begin, check=False)
    before = git(paths, "rev-parse", "HEAD")
    write(paths, "jobs/new.py", "x")

    assert why in commits.state(repo).blocked
    with pytest.raises(CommitBlocked, match=why):
        commits.commit_all(repo)
    assert git(paths, "rev-parse", "HEAD") == before
    assert not (paths.git_dir / "index.lock").exists()

    git(paths, *abort)
    assert commits.state(repo).blocked is None
    made = commits.commit_all(repo)
    assert "jobs/new.py" in made.files
    assert b"<<<<<<<" not in history.file_at(repo, made.commit, "manifest.py")


def test_control_without_the_rule_conflict_markers_would_be_committed(paths, repo, monkeypatch):
    diverged(paths)
    git(paths, "merge", "other", check=False)
    monkeypatch.setattr(commits, "_require", lambda why: None)
    assert b"<<<<<<<" in history.file_at(repo, commits.commit_all(repo).commit, "manifest.py")


def test_git_am_is_respected(paths, repo):
    diverged(paths)
    patch = git(paths, "format-patch", "-1", "other", "--stdout")
    subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b", "am"],
        input=patch + "\n", text=True, cwd=paths.tree, capture_output=True,
    )  # fmt: skip
    assert "git am is under way" in commits.state(repo).blocked


def test_a_conflict_that_a_stash_left_is_no_commit(paths, repo):
    write(paths, "manifest.py", "stashed = 1\n")
    git(paths, "stash")
    write(paths, "manifest.py", "ours = 1\n")
    git(paths, "commit", "-qam", "ours")
    git(paths, "stash", "pop", check=False)
    assert commits.state(repo).blocked == "a conflict in manifest.py is not resolved"
    with pytest.raises(CommitBlocked):
        commits.commit_all(repo)


@pytest.mark.parametrize("where", ["other", "detached"])
def test_another_branch_is_shown_instead_of_committed_to(paths, repo, where):
    git(paths, "checkout", "-q", *(["-b", "other"] if where == "other" else ["--detach"]))
    write(paths, "jobs/new.py", "x")
    said = commits.state(repo)
    assert (
        said.blocked
        == {
            "other": "HEAD is on the branch other, and the branch of this instance is main",
            "detached": "HEAD is detached, and the branch of this instance is main",
        }[where]
    )
    with pytest.raises(CommitBlocked):
        commits.commit_all(repo)
    git(paths, "checkout", "-q", "main")
    assert commits.commit_all(repo) is not None


def test_what_somebody_staged_is_seen(paths, repo):
    write(paths, "a.py", "x")
    assert not commits.state(repo).staged
    git(paths, "add", "a.py")
    assert commits.state(repo).staged and not commits.state(repo).clean
    git(paths, "commit", "-qm", "mine")
    assert not commits.state(repo).staged and commits.state(repo).clean


# --- locks (P32) ----------------------------------------------------------------------------------------------------


def age(path, seconds):
    now = time.time() - seconds
    with contextlib.suppress(FileNotFoundError):  # a git that outlived its server has taken it back
        os.utime(path, (now, now))


@pytest.mark.parametrize(
    "name", ["index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "refs/heads/main.lock", "refs/stash.lock"]
)
def test_a_stale_lock_heals(paths, repo, name):
    lock = paths.git_dir / name
    lock.touch()
    age(lock, 4)
    write(paths, "a.py", "x")
    assert commits.commit_all(repo) is not None
    assert not lock.exists()


def test_control_plain_git_stumbles_over_the_same_lock(paths, repo):
    (paths.git_dir / "index.lock").touch()
    age(paths.git_dir / "index.lock", 4)
    write(paths, "a.py", "x")
    with pytest.raises(subprocess.CalledProcessError):
        git(paths, "add", "-A")


def test_a_young_lock_is_left_alone(paths, repo):
    (paths.git_dir / "index.lock").touch()
    assert "another git process is at work (index.lock)" in commits.state(repo).blocked
    with pytest.raises(CommitBlocked):
        commits.commit_all(repo)
    assert (paths.git_dir / "index.lock").exists()


@pytest.mark.parametrize(
    ("error", "counts"), [(FileNotFoundError, False), (ProcessLookupError, False), (PermissionError, True)]
)
def test_a_git_that_ends_while_it_is_looked_at_holds_nothing(paths, repo, monkeypatch, error, counts):
    """What cannot be looked into counts, but what is gone does not: any git on the machine would hold our locks."""

    def gone(path):
        raise error(path)

    monkeypatch.setattr(locks, "_is_git", lambda process: True)
    monkeypatch.setattr(locks.os, "readlink", gone)
    assert locks._git_at_work(repo) is counts


def test_a_lock_that_a_process_has_open_is_never_removed(paths, repo):
    lock = paths.git_dir / "index.lock"
    with open(lock, "x"):
        age(lock, 3600)
        for _ in range(100):
            assert locks.heal(repo) == locks.Locks(held=("index.lock",))
        assert lock.exists()
    assert locks.heal(repo).healed == ("index.lock",)


def test_a_commit_that_waits_in_an_editor_is_never_disturbed(paths, repo, tmp_path):
    """git has closed the lock file by then: only the process itself tells that the lock is held."""
    editor, ready, go = tmp_path / "editor", tmp_path / "ready", tmp_path / "go"
    os.mkfifo(ready)
    os.mkfifo(go)
    editor.write_text(f"#!/bin/sh\necho > {ready}\ncat {go}\necho by hand > $1\n")
    editor.chmod(0o755)
    write(paths, "a.py", "x")
    git(paths, "add", "-A")
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@b", "-c", f"core.editor={editor}", "commit", "-qa"]
    process = subprocess.Popen(command, cwd=paths.tree, stdin=subprocess.DEVNULL)
    ready.read_text()
    lock = paths.git_dir / "index.lock"
    assert lock.exists()
    age(lock, 3600)
    for _ in range(20):
        assert "index.lock" in locks.heal(repo).held
    with pytest.raises(CommitBlocked):
        commits.commit_all(repo)
    go.write_text("")
    assert process.wait(20) == 0
    assert last_subject(paths) == "by hand"
    assert commits.state(repo).blocked is None


def test_a_git_elsewhere_on_the_machine_holds_nothing_of_ours(paths, repo, tmp_path):
    """Else a stale lock would stay as long as anybody works with git."""
    subprocess.run(["git", "init", "-q", str(tmp_path / "other")], check=True)
    process = subprocess.Popen(["git", "cat-file", "--batch"], cwd=tmp_path / "other", stdin=subprocess.PIPE)
    try:
        (paths.git_dir / "index.lock").touch()
        age(paths.git_dir / "index.lock", 4)
        assert locks.heal(repo).healed == ("index.lock",)
    finally:
        process.communicate()


def test_a_kill_of_the_whole_server_in_the_middle_of_commits_loses_nothing(paths, repo):
    """Kills at random instants; afterwards fsck is clean, and one more commit brings everything in."""
    script = (
        "import sys, itertools; from pathlib import Path; from longhouse.paths import Paths\n"
        "from longhouse.repo import bootstrap, commits\n"
        f"paths = Paths(Path({str(paths.data)!r})); git = bootstrap.opened(paths)\n"
        "for n in itertools.count():\n"
        "    (paths.tree / 'jobs' / f'k{n % 7}.py').write_text(f'x = {n}\\n' * 200)\n"
        "    try: commits.commit_all(git)\n"
        "    except commits.CommitBlocked: pass\n"
        "    print(n, flush=True)\n"
    )
    import random

    seed = random.randrange(10**6)
    print("seed", seed)
    dice = random.Random(seed)
    for _ in range(12):
        server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
        server.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(dice.random() * 0.15)
        children = subprocess.run(["pgrep", "-P", str(server.pid)], capture_output=True, text=True).stdout.split()
        server.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        server.communicate()
        for lock in (*paths.git_dir.glob("*.lock"), *paths.git_dir.glob("refs/**/*.lock")):
            age(lock, 4)
        deadline = time.monotonic() + 20
        while not commits.state(repo).clean and time.monotonic() < deadline:
            with contextlib.suppress(CommitBlocked):
                commits.commit_all(repo)
            threading.Event().wait(0.05)
        assert commits.state(repo).clean
        subprocess.run(["git", "fsck", "--strict"], cwd=paths.tree, check=True, capture_output=True)
        for path in (paths.tree / "jobs").glob("k*.py"):
            assert git(paths, "show", f"HEAD:jobs/{path.name}") == path.read_text().strip()


def test_two_threads_committing_at_once_leave_no_lock_and_lose_nothing(paths, repo):
    failed = []

    def edit(name):
        for number in range(10):
            write(paths, f"jobs/{name}.py", f"x = {number}\n")
            try:
                commits.commit_all(repo)
            except (GitFailed, CommitBlocked) as error:
                failed.append(error)

    threads = [threading.Thread(target=edit, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    commits.commit_all(repo)
    assert commits.state(repo).clean
    assert not list(paths.git_dir.glob("*.lock"))


# --- trials and the way back ----------------------------------------------------------------------------------------


def test_a_trial_is_of_the_files_as_they_stand_and_leaves_no_trace_on_the_branch(paths, repo):
    head = repo.head().commit
    write(paths, "jobs/new.py", "x = 1\n")
    git(paths, "add", "jobs/new.py")
    write(paths, "jobs/new.py", "x = 2\n")
    before = git(paths, "status", "--porcelain")
    trial = commits.snapshot(repo)
    assert (checkouts.checkout(repo, paths.checkouts, trial) / "jobs" / "new.py").read_text() == "x = 2\n"
    assert git(paths, "rev-parse", "HEAD") == head
    assert git(paths, "status", "--porcelain") == before, "what a person staged is staged as it was"
    assert git(paths, "rev-parse", f"refs/longhouse/trials/{trial}") == trial


def test_a_trial_of_a_clean_tree_is_its_commit(repo):
    assert commits.snapshot(repo) == repo.head().commit


def test_a_trial_works_in_the_middle_of_a_merge(paths, repo):
    diverged(paths)
    git(paths, "merge", "other", check=False)
    write(paths, "manifest.py", "resolved = 1\n")
    assert history.file_at(repo, commits.snapshot(repo), "manifest.py") == b"resolved = 1\n"
    assert (paths.git_dir / "MERGE_HEAD").exists()


def test_trials_are_forgotten_but_for_those_that_are_kept(paths, repo):
    made = []
    for number in range(3):
        write(paths, "a.py", str(number))
        made.append(commits.snapshot(repo))
    assert commits.forget_trials(repo, keep=made[:1]) == 2
    assert git(paths, "for-each-ref", "--format=%(objectname)", "refs/longhouse/trials") == made[0]


def test_the_repository_is_packed_when_it_has_grown_and_nothing_that_is_needed_goes(paths, repo):
    first = repo.head().commit
    commits.set_loaded(repo, first)
    write(paths, "a.py", "trial")
    trial = commits.snapshot(repo)
    for number in range(300):
        write(paths, f"jobs/{number}.py", str(number))
    commits.commit_all(repo)
    commits.tidy(repo)
    assert not list((paths.git_dir / "objects" / "pack").glob("*.pack")), "not yet"
    commits.tidy(repo, loose=10)
    assert list((paths.git_dir / "objects" / "pack").glob("*.pack"))
    assert commits.loaded(repo) == first and history.file_at(repo, trial, "a.py") == b"trial"
    assert commits.branch(repo) == "main" and repo.head().commit != first
    checkouts.listings.cache_clear()
    assert checkouts.checkout(repo, paths.checkouts, first).is_dir()


def test_the_loaded_commit_is_kept_in_the_repo_itself(paths, repo):
    assert commits.loaded(repo) is None
    commits.set_loaded(repo, repo.head().commit)
    assert commits.loaded(repo) == repo.head().commit == git(paths, "rev-parse", "refs/longhouse/loaded")


def test_it_is_kept_even_when_the_configuration_is_refused(paths, repo):
    git(paths, "config", "core.fsmonitor", "/tmp/x")
    commits.set_loaded(repo, repo.head().commit)
    assert commits.loaded(repo) == repo.head().commit


def test_restoring_the_loaded_commit_is_a_new_commit_and_loses_nothing(paths, repo):
    good = repo.head().commit
    commits.set_loaded(repo, good)
    write(paths, "manifest.py", "def\n")
    broken = commits.commit_all(repo).commit
    write(paths, "jobs/unsaved.py", "precious = 1\n")
    write(paths, ".env", "ignored = 1")

    made = commits.restore_loaded(repo)

    assert git(paths, "rev-parse", "HEAD^{tree}") == git(paths, "rev-parse", f"{good}^{{tree}}")
    assert (paths.tree / "manifest.py").read_text() != "def\n"
    assert made.subject == f"Update jobs: restore {good[:12]}, the last that loaded" == last_subject(paths)
    assert broken in git(paths, "log", "--format=%H")
    assert history.file_at(repo, f"{git(paths, 'rev-parse', 'HEAD~1')}", "jobs/unsaved.py") == b"precious = 1\n"
    assert (paths.tree / ".env").read_text() == "ignored = 1"
    assert commits.state(repo).clean


@pytest.mark.parametrize("then", ["[jobs.a]\nenabled = false\n", None])
def test_restoring_keeps_jobs_toml_as_it_is_now(paths, repo, then):
    """A job that was disabled since must not come back to life, nor one enabled since fall silent."""
    before = None if then else "[jobs.a]\nenabled = false\n"
    for text in (before, then):
        if text is None:
            (paths.tree / "jobs.toml").unlink(missing_ok=True)
        else:
            write(paths, "jobs.toml", text)
        made = commits.commit_all(repo)
        if text == before:
            commits.set_loaded(repo, made.commit if made else repo.head().commit)
    write(paths, "manifest.py", "def\n")
    commits.restore_loaded(repo)
    path = paths.tree / "jobs.toml"
    assert (path.read_text() if path.exists() else None) == then


def test_restoring_takes_back_a_jobs_toml_that_cannot_be_read(paths, repo):
    write(paths, "jobs.toml", "[jobs.a]\nenabled = false\n")
    commits.set_loaded(repo, commits.commit_all(repo).commit)
    write(paths, "jobs.toml", "[jobs.a\n")
    commits.restore_loaded(repo)
    assert (paths.tree / "jobs.toml").read_text() == "[jobs.a]\nenabled = false\n"


def test_restoring_what_never_loaded_is_refused(repo):
    with pytest.raises(NotFound, match="No commit of the jobs repo has ever loaded"):
        commits.restore_loaded(repo)


def test_restoring_in_the_middle_of_a_merge_is_refused(paths, repo):
    commits.set_loaded(repo, repo.head().commit)
    diverged(paths)
    git(paths, "merge", "other", check=False)
    with pytest.raises(CommitBlocked, match="a merge is under way"):
        commits.restore_loaded(repo)


# --- history --------------------------------------------------------------------------------------------------------


def test_the_history_comes_in_pages_newest_first(paths, repo):
    for number in range(5):
        write(paths, "a.py", f"{number}\n")
        commits.commit_all(repo, f"Update jobs: number {number}\n\nA body\nof two lines")
    page, cursor = history.history(repo, 4)
    assert [each.subject for each in page] == [f"Update jobs: number {n}" for n in (4, 3, 2, 1)]
    assert page[0].body == "A body\nof two lines" and page[0].at > 1_700_000_000_000
    rest, end = history.history(repo, 4, cursor)
    assert [each.subject for each in rest] == ["Update jobs: number 0", "Update jobs: first commit"] and end is None


def test_a_commit_is_shown_with_its_diff(paths, repo):
    write(paths, "manifest.py", "a = 1\n")
    write(paths, "b\x00".strip("\x00"), "new\n")
    made = commits.commit_all(repo).commit
    shown = history.show(repo, made[:8])
    assert [(each.kind, each.path) for each in shown.changes] == [("A", "b"), ("M", "manifest.py")]
    assert "+a = 1" in shown.diff and "+++ b/manifest.py" in shown.diff and not shown.cut
    first = history.show(repo, shown.commit.parents[0])
    assert {each.kind for each in first.changes} == {"A"} and "+++ b/AGENTS.md" in first.diff


def test_a_huge_diff_is_cut(paths, repo):
    write(paths, "big.txt", "x" * 60 + "\n" + "line\n" * 400_000)
    shown = history.show(repo, commits.commit_all(repo).commit)
    assert shown.cut and len(shown.diff) <= 1024 * 1024


def test_a_commit_with_words_in_any_bytes_is_shown(paths, repo):
    write(paths, "a.bin", "")
    (paths.tree / "a.bin").write_bytes(bytes(range(256)))
    (paths.tree / "latin.txt").write_bytes("grün".encode("latin-1"))
    made = commits.commit_all(repo, "Grüße ✓")
    shown = history.show(repo, made.commit)
    assert shown.commit.subject == "Grüße ✓" and "Binary files" in shown.diff


@pytest.mark.parametrize(
    "path", ["", "nothing.py", "jobs", "../x", "/etc/passwd", "a\nb", ":manifest.py", "./manifest.py"]
)
def test_a_file_that_a_commit_does_not_have_is_not_found(repo, path):
    with pytest.raises(NotFound):
        history.file_at(repo, repo.head().commit, path)


@pytest.mark.parametrize("text", ["zzzz", "abc", "0000000", "HEAD", "-p", "main"])
def test_a_commit_that_is_not_there_is_not_found(repo, text):
    with pytest.raises(NotFound):
        history.show(repo, text)

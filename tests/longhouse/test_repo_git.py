"""The one wrapper around git: what it hands to git, what it refuses, how it ends."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from longhouse import doctor
from longhouse.errors import CannotStart, LonghouseError, NotFound
from longhouse.paths import Paths
from longhouse.repo import bootstrap, checkouts, commits, git, git_program, history
from longhouse.repo.git import ConfigRefused, Git, GitFailed, GitTimedOut

SPY = """#!{python} -IS
import json, os, sys
with open({log!r}, "a") as log:
    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=log)
os.execv("/usr/bin/git", ["git", *sys.argv[1:]])
"""


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "data")


@pytest.fixture
def repo(paths):
    return bootstrap.ensure(paths, known_commits=False).git


def plain(paths, *args, check=True):
    """git as a person runs it in the jobs folder."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.run(["git", *who, *args], cwd=paths.tree, check=check, capture_output=True, text=True)


def everything(repo, paths):
    """Each thing we ever do with a repo, once."""
    (paths.tree / "jobs" / "new.py").write_text("x = 1\n")
    commits.state(repo)
    commits.snapshot(repo)
    made = commits.commit_all(repo)
    commits.set_loaded(repo, made.commit)
    commits.loaded(repo)
    commits.forget_trials(repo)
    checkouts.checkout(repo, paths.checkouts, made.commit)
    history.history(repo, 5)
    history.show(repo, made.commit)
    history.file_at(repo, made.commit, "manifest.py")


def test_every_call_names_the_repository_switches_off_what_runs_programs_and_has_a_clean_environment(
    tmp_path, paths, repo, monkeypatch
):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "evil")
    monkeypatch.setenv("API_TOKEN", "canary-4711")
    log, spy = tmp_path / "log", tmp_path / "git"
    spy.write_text(SPY.format(python=sys.executable, log=str(log)))
    spy.chmod(0o755)
    repo = Git(paths.git_dir, paths.tree, paths.cache / "git", program=spy)

    everything(repo, paths)

    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(calls) > 12
    for argv, env in calls:
        settings = [value for flag, value in pairwise(argv) if flag == "-c"]
        assert set(git.SWITCHED) <= set(settings)
        if "config" not in argv:
            assert any(arg.startswith("--git-dir=/") for arg in argv)
            assert any(arg.startswith("--work-tree=/") for arg in argv)
        if any(name in argv for name in ("log", "diff", "diff-tree")) and "log" not in argv:
            assert "--no-ext-diff" in argv and "--no-textconv" in argv
        assert "canary-4711" not in json.dumps([argv, env])
        assert env["GIT_CONFIG_NOSYSTEM"] == "1" and env["GIT_CONFIG_GLOBAL"] == "/dev/null"
        assert env["GIT_ATTR_NOSYSTEM"] == "1" and env["GIT_TERMINAL_PROMPT"] == "0"
        assert env["GIT_PROTOCOL_FROM_USER"] == "0" and env["GIT_ALLOW_PROTOCOL"] == "https"
        assert env["GIT_NO_REPLACE_OBJECTS"] == "1" and env["LC_ALL"] == "C"
        assert "GIT_DIR" not in env and "GIT_SSH_COMMAND" not in env
        assert os.listdir(env["HOME"]) == []


ATTACKS = {
    "core.fsmonitor": "{evil}",
    "core.hooksPath": "{hooks}",
    "core.sshCommand": "{evil}",
    "core.editor": "{evil}",
    "core.pager": "{evil}",
    "core.askPass": "{evil}",
    "core.gitProxy": "{evil}",
    "core.worktree": "/tmp",
    "core.attributesFile": "/tmp/attributes",
    "core.excludesFile": "/tmp/excludes",
    "core.alternateRefsCommand": "{evil}",
    "filter.evil.clean": "{evil}",
    "filter.evil.smudge": "{evil}",
    "filter.evil.process": "{evil}",
    "diff.external": "{evil}",
    "diff.evil.textconv": "{evil}",
    "diff.evil.command": "{evil}",
    "merge.evil.driver": "{evil}",
    "gpg.program": "{evil}",
    "gpg.ssh.program": "{evil}",
    "commit.gpgSign": "true",
    "log.showSignature": "true",
    "credential.helper": "!{evil}",
    "alias.status": "!{evil}",
    "sequence.editor": "{evil}",
    "interactive.diffFilter": "{evil}",
    "include.path": "/tmp/included",
    "includeIf.gitdir:/.path": "/tmp/included",
    "remote.origin.uploadpack": "{evil}",
    "remote.origin.receivepack": "{evil}",
    "remote.origin.vcs": "evil",
    "url.ext::evil.insteadOf": "https://",
    "protocol.ext.allow": "always",
    "uploadpack.packObjectsHook": "{evil}",
    "extensions.partialClone": "origin",
    "extensions.worktreeConfig": "true",
    "submodule.evil.update": "!{evil}",
    "init.templateDir": "/tmp",
    "trailer.x.command": "{evil}",
    "browser.evil.cmd": "{evil}",
}


@pytest.fixture
def evil(tmp_path):
    """A program that leaves a mark when it is run."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    mark = tmp_path / "ran"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\necho $0 >> {mark}\ncat\n")
    script.chmod(0o755)
    for name in (
        "pre-commit",
        "post-commit",
        "commit-msg",
        "post-checkout",
        "post-index-change",
        "reference-transaction",
    ):
        (hooks / name).symlink_to(script)
    return script, hooks, mark


@pytest.mark.parametrize("key", ATTACKS)
def test_a_setting_that_is_not_on_the_list_stops_our_writes_and_names_itself_but_no_checkout(key, paths, repo, evil):
    script, hooks, mark = evil
    head = repo.head().commit
    plain(paths, "config", key, ATTACKS[key].format(evil=script, hooks=hooks))
    (paths.tree / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")

    for act in (commits.state, commits.commit_all, commits.snapshot):
        with pytest.raises(ConfigRefused) as refused:
            act(repo)
        assert key.lower() in refused.value.message.lower()
        assert "unset" in refused.value.hint

    assert (checkouts.checkout(repo, paths.checkouts, head) / "manifest.py").is_file()
    assert history.show(repo, head).commit.id == head
    assert not mark.exists()

    plain(paths, "config", "--unset-all", key)
    assert commits.commit_all(repo) is not None


def test_control_plain_git_runs_what_a_setting_names(paths, repo, evil):
    script, _, mark = evil
    plain(paths, "config", "core.fsmonitor", str(script))
    plain(paths, "status", check=False)
    assert mark.exists()


def test_hooks_in_the_repository_do_not_run_for_our_commits(paths, repo, evil):
    _, hooks, mark = evil
    shutil.rmtree(paths.git_dir / "hooks")
    (paths.git_dir / "hooks").symlink_to(hooks)
    everything(repo, paths)
    assert not mark.exists()

    (paths.tree / "a.txt").write_text("x")
    plain(paths, "add", "-A")
    plain(paths, "commit", "-m", "x", check=False)
    assert mark.exists(), "control: for a person they do"


BREAK_PLAIN_GIT = ("core.worktree", "extensions.partialClone", "extensions.worktreeConfig", "include.path")
"""With these it finds nothing to run, so nothing would show."""


def plant(folder, key, value):
    """As somebody writes it who may write there: no git of ours has a look first."""
    section, _, name = key.rpartition(".")
    first, _, rest = section.partition(".")
    head = f'[{first} "{rest}"]' if rest else f"[{first}]"
    with (folder / "config").open("a") as file:
        file.write(f"{head}\n\t{name} = {value}\n")


def test_a_repository_that_an_agent_puts_in_the_place_of_dot_git_runs_nothing(paths, repo, evil):
    """Each of the settings, and hooks, and attributes that name filters, in a `.git` of the tree's own."""
    script, hooks, mark = evil
    everything(repo, paths)
    (paths.tree / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    (paths.tree / ".gitmodules").write_text(
        f'[submodule "evil"]\n\tpath = x\n\turl = ext::{script}\n\tupdate = !{script}\n'
    )
    for name in (".gitconfig", ".lfsconfig"):
        (paths.tree / name).write_text(f"[core]\n\tfsmonitor = {script}\n\thooksPath = {hooks}\n")
    (paths.tree / ".git").unlink()
    theirs = paths.tree / ".git"
    shutil.copytree(paths.git_dir, theirs, symlinks=True)
    shutil.rmtree(theirs / "hooks", ignore_errors=True)
    (theirs / "hooks").symlink_to(hooks)
    for number, (key, value) in enumerate(ATTACKS.items()):
        if key not in BREAK_PLAIN_GIT:
            named = script.with_name(f"evil-{number}")
            named.symlink_to(script)
            plant(theirs, key, value.format(evil=named, hooks=hooks))
    (paths.tree / "a.txt").write_text("x = 1\n")
    everything(repo, paths)
    (paths.tree / "a.txt").write_text("x = 2\n")
    assert commits.state(repo).changed and commits.commit_all(repo) is not None
    assert not mark.exists()
    (paths.tree / "a.txt").write_text("x = 3\n")
    for words in (("status",), ("add", "-A"), ("diff", "--cached"), ("commit", "-am", "x"), ("log", "-p", "-1")):
        plain(paths, *words, check=False)
    assert len(set(mark.read_text().split())) >= 5, "control: plain git runs some of them"


def test_what_ordinary_git_writes_is_allowed_and_the_owner_signs_our_commits(paths, repo):
    plain(paths, "config", "user.name", "Ada")
    plain(paths, "config", "user.email", "ada@example.org")
    plain(paths, "remote", "add", "origin", "https://git.example.org/ada/jobs.git")
    plain(paths, "config", "branch.main.remote", "origin")
    (paths.tree / "a.txt").write_text("x")
    made = commits.commit_all(repo)
    shown = history.show(repo, made.commit).commit
    assert (shown.author, shown.email) == ("Ada", "ada@example.org")


def test_without_a_name_in_the_repo_commits_are_the_instances(repo):
    commit = history.history(repo, 1)[0][0]
    assert (commit.author, commit.email) == ("Longhouse Jobs", "jobs@localhost")


def test_a_configuration_that_is_no_configuration_is_refused_and_jobs_still_find_their_commit(paths, repo):
    commits.set_loaded(repo, repo.head().commit)
    (paths.git_dir / "config").write_text("[core\n")
    with pytest.raises(LonghouseError):
        commits.commit_all(repo)
    assert commits.loaded(repo) == repo.head().commit
    assert checkouts.checkout(repo, paths.checkouts, repo.head().commit).is_dir()


def test_a_second_look_at_an_unchanged_configuration_costs_no_process(repo, monkeypatch):
    repo.check_config()
    calls = []
    monkeypatch.setattr(Git, "_run", lambda *a, **k: calls.append(a))
    repo.check_config()
    assert calls == []


@pytest.mark.parametrize(
    "text",
    ["-x", "--output=/tmp/x", "HEAD", "main", "", "a" * 39, "g" * 40, "a" * 40 + "\n", "a" * 41, "../x", "\0", "@{u}"],
)
def test_only_commit_ids_are_taken_for_commits(repo, paths, text):
    with pytest.raises(NotFound):
        checkouts.checkout(repo, paths.checkouts, text)
    with pytest.raises(NotFound):
        commits.set_loaded(repo, text)
    with pytest.raises(NotFound):
        history.file_at(repo, text, "manifest.py")


@pytest.mark.parametrize(
    "name",
    ["-x", "refs/heads/a..b", "refs/heads/a.lock", "refs/heads/\n", "refs/heads/a b", "refs/heads/~1",
     "refs/heads/", "refs//a", "refs/heads/.a", "HEAD", "refs/heads/a@{1}", "refs/heads/\x7f", "refs/heads/a:b"],
)  # fmt: skip
def test_names_of_refs_that_git_could_take_for_something_else_are_refused(repo, name):
    with pytest.raises(NotFound):
        repo.ref(name)


def test_a_failure_gives_gits_reason_without_paths_of_the_machine_or_passwords(repo, paths):
    said = repo.scrub(
        "fatal: unable to access 'https://ada:hunter2@git.example.org/x.git/': "
        f"in {paths.tree}/jobs/a.py or /etc/passwd"
    )
    assert "hunter2" not in said and "/etc" not in said and str(paths.data) not in said
    assert "https://git.example.org/x.git/" in said and "jobs/jobs/a.py" in said
    with pytest.raises(GitFailed) as failed:
        repo.write("cat-file", "blob", "a" * 40)
    assert "git cat-file failed" in failed.value.message


def test_output_over_the_limit_is_cut_and_git_is_ended(repo, paths):
    (paths.tree / "big.txt").write_bytes(b"x" * 20_000_000)
    made = commits.commit_all(repo)
    found = repo.read("cat-file", "blob", f"{made.commit}:big.txt", limit=1000)
    assert found.cut and len(found.out) == 1000


@pytest.fixture
def slow(tmp_path, paths, monkeypatch):
    """A git that writes down the signals it gets; `ignores` makes it a stubborn one."""

    def made(stubborn=False):
        program = tmp_path / "slow-git"
        program.write_text(
            f"#!/bin/sh\ntrap 'echo TERM >> {tmp_path}/signals; {'' if stubborn else 'exit 143'}' TERM\n"
            f"echo ready >> {tmp_path}/signals\nwhile :; do sleep 0.05; done\n"
        )
        program.chmod(0o755)
        monkeypatch.setattr(git, "SECONDS", 1.0)
        monkeypatch.setattr(git, "GRACE_SECONDS", 0.5)
        paths.tree.mkdir(parents=True)
        (paths.git_dir / "objects").mkdir(parents=True)
        return Git(paths.git_dir, paths.tree, paths.cache / "git", program=program), tmp_path / "signals"

    return made


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_git_that_hangs_is_asked_to_end_before_it_is_killed(slow, stubborn):
    repo, signals = slow(stubborn)
    began = time.monotonic()
    with pytest.raises(GitTimedOut):
        repo.read("status")
    assert signals.read_text().split() == ["ready", "TERM"]
    assert time.monotonic() - began < 5


def test_git_is_out_of_reach_of_a_ctrl_c_in_the_terminal(repo, tmp_path, paths):
    program = tmp_path / "session"
    program.write_text("#!/bin/sh\nps -o sid= -p $$ || cut -d' ' -f6 /proc/$$/stat\n")
    program.chmod(0o755)
    other = Git(paths.git_dir, paths.tree, paths.cache / "git", program=program)
    assert int(other.read("x").out) != os.getsid(0)


def test_a_moved_data_directory_works_as_before(paths, repo, tmp_path):
    head = repo.head().commit
    moved = Paths(tmp_path / "elsewhere")
    paths.data.rename(moved.data)
    booted = bootstrap.ensure(moved, known_commits=True)
    assert booted.head == head and not booted.created
    assert plain(moved, "log", "--format=%H").stdout.split() == [head]
    assert checkouts.checkout(booted.git, moved.checkouts, head).is_dir()


def test_what_a_kill_left_of_the_view_is_made_anew(paths, repo, tmp_path):
    head = repo.head().commit
    repo.read("log", "-1", head)
    view = paths.cache / "git" / "view"
    (view / "objects").unlink()
    assert repo.read("log", "-1", "--format=%H", head).out.decode().strip() == head
    assert (view / "objects").is_symlink()


def test_many_threads_may_use_one_git(repo, paths):
    head = repo.head().commit
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(repo.ref("refs/heads/main"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [head] * 16


def test_a_machine_without_git_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(git_program, "SEARCHED", (str(Path("/nonexistent")),))
    with pytest.raises(LonghouseError) as refused:
        git_program.find_program()
    assert refused.value.kind == "cannot_start" and "apt-get install git" in refused.value.hint


@pytest.fixture
def other_git(tmp_path, monkeypatch):
    """A program in the place of git that says these words of its version."""

    def made(words):
        program = tmp_path / "bin" / "git"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{words}'\n")
        program.chmod(0o755)
        monkeypatch.setattr(git_program, "SEARCHED", (str(program.parent),))
        bootstrap.opened.cache_clear()
        return program

    yield made
    bootstrap.opened.cache_clear()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("git version 2.37.9", "git 2.37.9 at {} is too old: 2.38 is needed at least"),
        ("git version 1.99.0.rc1", "git 1.99.0.rc1 at {} is too old: 2.38 is needed at least"),
        ("hello", "{} does not say which version of git it is"),
        ("", "{} does not say which version of git it is"),
    ],
)
def test_an_older_git_ends_the_start_with_a_sentence_before_anything_is_made(other_git, paths, words, said):
    program = other_git(words)
    with pytest.raises(CannotStart) as refused:
        bootstrap.ensure(paths, known_commits=False)
    assert refused.value.message == said.format(program) and refused.value.hint
    assert not paths.tree.exists() and not paths.git_dir.exists()


def test_versions_of_all_kinds_are_understood():
    for words in (
        "git version 2.38.0",
        "git version 2.39.5 (Apple Git-154)",
        "git version 2.45.GIT",
        "git version 3.0",
    ):
        assert git_program.require_recent(words + "\n", Path("git")) == words.split()[2]
    assert git_program.require_recent(subprocess.check_output(["git", "version"], text=True), Path("git"))


def test_the_doctor_says_which_git_it_is_and_when_it_has_become_too_old(house, other_git, monkeypatch):
    house.paths.work.mkdir(exist_ok=True)
    bootstrap.ensure(house.paths, known_commits=False)
    found = {check.name: check for check in doctor.report(house)}
    assert found["git"].status == "ok" and str(bootstrap.opened(house.paths).program) in found["git"].message
    program = other_git("git version 2.30.2")
    found = {check.name: check for check in doctor.report(house)}["git"]
    assert found.status == "error" and found.message == f"git 2.30.2 at {program} is too old: 2.38 is needed at least"
    program.write_text("#!/bin/sh\necho 'git version 2.50.1'\n")  # replaced under the running server
    asked = []
    with monkeypatch.context() as patched:
        patched.setattr(Git, "version", lambda self: asked.append(self) or "git version 2.50.1")
        for _ in range(3):
            found = {check.name: check for check in doctor.report(house)}["git"]
            assert found.status == "ok" and "2.50.1" in found.message
    assert len(asked) == 1, "Home shows it at every look"
    program.unlink()
    assert {check.name: check for check in doctor.report(house)}["git"].status == "error"
    bootstrap.opened.cache_clear()
    assert "not installed" in {check.name: check for check in doctor.report(house)}["git"].message

"""First boot: from an empty folder, or one that somebody already has, to a jobs repo that works."""

import os
import shutil
import subprocess

import pytest

from longhouse.errors import CannotStart
from longhouse.paths import Paths
from longhouse.repo import bootstrap, commits, history


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "data")


def git(folder, *args):
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=trunk")
    done = subprocess.run(["git", *who, *args], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def their_repo(folder, **files):
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "mine")
    return git(folder, "rev-parse", "HEAD")


def unclean(paths):
    return git(paths.tree, "status", "--porcelain")


def test_it_creates_the_folder_its_files_the_repository_and_the_first_commit(paths):
    booted = bootstrap.ensure(paths, known_commits=False)

    assert booted.created and not booted.adopted and booted.sample == "hello"
    files = git(paths.tree, "ls-files").split()
    assert sorted(files) == [".gitignore", "AGENTS.md", "jobs/__init__.py", "jobs/hello.py", "manifest.py"]
    assert git(paths.tree, "log", "--format=%H %an <%ae>") == f"{booted.head} Longhouse Jobs <jobs@localhost>"
    assert git(paths.tree, "branch", "--show-current") == "main" == booted.branch
    assert not unclean(paths)


def test_the_repository_lies_beside_the_tree_whose_git_is_a_relative_link(paths):
    bootstrap.ensure(paths, known_commits=False)
    assert os.readlink(paths.tree / ".git") == "../jobs.git"
    assert (paths.tree / ".git").is_dir()
    assert (paths.git_dir / "HEAD").is_file()
    assert git(paths.tree, "rev-parse", "--show-toplevel") == str(paths.tree)


def test_a_person_may_use_plain_git_in_the_tree(paths):
    bootstrap.ensure(paths, known_commits=False)
    (paths.tree / "note.txt").write_text("mine")
    git(paths.tree, "add", "-A")
    git(paths.tree, "commit", "-q", "-m", "by hand")
    assert git(paths.tree, "log", "-1", "--format=%s %an") == "by hand Ada"
    assert not unclean(paths)


def test_a_second_time_changes_nothing(paths):
    first = bootstrap.ensure(paths, known_commits=False)
    (paths.tree / "manifest.py").write_text("mine\n")
    (paths.tree / "AGENTS.md").unlink()
    second = bootstrap.ensure(paths, known_commits=True)
    assert (second.created, second.adopted, second.sample, second.head) == (False, False, None, first.head)
    assert (paths.tree / "manifest.py").read_text() == "mine\n"
    assert not (paths.tree / "AGENTS.md").exists()


def test_a_first_boot_cut_short_anywhere_is_completed_by_the_next(paths, tmp_path):
    """What a first boot does is done to copies, each cut after one more step."""
    steps = [
        lambda: paths.tree.mkdir(parents=True),
        lambda: (paths.data / ".jobs.git.new").mkdir(),
        lambda: (shutil.rmtree(paths.data / ".jobs.git.new"), bootstrap._create(paths)),
        lambda: bootstrap._link(paths),
        lambda: (paths.tree / "manifest.py").write_text((tmp_path / "whole" / "jobs" / "manifest.py").read_text()),
        lambda: (paths.tree / "jobs").mkdir(),
    ]
    whole = Paths(tmp_path / "whole")
    bootstrap.ensure(whole, known_commits=False)
    for count, step in enumerate(steps):
        step()
        cut = Paths(tmp_path / f"cut{count}")
        shutil.copytree(paths.data, cut.data, symlinks=True)
        booted = bootstrap.ensure(cut, known_commits=False)
        assert git(cut.tree, "rev-parse", "HEAD^{tree}") == git(whole.tree, "rev-parse", "HEAD^{tree}"), count
        assert booted.created
        assert not unclean(cut)
        assert [path.name for path in cut.data.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("place", ["jobs", "jobs.git"])
def test_what_cannot_be_created_fails_the_start_with_a_clear_error(paths, place):
    paths.data.mkdir()
    (paths.data / place).write_text("a file")
    with pytest.raises(CannotStart) as refused:
        bootstrap.ensure(paths, known_commits=False)
    assert str(paths.data / place) in refused.value.message
    assert refused.value.hint
    assert refused.value.kind == "cannot_start"


def test_a_data_directory_that_is_a_file_fails_the_start(paths):
    paths.data.write_text("a file")
    with pytest.raises(CannotStart, match=r"cannot be created|is not a folder"):
        bootstrap.ensure(paths, known_commits=False)


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write anywhere")
def test_a_data_directory_without_the_right_to_write_fails_the_start(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o555)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    script = (
        "from pathlib import Path; from longhouse.paths import Paths; from longhouse.repo import bootstrap\n"
        f"bootstrap.ensure(Paths(Path({str(data)!r})), known_commits=False)"
    )
    import sys

    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*as_nobody, sys.executable, "-c", script], capture_output=True, text=True)
    assert "CannotStart: The jobs repo cannot be created: Permission denied" in done.stderr


# --- adoption -------------------------------------------------------------------------------------------------------


def test_an_existing_repo_moves_to_jobs_git_with_its_history(paths):
    theirs = their_repo(paths.tree, manifest="x = 1\n", jobs__mine="y = 1\n")
    (paths.tree / "jobs" / "mine.py").write_text("y = 2\n")

    booted = bootstrap.ensure(paths, known_commits=False)

    assert booted.adopted and booted.branch == "trunk"
    assert (paths.tree / ".git").is_symlink() and paths.git_dir.is_dir()
    assert theirs in git(paths.tree, "log", "--format=%H").split()
    assert (paths.tree / "manifest.py").read_text() == "x = 1\n"
    assert history.file_at(booted.git, booted.head, "jobs/mine.py") == b"y = 2\n"
    assert booted.sample is None and not (paths.tree / "jobs" / "hello.py").exists()
    assert not unclean(paths)


def test_files_without_a_repository_are_committed_as_they_are(paths):
    (paths.tree / "jobs").mkdir(parents=True)
    (paths.tree / "manifest.py").write_text("x = 1\n")
    booted = bootstrap.ensure(paths, known_commits=False)
    assert booted.created and booted.adopted and booted.sample is None
    assert history.file_at(booted.git, booted.head, "manifest.py") == b"x = 1\n"


def test_an_adopted_folder_without_a_manifest_gets_one_and_no_file_of_it_is_overwritten(paths):
    (paths.tree / "jobs").mkdir(parents=True)
    (paths.tree / "jobs" / "hello.py").write_text("mine = 1\n")
    booted = bootstrap.ensure(paths, known_commits=False)
    assert (paths.tree / "jobs" / "hello.py").read_text() == "mine = 1\n"
    assert "job_registry.register(JobConfig(" in (paths.tree / "manifest.py").read_text()
    assert not [x for x in (paths.tree / "manifest.py").read_text().splitlines() if x.startswith(("from ", "job_"))]
    assert booted.sample is None


def test_a_folder_whose_link_is_ours_is_left_alone(paths):
    head = bootstrap.ensure(paths, known_commits=False).head
    (paths.tree / ".git").unlink()
    (paths.tree / ".git").write_text(f"gitdir: {paths.git_dir}\n")
    assert bootstrap.ensure(paths, known_commits=True).head == head
    assert (paths.tree / ".git").is_file()


def test_an_absolute_gitfile_that_a_move_broke_becomes_the_relative_link(paths, tmp_path):
    head = bootstrap.ensure(paths, known_commits=False).head
    (paths.tree / ".git").unlink()
    (paths.tree / ".git").write_text(f"gitdir: {paths.git_dir}\n")
    moved = Paths(tmp_path / "moved")
    paths.data.rename(moved.data)
    assert bootstrap.ensure(moved, known_commits=True).head == head
    assert git(moved.tree, "rev-parse", "HEAD") == head


def test_an_adopted_repo_with_a_setting_that_runs_programs_is_refused_as_it_is(paths):
    their_repo(paths.tree, manifest="x = 1\n")
    git(paths.tree, "config", "filter.lfs.clean", "git-lfs clean -- %f")
    with pytest.raises(CannotStart) as refused:
        bootstrap.ensure(paths, known_commits=False)
    assert "filter.lfs.clean" in refused.value.message
    assert "git config --unset-all filter.lfs.clean" in refused.value.hint
    assert (paths.tree / ".git").is_dir() and not paths.git_dir.exists()

    git(paths.tree, "config", "--unset-all", "filter.lfs.clean")
    assert bootstrap.ensure(paths, known_commits=False).adopted


def test_a_repo_in_the_middle_of_a_merge_is_not_adopted_half(paths):
    their_repo(paths.tree, manifest="x = 1\n")
    (paths.tree / ".git" / "MERGE_HEAD").write_text(git(paths.tree, "rev-parse", "HEAD"))
    (paths.tree / "manifest.py").write_text("<<<<<<<\n")
    with pytest.raises(CannotStart, match="a merge is under way"):
        bootstrap.ensure(paths, known_commits=False)


def test_a_link_to_a_repository_elsewhere_fails_the_start(paths, tmp_path):
    their_repo(tmp_path / "other", manifest="x = 1\n")
    paths.tree.mkdir(parents=True)
    (paths.tree / ".git").symlink_to(tmp_path / "other" / ".git")
    with pytest.raises(CannotStart, match="leads to a repository elsewhere"):
        bootstrap.ensure(paths, known_commits=False)


def test_two_repositories_fail_the_start(paths):
    bootstrap.ensure(paths, known_commits=False)
    (paths.tree / ".git").unlink()
    git(paths.tree, "init", "-q")
    with pytest.raises(CannotStart, match="two repositories"):
        bootstrap.ensure(paths, known_commits=True)


def test_a_tree_that_is_a_link_fails_the_start(paths, tmp_path):
    their_repo(tmp_path / "other", manifest="x = 1\n")
    paths.data.mkdir()
    paths.tree.symlink_to(tmp_path / "other")
    with pytest.raises(CannotStart, match="is not a folder"):
        bootstrap.ensure(paths, known_commits=False)


# --- losses ---------------------------------------------------------------------------------------------------------


def test_a_repository_that_is_gone_though_the_database_knows_commits_is_never_made_anew(paths):
    bootstrap.ensure(paths, known_commits=False)
    shutil.rmtree(paths.git_dir)
    with pytest.raises(CannotStart) as refused:
        bootstrap.ensure(paths, known_commits=True)
    assert "jobs.git is gone" in refused.value.message and "backup" in refused.value.hint
    assert not paths.git_dir.exists()


def test_the_same_with_an_empty_folder_in_its_place(paths):
    bootstrap.ensure(paths, known_commits=False)
    shutil.rmtree(paths.git_dir)
    paths.git_dir.mkdir()
    with pytest.raises(CannotStart, match="is gone"):
        bootstrap.ensure(paths, known_commits=True)


def test_the_same_with_a_fresh_git_init_in_its_place(paths):
    bootstrap.ensure(paths, known_commits=False)
    shutil.rmtree(paths.git_dir)
    git(paths.data, "init", "-q", "--bare", "jobs.git")
    with pytest.raises(CannotStart, match="has no commit"):
        bootstrap.ensure(paths, known_commits=True)


def test_a_link_to_a_lost_repository_is_no_folder_to_begin_a_history_with(paths):
    bootstrap.ensure(paths, known_commits=False)
    shutil.rmtree(paths.git_dir)
    with pytest.raises(CannotStart) as refused:
        bootstrap.ensure(paths, known_commits=False)
    (paths.tree / ".git").unlink()
    assert "Or remove" in refused.value.hint
    assert bootstrap.ensure(paths, known_commits=False).adopted


@pytest.mark.parametrize("part", ["HEAD", "objects", "refs", "config"])
def test_a_damaged_repository_fails_the_start(paths, part):
    bootstrap.ensure(paths, known_commits=False)
    place = paths.git_dir / part
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with pytest.raises(CannotStart, match=f"not a whole git repository: {part} missing"):
        bootstrap.ensure(paths, known_commits=True)


def test_a_repository_that_lost_objects_fails_the_start(paths):
    bootstrap.ensure(paths, known_commits=False)
    for path in (paths.git_dir / "objects").glob("??/*"):
        path.unlink()
    with pytest.raises(CannotStart, match=r"damaged|no commit"):
        bootstrap.ensure(paths, known_commits=True)


@pytest.mark.parametrize("loss", ["tree", "files"])
def test_a_work_tree_that_is_gone_comes_back_from_the_history(paths, loss):
    booted = bootstrap.ensure(paths, known_commits=False)
    shutil.rmtree(paths.tree)
    if loss == "files":
        paths.tree.mkdir()
    again = bootstrap.ensure(paths, known_commits=True)
    assert again.head == booted.head and again.created
    assert (paths.tree / "jobs" / "hello.py").is_file()
    assert not unclean(paths)


def test_a_manifest_missing_from_tree_and_history_is_written(paths):
    their_repo(paths.tree, jobs__mine="y = 1\n")
    bootstrap.ensure(paths, known_commits=False)
    assert (paths.tree / "manifest.py").is_file()


@pytest.mark.parametrize("committed", [False, True])
def test_a_manifest_that_the_history_has_is_not_written_anew_but_the_start_fails(paths, committed):
    booted = bootstrap.ensure(paths, known_commits=False)
    commits.set_loaded(booted.git, booted.head)
    (paths.tree / "manifest.py").unlink()
    if committed:
        commits.commit_all(booted.git)
    with pytest.raises(CannotStart) as refused:
        bootstrap.ensure(paths, known_commits=True)
    assert "manifest.py is missing" in refused.value.message
    assert "longhouse-jobs repo restore --loaded" in refused.value.hint
    assert not (paths.tree / "manifest.py").exists()

    commits.restore_loaded(booted.git)
    assert not bootstrap.ensure(paths, known_commits=True).created


def test_a_configuration_that_is_refused_stops_no_start_of_an_instance_that_is_there(paths):
    head = bootstrap.ensure(paths, known_commits=False).head
    git(paths.tree, "config", "core.fsmonitor", "/tmp/x")
    assert bootstrap.ensure(paths, known_commits=True).head == head


def test_the_guide_for_agents_names_the_command_that_is_always_there_and_every_setting(paths):
    bootstrap.ensure(paths, known_commits=False)
    guide = (paths.tree / "AGENTS.md").read_text()
    assert paths.command.relative_to(paths.data).as_posix() == "bin/longhouse-jobs"
    for command in ("jobs list", "jobs test ID", "run ID --wait", "runs logs RUN", "repo status"):
        assert f"../bin/longhouse-jobs {command}" in guide.replace("`runs logs", "`../bin/longhouse-jobs runs logs")
    from zerg.jobs import JobConfig

    for setting in JobConfig.__init__.__kwdefaults__ or {}:
        assert setting == "queue_mode" or f"`{setting}`" in guide, setting

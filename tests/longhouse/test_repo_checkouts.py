"""Checkouts: the bytes of a commit, whoever changed what is on disk."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from longhouse.paths import Paths
from longhouse.repo import bootstrap, checkouts, commits


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "data")


@pytest.fixture
def repo(paths):
    return bootstrap.ensure(paths, known_commits=False).git


@pytest.fixture
def head(repo):
    return repo.head().commit


def tree_of(place):
    return {str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}


def test_a_checkout_has_the_files_of_its_commit_and_no_git(paths, repo, head):
    place = checkouts.checkout(repo, paths.checkouts, head)
    assert place == paths.checkouts / head
    assert sorted(tree_of(place)) == [".gitignore", "AGENTS.md", "jobs/__init__.py", "jobs/hello.py", "manifest.py"]
    assert tree_of(place)["manifest.py"] == (paths.tree / "manifest.py").read_bytes()


def test_it_is_read_only_for_everyone_but_root(paths, repo, head):
    place = checkouts.checkout(repo, paths.checkouts, head)
    modes = {path.stat().st_mode & 0o222 for path in (place, *place.rglob("*"))}
    assert modes == {0}


def test_the_second_use_builds_nothing(paths, repo, head):
    before = checkouts.checkout(repo, paths.checkouts, head).stat().st_ino
    assert checkouts.checkout(repo, paths.checkouts, head).stat().st_ino == before


@pytest.mark.parametrize("harm", ["edit", "same length", "add", "delete", "link", "folder", "empty", "gone"])
def test_a_tampered_checkout_is_built_anew(paths, repo, head, harm):
    place = checkouts.checkout(repo, paths.checkouts, head)
    good = tree_of(place)
    for path in (place, *place.rglob("*")):
        path.chmod(0o755)
    job = place / "jobs" / "hello.py"
    before = job.stat()
    match harm:
        case "edit":
            job.write_text("import os\n")
        case "same length":
            job.write_bytes(job.read_bytes().replace(b"Hello", b"HELLO"))
            os.utime(job, ns=(before.st_atime_ns, before.st_mtime_ns))
        case "add":
            (place / "sitecustomize.py").write_text("evil = 1\n")
        case "delete":
            job.unlink()
        case "link":
            job.unlink()
            job.symlink_to(paths.tree / "jobs" / "hello.py")
        case "folder":
            job.unlink()
            job.mkdir()
        case "empty":
            job.write_bytes(b"")
        case "gone":
            shutil.rmtree(place)
    assert not checkouts.matches(place, checkouts.listing(repo, head))

    again = checkouts.checkout(repo, paths.checkouts, head)
    assert tree_of(again) == good and not job.is_symlink()
    assert [path.name for path in paths.checkouts.iterdir()] == [head], "nothing of the bad one is left"


def test_attributes_in_the_repo_change_no_byte(paths, repo):
    (paths.tree / ".gitattributes").write_text("*.txt text eol=crlf ident\n*.utf working-tree-encoding=UTF-16\n")
    (paths.tree / "a.txt").write_bytes(b"$Id$\nx\n")
    made = commits.commit_all(repo).commit
    place = checkouts.checkout(repo, paths.checkouts, made)
    assert (place / "a.txt").read_bytes() == b"$Id$\nx\n"
    inode = place.stat().st_ino
    assert checkouts.checkout(repo, paths.checkouts, made).stat().st_ino == inode


def test_names_with_line_ends_blanks_and_letters_of_the_world_survive(paths, repo):
    for name in ("a b.py", "grüße.py", "new\nline.py", '"quoted".py'):
        (paths.tree / "jobs" / name).write_text(name)
    made = commits.commit_all(repo).commit
    place = checkouts.checkout(repo, paths.checkouts, made)
    assert (place / "jobs" / "new\nline.py").read_text() == "new\nline.py"
    assert (place / "jobs" / "grüße.py").is_file()


def test_a_link_in_the_repo_leads_nowhere_in_a_checkout(paths, repo):
    (paths.tree / "jobs" / "link.py").symlink_to("/etc/passwd")
    made = commits.commit_all(repo).commit
    place = checkouts.checkout(repo, paths.checkouts, made)
    assert not (place / "jobs" / "link.py").is_symlink()
    assert (place / "jobs" / "link.py").read_text() == "/etc/passwd"


def test_concurrent_callers_get_one_checkout_even_of_a_tampered_one(paths, repo, head):
    for _ in range(3):
        place = checkouts.checkout(repo, paths.checkouts, head)
        (place / "manifest.py").chmod(0o644)
        (place / "manifest.py").write_text("tampered")
        found, failed = [], []

        def use(found=found, failed=failed):
            try:
                found.append(checkouts.checkout(repo, paths.checkouts, head))
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == [] and set(found) == {place}
        assert checkouts.matches(place, checkouts.listing(repo, head))
        assert [path.name for path in paths.checkouts.iterdir()] == [head]


def test_a_run_that_imports_from_a_good_checkout_never_misses_it_while_others_ask(paths, repo, head):
    place = checkouts.checkout(repo, paths.checkouts, head)
    stop, gaps = threading.Event(), []

    def watch():
        while not stop.is_set():
            if not (place / "manifest.py").exists():
                gaps.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    built = checkouts._build(repo, paths.checkouts, head)
    checkouts._put(built, place, checkouts.listing(repo, head))
    stop.set()
    watcher.join()
    assert gaps == []


def test_prune_keeps_what_is_needed_and_takes_what_a_crash_left(paths, repo, head):
    (paths.tree / "x.py").write_text("x\n")
    other = commits.commit_all(repo).commit
    for commit in (head, other):
        checkouts.checkout(repo, paths.checkouts, commit)
    checkouts._build(repo, paths.checkouts, head)
    assert checkouts.prune(paths.checkouts, {other}) == 0, "somebody may be about to use them"
    for place in paths.checkouts.iterdir():
        os.utime(place, (1, 1))
    checkouts.checkout(repo, paths.checkouts, head)
    assert checkouts.prune(paths.checkouts, {other}) == 1, "used a moment ago"
    assert checkouts.prune(paths.checkouts, {other}, idle_seconds=0) == 1
    assert [path.name for path in paths.checkouts.iterdir()] == [other]
    assert checkouts.prune(paths.checkouts / "nothing", ()) == 0


def test_a_run_executes_one_commit_whatever_is_edited_meanwhile(paths, repo, head):
    """P34, the part of it that is here: what a checkout holds does not follow the tree."""
    for number in range(20):
        (paths.tree / "jobs" / "hello.py").write_text(f"number = {number}\n")
        made = commits.commit_all(repo).commit
        (paths.tree / "jobs" / "hello.py").write_text("number = -1\n")
        place = checkouts.checkout(repo, paths.checkouts, made)
        assert (place / "jobs" / "hello.py").read_text() == f"number = {number}\n"


def test_a_repo_of_sha256_works_too(tmp_path):
    paths = Paths(tmp_path / "data")
    paths.tree.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--object-format=sha256", str(paths.tree)], check=True)
    booted = bootstrap.ensure(paths, known_commits=False)
    assert len(booted.head) == 64
    assert checkouts.checkout(booted.git, paths.checkouts, booted.head).is_dir()


def test_blob_ids_are_gits(paths, repo):
    path = Path(paths.tree / "jobs" / "hello.py")
    said = subprocess.run(["git", "hash-object", str(path)], capture_output=True, text=True, check=True).stdout.strip()
    assert checkouts.blob_id(path.read_bytes()) == said

"""One verb for edits: whole or not at all, never over somebody else's bytes."""

from __future__ import annotations

import subprocess

import pytest

from longhouse import drafts, edits, loading
from longhouse.edits import EditConflict, RemovalUnconfirmed
from longhouse.errors import Conflict, Invalid, ManifestBroken, NotFound
from longhouse.house import By, House
from longhouse.repo import bootstrap, changes, commits
from longhouse.repo.checkouts import blob_id
from longhouse.repo.commits import CommitBlocked
from longhouse.repo.leaks import SecretInFile
from longhouse.repo.names import PathRefused
from longhouse.store import audit
from longhouse.store import jobs as rows
from tests.instance import STARTER

ME = By("me", "api")
CODE = b"def run(n: int = 1):\n    return {'n': n}\n"


def git(house: House, *words: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.run(
        ["git", *who, *words], cwd=house.paths.tree, check=True, capture_output=True, text=True
    ).stdout.strip()


def manifest(*ids: str) -> bytes:
    lines = [f"job_registry.register(JobConfig(func=run, id={each!r}, every=3600))\n" for each in ids]
    return (STARTER + "from jobs.work import run\n" + "".join(lines)).encode()


def known(house: House) -> set[str]:
    with house.db.read() as db:
        return {job.id for job in rows.all_jobs(db)}


def text(house: House, path: str) -> bytes:
    return (house.paths.tree / path).read_bytes()


@pytest.fixture
def home(house: House) -> House:
    """Five jobs that run the same function."""
    bootstrap.ensure(house.paths, known_commits=False)
    (house.paths.tree / "jobs" / "work.py").write_bytes(CODE)
    (house.paths.tree / "manifest.py").write_bytes(manifest("a", "b", "c", "d", "e"))
    loading.settle(house)
    assert known(house) == set("abcde")
    return house


def test_several_files_are_one_commit_by_their_author_and_are_loaded(home: House):
    writes = {"jobs/other.py": CODE, "manifest.py": manifest(*"abcdef")}
    expected = {"manifest.py": blob_id(text(home, "manifest.py"))}
    edit = edits.change(home, ME, writes, expected=expected, message="Add f")
    assert git(home, "log", "-1", "--format=%H %an %s") == f"{edit.commit} me Add f"
    assert git(home, "show", "--format=", "--name-only").split() == ["jobs/other.py", "manifest.py"]
    assert known(home) == set("abcdef") and edit.added == ("f",)
    assert text(home, "jobs/other.py") == CODE and git(home, "status", "--porcelain") == ""
    assert edit.blobs["jobs/other.py"] == blob_id(CODE)
    with home.db.read() as db:
        assert any(row["verb"] == "repo.commit" and row["actor"] == "me" for row in audit.page(db, 0, 100))
    loading.settle(home)
    assert git(home, "rev-parse", "HEAD") == edit.commit, "nothing is left to commit"


def test_an_edit_wakes_who_pushes_at_once(home: House):
    home.feed.sync.wait(0)
    edits.change(home, ME, {"jobs/other.py": CODE}, expected={})
    assert home.feed.sync.wait(0)
    edits.change(home, ME, {"jobs/other.py": CODE}, expected={"jobs/other.py": blob_id(CODE)})
    assert not home.feed.sync.wait(0), "nothing changed, so there is nothing to push"


def test_a_file_is_removed_and_an_executable_one_stays_executable(home: House):
    (home.paths.tree / "jobs" / "tool.py").write_bytes(CODE)
    (home.paths.tree / "jobs" / "tool.py").chmod(0o755)
    loading.settle(home)
    blob = blob_id(CODE)
    edits.change(home, ME, {"jobs/tool.py": CODE + b"\n"}, expected={"jobs/tool.py": blob})
    assert (home.paths.tree / "jobs" / "tool.py").stat().st_mode & 0o111
    assert git(home, "status", "--porcelain") == ""
    edits.change(home, ME, {"jobs/tool.py": None}, expected={"jobs/tool.py": blob_id(CODE + b"\n")})
    assert not (home.paths.tree / "jobs" / "tool.py").exists() and git(home, "status", "--porcelain") == ""


def test_the_same_bytes_again_are_no_commit(home: House):
    head = git(home, "rev-parse", "HEAD")
    assert edits.change(home, ME, {"jobs/work.py": CODE}, expected={"jobs/work.py": blob_id(CODE)}).commit is None
    assert edits.change(home, ME, {"jobs/work.py": CODE}, expected={}).commit is None, "even made for another one"
    assert git(home, "rev-parse", "HEAD") == head


def test_a_stale_edit_comes_back_with_both_texts_and_one_made_of_both(home: House):
    base = b"one = 1\n\n\n\ntwo = 2\n"
    edits.change(home, ME, {"jobs/n.py": base}, expected={})
    (home.paths.tree / "jobs" / "n.py").write_bytes(base.replace(b"two = 2", b"two = 22"))
    with pytest.raises(EditConflict) as error:
        edits.change(
            home, ME, {"jobs/n.py": base.replace(b"one = 1", b"one = 11")}, expected={"jobs/n.py": blob_id(base)}
        )
    [found] = error.value.facts["conflicts"]
    assert found["clean"] and found["merged"] == "one = 11\n\n\n\ntwo = 22\n"
    assert found["yours"].startswith("one = 11") and found["theirs"].endswith("two = 22\n")
    edits.change(home, ME, {"jobs/n.py": found["merged"].encode()}, expected={"jobs/n.py": found["blob"]})
    assert text(home, "jobs/n.py") == found["merged"].encode()
    assert b"two = 22" in git(home, "show", "HEAD~1:jobs/n.py").encode(), "theirs is a commit of its own"


def test_lines_that_both_changed_are_put_beside_each_other(home: House):
    edits.change(home, ME, {"jobs/n.py": b"n = 1\n"}, expected={})
    edits.change(home, ME, {"jobs/n.py": b"n = 2\n"}, expected={"jobs/n.py": blob_id(b"n = 1\n")})
    with pytest.raises(EditConflict) as error:
        edits.change(home, ME, {"jobs/n.py": b"n = 3\n"}, expected={"jobs/n.py": blob_id(b"n = 1\n")})
    [found] = error.value.facts["conflicts"]
    assert not found["clean"]
    assert found["merged"] == "<<<<<<< yours\nn = 3\n=======\nn = 2\n>>>>>>> theirs\n"


def test_what_an_editor_left_unsettled_is_committed_before_it_is_written_over(home: House):
    (home.paths.tree / "jobs" / "work.py").write_bytes(CODE + b"# vim\n")
    edits.change(home, ME, {"jobs/work.py": CODE + b"# api\n"}, expected={"jobs/work.py": blob_id(CODE + b"# vim\n")})
    assert git(home, "show", "HEAD~1:jobs/work.py").endswith("# vim")
    assert text(home, "jobs/work.py").endswith(b"# api\n")


def test_other_unsettled_files_are_left_for_their_writer(home: House):
    (home.paths.tree / "jobs" / "half.py").write_text("def (")
    edits.change(home, ME, {"README.md": b"# Mine\n"}, expected={"README.md": None})
    assert git(home, "status", "--porcelain") == "?? jobs/half.py"


def test_a_file_that_git_ignores_is_replaced_too(home: House):
    (home.paths.tree / "jobs" / "__init__.py").write_text("")
    (home.paths.tree / ".gitignore").write_text("*.csv\n")
    (home.paths.tree / "jobs" / "x.csv").write_bytes(b"1\n")
    loading.settle(home)
    edits.change(home, ME, {"jobs/x.csv": b"2\n"}, expected={"jobs/x.csv": blob_id(b"1\n")})
    assert text(home, "jobs/x.csv") == b"2\n" and git(home, "show", "HEAD:jobs/x.csv") == "2"


def test_a_change_that_would_break_the_manifest_changes_nothing(home: House):
    head, before = git(home, "rev-parse", "HEAD"), text(home, "manifest.py")
    with pytest.raises(ManifestBroken) as error:
        edits.change(home, ME, {"manifest.py": b"import os\n1 / 0\n"}, expected={"manifest.py": blob_id(before)})
    assert (error.value.file, error.value.line) == ("manifest.py", 2) and "ZeroDivisionError" in error.value.traceback
    assert (git(home, "rev-parse", "HEAD"), text(home, "manifest.py")) == (head, before)
    with pytest.raises(ManifestBroken, match="TOML"):
        edits.change(home, ME, {"jobs.toml": b"["}, expected={})
    assert git(home, "status", "--porcelain") == ""


def test_a_broken_change_can_be_kept_as_a_draft_and_applied_when_it_is_mended(home: House):
    before = blob_id(text(home, "manifest.py"))
    edit = edits.change(home, ME, {"manifest.py": b"1 / 0\n"}, expected={"manifest.py": before}, draft="later")
    assert edit.broken is not None and edit.broken.line == 1
    assert [draft.name for draft in drafts.list_drafts(home)] == ["later"]
    assert "+1 / 0" in drafts.show(home, "later").diff
    with pytest.raises(ManifestBroken):
        drafts.apply(home, "later", ME)
    with pytest.raises(Conflict, match="already"):
        edits.change(home, ME, {"manifest.py": b""}, expected={"manifest.py": before}, draft="later")
    drafts.delete(home, "later", ME)
    with pytest.raises(NotFound):
        drafts.show(home, "later")
    for name in ("", "a b", "-x", "x/y", "a.lock", "é"):
        if name:
            with pytest.raises(Invalid):
                edits.change(home, ME, {"README.md": b"x"}, expected={}, draft=name)


def test_a_draft_is_merged_with_what_happened_meanwhile(home: House):
    body = b"one = 1\n\n\n\ntwo = 2\n"
    edits.change(home, ME, {"jobs/n.py": body}, expected={})
    blob = blob_id(body)
    edits.change(
        home, ME, {"jobs/n.py": body.replace(b"one = 1", b"one = 11")}, expected={"jobs/n.py": blob}, draft="d"
    )
    edits.change(home, ME, {"jobs/n.py": body.replace(b"two = 2", b"two = 22")}, expected={"jobs/n.py": blob})
    drafts.apply(home, "d", ME)
    assert text(home, "jobs/n.py") == b"one = 11\n\n\n\ntwo = 22\n" and drafts.list_drafts(home) == ()
    assert len(git(home, "show", "-s", "--format=%P").split()) == 2, "both histories are reachable"
    now = blob_id(text(home, "jobs/n.py"))
    edits.change(home, ME, {"jobs/n.py": b"mine\n"}, expected={"jobs/n.py": now}, draft="e")
    edits.change(home, ME, {"jobs/n.py": b"n = 5\n"}, expected={"jobs/n.py": now})
    with pytest.raises(EditConflict) as error:
        drafts.apply(home, "e", ME)
    assert "<<<<<<<" in error.value.facts["conflicts"][0]["merged"] and len(drafts.list_drafts(home)) == 1


@pytest.mark.parametrize(("left", "needs"), [("abcd", False), ("abc", True), ("", True), ("abcdef", False)])
def test_many_jobs_do_not_go_without_a_yes(home: House, left: str, needs: bool):
    blob = blob_id(text(home, "manifest.py"))

    def send(**more: bool) -> edits.Edit:
        return edits.change(home, ME, {"manifest.py": manifest(*left)}, expected={"manifest.py": blob}, **more)

    assert send(dry_run=True).needs_yes is needs and known(home) == set("abcde")
    if needs:
        with pytest.raises(RemovalUnconfirmed) as error:
            send()
        assert error.value.facts["jobs"] == sorted(set("abcde") - set(left)) and known(home) == set("abcde")
    send(confirm_removal=needs)
    assert known(home) == set(left)


def test_the_rule_of_many_removals():
    assert edits.mass_removal("ab", "ab") == edits.mass_removal("", "a") == frozenset()
    assert edits.mass_removal("abcde", "abcd") == frozenset(), "one of five is a fifth, not more"
    assert edits.mass_removal("abcd", "abc") == {"d"}
    assert edits.mass_removal(map(str, range(100)), map(str, range(98))) == {"98", "99"}


def test_an_edit_of_enabled_takes_its_override_along(home: House):
    (home.paths.tree / "jobs.toml").write_text("[jobs.a]\nenabled = false\n")
    loading.settle(home)
    changed = manifest(*"abcde").replace(b"id='a',", b"id='a', enabled=False,")
    edit = edits.change(
        home, ME, {"manifest.py": changed}, expected={"manifest.py": blob_id(text(home, "manifest.py"))}
    )
    assert not (home.paths.tree / "jobs.toml").exists()
    assert git(home, "show", "--format=", "--name-only", str(edit.commit)).split() == ["jobs.toml", "manifest.py"]


def test_a_secret_is_refused_before_anything_becomes_an_object(home: House):
    token = "ghp_" + "a1B2" * 9
    with pytest.raises(SecretInFile, match=r"jobs/n\.py:1 holds"):
        edits.change(home, ME, {"jobs/n.py": f'T = "{token}"\n'.encode()}, expected={})
    assert subprocess.run(["grep", "-r", token, str(home.paths.data)], capture_output=True).returncode == 1
    (home.paths.tree / "jobs" / "n.py").write_text(f'T = "{token}"\n')
    with pytest.raises(SecretInFile):
        edits.read(home, "jobs/n.py")


def test_nothing_is_done_while_a_person_is_in_the_middle_of_something(home: House):
    (home.paths.git_dir / "MERGE_HEAD").write_text(git(home, "rev-parse", "HEAD") + "\n")
    with pytest.raises(CommitBlocked, match="merge"):
        edits.change(home, ME, {"README.md": b"x\n"}, expected={})


@pytest.mark.parametrize("path", ["../x.py", "jobs/../../x.py", ".git/config", "jobs/x.pyc", "setup.py"])
def test_other_paths_are_refused(home: House, path: str):
    with pytest.raises(PathRefused):
        edits.change(home, ME, {path: b"x\n"}, expected={})


def test_no_text_too_much_and_nothing_are_refused(home: House):
    for writes, said in (
        ({"jobs/a.py": b"\xff"}, "line 1"),
        ({"jobs/a.py": b"a\0"}, "NUL"),
        ({"jobs/a.py": b"a" * (1024 * 1024 + 1)}, "over"),
        ({}, "1 to 100"),
        ({f"jobs/{n}.py": b"" for n in range(101)}, "1 to 100"),
    ):
        with pytest.raises(Invalid, match=said):
            edits.change(home, ME, writes, expected={})


# --- a crash in between ----------------------------------------------------------------------------------------------


def pending(home: House, writes: dict[str, bytes | None]) -> str:
    """A change as it is when its author dies right after the journal knows of it."""
    repo = bootstrap.opened(home.paths)
    commit = changes.prepare(repo, [git(home, "rev-parse", "HEAD")], writes, "Cut short", ("me", "me@localhost"))
    repo.write("update-ref", changes.PENDING, commit)
    return commit


def test_what_a_crash_cut_short_is_finished_by_the_next_look(home: House):
    commit = pending(home, {"jobs/n.py": b"n = 1\n", "jobs/work.py": CODE + b"# new\n"})
    loading.settle(home)
    assert git(home, "rev-parse", "HEAD") == commit and git(home, "status", "--porcelain") == ""
    assert text(home, "jobs/n.py") == b"n = 1\n" and git(home, "for-each-ref", changes.PENDING) == ""


def test_bytes_that_somebody_wrote_after_the_crash_stay(home: House):
    commit = pending(home, {"jobs/work.py": CODE + b"# new\n"})
    git(home, "update-ref", f"refs/heads/{commits.branch(bootstrap.opened(home.paths))}", commit)
    (home.paths.tree / "jobs" / "work.py").write_bytes(CODE + b"# vim\n")
    loading.settle(home)
    assert git(home, "rev-parse", "HEAD~1") == commit and git(home, "show", "HEAD:jobs/work.py").endswith("# vim")


def test_a_change_that_was_overtaken_after_the_crash_is_kept_as_a_draft(home: House):
    commit = pending(home, {"jobs/work.py": CODE + b"# new\n"})
    (home.paths.tree / "jobs" / "hers.py").write_text("x = 1\n")
    git(home, "add", "-A")
    git(home, "commit", "-qm", "Hers")
    loading.settle(home)
    assert [(each.name, each.commit) for each in drafts.list_drafts(home)] == [(f"interrupted-{commit[:12]}", commit)]
    drafts.apply(home, f"interrupted-{commit[:12]}", ME)
    assert text(home, "jobs/work.py") == CODE + b"# new\n"

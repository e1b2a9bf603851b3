"""Commits that people make in the tree: the installed hook refuses those that hold a secret, and no others."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from longhouse import boot, secrets
from longhouse.house import By, House
from longhouse.repo import bootstrap, commits, hook
from longhouse.token_shapes import SHAPES
from longhouse.vault import Secret
from tests.longhouse.test_masking import EXAMPLES, SEED, made
from tests.spec.test_no_secret_in_history import FORMS, VALUE

TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.fixture
def tree(house: House) -> Path:
    bootstrap.ensure(house.paths, known_commits=False)
    boot.announce(house.paths, "http://localhost:1", "none")
    secrets.put(house, "HORSE", Secret(VALUE), By("ann", "cli"))
    return house.paths.tree


def commit(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", "add", "--all"], cwd=tree, check=True)
    return subprocess.run(["git", *who, "commit", "-qm", "mine", *options], cwd=tree, capture_output=True, text=True)


def head(tree: Path) -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=tree, check=True, capture_output=True, text=True).stdout


def test_a_commit_with_any_token_shape_or_stored_value_in_any_form_is_refused(tree, proves):
    before = head(tree)
    wanted = {}
    for number, shape in enumerate(SHAPES):
        token = EXAMPLES.get(shape.name) or shape.mark + made(shape.rest, random.Random(SEED))
        wanted[f"jobs/token{number:02}.py"] = f"a {shape.name}"
        (tree / f"jobs/token{number:02}.py").write_text(f'x = 1\nTOKEN = """{token}"""\n')
    for number, form in enumerate(FORMS.values()):
        wanted[f"jobs/value{number}.py"] = "the secret HORSE"
        (tree / f"jobs/value{number}.py").write_text(f"x = 1\n# {form}\n")
    (tree / "jobs/fine.py").write_text("x = 1\n")
    refused = commit(tree)
    assert refused.returncode == 1 and head(tree) == before, refused.stderr
    said = [line for line in refused.stderr.splitlines() if ": error: it holds " in line]
    assert {line.partition(":")[0] for line in said} == wanted.keys(), f"seed {SEED}"
    assert all(
        any(line.startswith(f"{path}:2: error: it holds {what} ") for line in said) for path, what in wanted.items()
    )
    assert VALUE not in refused.stdout + refused.stderr
    for path in wanted:
        (tree / path).unlink()
    assert commit(tree).returncode == 0 and head(tree) != before
    (tree / "jobs/value0.py").write_text(VALUE)
    assert commit(tree, "--no-verify").returncode == 0, "control: without the hook it is committed"
    proves(
        "P39",
        figure=f"a person's commit with {len(SHAPES)} token shapes and a stored value in {len(FORMS)} forms: refused, "
        f"{len(wanted)} of {len(wanted)} files named with their line",
        control="the same with --no-verify is committed",
    )


def test_only_what_is_staged_counts_and_what_is_removed_does_not(tree):
    (tree / "jobs/held.py").write_text(TOKEN)
    assert commit(tree, "--no-verify").returncode == 0
    (tree / "jobs/held.py").unlink()
    assert commit(tree).returncode == 0, "taking one out is no leak"
    (tree / "jobs/fine.py").write_text("x = 1\n")
    subprocess.run(["git", "add", "jobs/fine.py"], cwd=tree, check=True)
    (tree / "jobs/fine.py").write_text(TOKEN)
    one = subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "x"], cwd=tree)
    assert one.returncode == 0
    again = subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qam", "x"], cwd=tree)
    assert again.returncode == 1


def test_a_commit_in_a_worktree_beside_is_looked_through_too(tree, tmp_path):
    beside = tmp_path / "beside"
    subprocess.run(["git", "worktree", "add", "-q", "-b", "mine", str(beside)], cwd=tree, check=True)
    (beside / "jobs/held.py").write_text(f"# {VALUE}\n")
    refused = commit(beside)
    assert refused.returncode == 1 and "jobs/held.py:1: error: it holds the secret HORSE" in refused.stderr
    (beside / "jobs/held.py").write_text("x = 1\n")
    assert commit(beside).returncode == 0


def test_where_the_keyring_cannot_be_read_it_says_so_and_finds_tokens_alone(house, tree):
    house.paths.keyring.rename(house.paths.data / "elsewhere")
    (tree / "jobs/value.py").write_text(VALUE)
    passed = commit(tree)
    assert passed.returncode == 0 and "values of stored secrets are not looked for" in passed.stderr
    (tree / "jobs/token.py").write_text(TOKEN)
    assert commit(tree).returncode == 1


def test_before_the_first_start_it_says_that_nothing_looked(house, tree):
    house.paths.command.unlink()
    (tree / "jobs/token.py").write_text(TOKEN)
    passed = commit(tree)
    assert passed.returncode == 0 and "nothing looked for secrets in this commit" in passed.stderr


def test_our_own_commits_do_not_run_it_and_somebodys_own_hook_stays(house, tree):
    git, place = bootstrap.opened(house.paths), house.paths.git_dir / "hooks" / hook.NAME
    place.write_text("#!/bin/sh\nexit 1\n")
    assert hook.install(house.paths) is False and place.read_text() == "#!/bin/sh\nexit 1\n"
    (tree / "jobs/fine.py").write_text("x = 1\n")
    assert commit(tree).returncode == 1, "control: for a person it runs"
    assert commits.commit_all(git) is not None
    place.write_text(f"#!/bin/sh\n{hook.OURS} An older one.\n")
    assert hook.install(house.paths) is True and place.read_text() == hook.TEXT
    git.check_config()


def test_a_list_that_is_none_is_said(house, tree):
    command = [str(house.paths.command), "check", "--staged", "-"]
    said = subprocess.run(command, input=b"a\0b\0", cwd=tree, capture_output=True)
    assert said.returncode == 2 and b"no list of staged files" in said.stderr

"""Secrets do not get committed: 50 token shapes and every stored value in the forms programs write them in (P39)."""

from __future__ import annotations

import base64
import json
import random
import zlib
from urllib.parse import quote

import pytest

from longhouse import loading, secrets, trials
from longhouse.doctor import report
from longhouse.house import By
from longhouse.repo import bootstrap, commits, panel
from longhouse.repo.leaks import ALLOWED, SecretInFile
from longhouse.token_shapes import SHAPES
from longhouse.vault import Secret
from tests.longhouse.test_masking import EXAMPLES, SEED, made

ANN = By("ann", "cli")
VALUE = "it's 42 & <correct horse>"
FORMS = {
    "plain": VALUE,
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64 in a longer text": base64.b64encode(f"user:{VALUE}:end".encode()).decode(),
    "hexadecimal": VALUE.encode().hex(),
    "an address": quote(VALUE, safe=""),
    "JSON": json.dumps(VALUE),
}


@pytest.fixture
def repo(house):
    bootstrap.ensure(house.paths, known_commits=False)
    loading.settle(house)
    secrets.put(house, "HORSE", Secret(VALUE), ANN)
    return bootstrap.opened(house.paths)


def objects(git):
    """Every byte in the repository's objects."""
    return b"".join(
        zlib.decompress(file.read_bytes()) for file in (git.git_dir / "objects").glob("??/*") if file.is_file()
    )


def write(house, name, text):
    file = house.paths.tree / "jobs" / name
    file.write_text(text)
    return file


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_holds_a_stored_value_is_left_out_loudly(house, repo, form):
    write(house, "fine.py", "def run():\n    pass\n")
    file = write(house, "mail.py", f"# a job\nPASSWORD = {FORMS[form]}\n")
    loading.settle(house)
    status = panel.status(house)
    assert [str(leak) for leak in status.left_out] == ["jobs/mail.py:2 holds the secret HORSE"]
    assert "jobs/fine.py" in panel.commit(house, status.head).diff
    assert FORMS[form].encode() not in objects(repo)
    assert any(check.name == "repo" and check.status == "error" and "HORSE" in check.message for check in report(house))
    file.write_text("# a job\nimport os\nPASSWORD = os.environ['HORSE']\n")
    loading.settle(house)
    assert panel.status(house).left_out == ()
    assert commits.state(repo).clean


def test_a_token_of_each_known_shape_is_left_out(house, repo, proves):
    tokens = {}
    for number, shape in enumerate(SHAPES):
        token = EXAMPLES.get(shape.name) or shape.mark + made(shape.rest, random.Random(SEED))
        tokens[f"jobs/mail{number:02}.py"] = (shape.name, token)
        write(house, f"mail{number:02}.py", f'TOKEN = """{token}"""\n')
    loading.settle(house)
    found = {leak.path: leak.what for leak in panel.status(house).left_out}
    assert found == {path: f"a {name}" for path, (name, _) in tokens.items()}, f"seed {SEED}"
    kept = objects(repo)
    assert [path for path, (_, token) in tokens.items() if token.encode() in kept] == []
    proves(
        "P39",
        figure=f"{len(tokens)} of {len(tokens)} token shapes and a stored value in {len(FORMS)} forms left out",
        control="without the look at the files, the value is in the repository's objects",
    )


def test_without_the_look_it_would_be_in_history(house, repo, monkeypatch):
    monkeypatch.setattr("longhouse.repo.leaks.in_files", lambda *_: ())
    write(house, "mail.py", VALUE)
    loading.settle(house)
    assert VALUE.encode() in objects(repo)


def test_what_somebody_staged_is_looked_at_too(house, repo):
    write(house, "mail.py", VALUE)
    repo.write("add", "jobs/mail.py")
    write(house, "fine.py", "x = 1\n")
    loading.settle(house)
    assert panel.status(house).left_out
    assert repo.read("cat-file", "-e", "HEAD:jobs/mail.py", codes=(0, 1, 128)).code != 0


def test_a_committed_file_keeps_its_old_version(house, repo):
    write(house, "mail.py", "x = 1\n")
    loading.settle(house)
    write(house, "mail.py", f"x = {VALUE!r}\n")
    loading.settle(house)
    assert panel.status(house).left_out
    assert repo.read("cat-file", "blob", "HEAD:jobs/mail.py").out == b"x = 1\n"


def test_an_example_token_passes_when_the_line_says_so_and_a_stored_value_never(house, repo):
    mark = ALLOWED.decode()
    write(house, "example.py", f"T = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a'  # {mark}\n")
    write(house, "mail.py", f"T = '''{VALUE}'''  # {mark}\n")
    loading.settle(house)
    assert [leak.path for leak in panel.status(house).left_out] == ["jobs/mail.py"]


def test_a_trial_puts_no_secret_into_the_repository(house, repo):
    write(house, "mail.py", VALUE)
    with pytest.raises(SecretInFile, match=r"jobs/mail.py:1 holds the secret HORSE"):
        trials.trial(house, "hello", ANN)
    assert VALUE.encode() not in objects(repo)


def test_an_adopted_repo_with_a_token_in_it_starts_and_says_so(house):
    house.paths.tree.mkdir()
    (house.paths.tree / "old.py").write_text("ghp_16C7e42F292c6912E7710c838347Ae178B4a\n")
    bootstrap.ensure(house.paths, known_commits=False)
    loading.settle(house)
    assert [leak.path for leak in panel.status(house).left_out] == ["old.py"]
    assert b"ghp_16C7" not in objects(bootstrap.opened(house.paths))

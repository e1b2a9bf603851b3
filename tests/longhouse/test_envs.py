"""Environments of jobs: from a folder of wheels made here, without a network, and once from the real index."""

import base64
import hashlib
import os
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from longhouse import config, envs
from longhouse.envs import EnvironmentFailed, Environments
from longhouse.launch.local import LocalLauncher
from longhouse.repo.requirements import satisfied, wanted


@pytest.fixture(scope="module")
def launcher():
    made = LocalLauncher()
    yield made
    made.close()


def wheel(folder, name, version, needs=()):
    """A real wheel of one module that knows its version."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {each}\n" for each in needs)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}=  {name}:VERSION.__len__\n".replace("=  ", " = "),
    }
    rows = [f"{path},sha256={digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,\n"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, text in files.items():
            file.writestr(path, text)


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "shelf"
    wheel(folder, "tiny", "1.0")
    wheel(folder, "tiny", "2.0")
    wheel(folder, "other", "1.0", needs=["tiny<2"])
    return folder


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree" / "jobs").mkdir(parents=True)
    return tmp_path / "tree"


@pytest.fixture
def make(launcher, tmp_path, shelf):
    def made(data="data", **more):
        settings = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(shelf)}
        return Environments(launcher, tmp_path / data / "envs", tmp_path / data / "cache", settings, **more)

    return made


def version(interpreter, module="tiny"):
    code = f"import {module}; print({module}.VERSION)"
    argv = [str(interpreter.program), *interpreter.flags, "-c", code]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env={}).stdout.strip()


def failure(environments, tree, file=None):
    with pytest.raises(EnvironmentFailed) as caught:
        environments.of(tree, file)
    return caught.value


def test_without_requirements_it_is_the_bare_interpreter(tree, make):
    key, interpreter = make().of(tree, None)
    assert key == envs.BASE and interpreter.bare
    (tree / "requirements.txt").write_text("# nothing yet\n\n")
    assert make().of(tree, "jobs/a.py")[0] == envs.BASE


def test_requirements_are_resolved_locked_with_hashes_and_installed(tree, make):
    (tree / "requirements.txt").write_text("other  # and what it needs\n")
    key, interpreter = make().of(tree, "jobs/a.py")
    assert version(interpreter) == "1.0" and version(interpreter, "other") == "1.0"
    assert interpreter.program.is_relative_to(interpreter.program.parents[3] / "envs" / key)
    lock = (interpreter.program.parents[1] / "lock.txt").read_text()
    assert "other==1.0" in lock and "tiny==1.0" in lock and lock.count("--hash=sha256:") == 2
    assert "://" not in lock and str(tree) not in lock


def test_the_second_time_costs_no_process_and_a_change_makes_another(tree, make, monkeypatch):
    environments = make()
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    first, _ = environments.of(tree, None)
    with monkeypatch.context() as patch:
        patch.setattr(Environments, "_uv", lambda *args: pytest.fail("uv was called"))
        assert environments.of(tree, None)[0] == first
        assert make().of(tree, None)[0] == first, "nor after a restart"
    (tree / "requirements.txt").write_text("tiny==2.0\n")
    second, interpreter = environments.of(tree, None)
    assert second != first and version(interpreter) == "2.0"


def test_what_was_resolved_once_stays_until_the_text_changes(tree, make, shelf):
    environments = make()
    (tree / "requirements.txt").write_text("tiny\n")
    first, interpreter = environments.of(tree, None)
    assert version(interpreter) == "2.0"
    wheel(shelf, "tiny", "3.0")
    assert environments.of(tree, None)[0] == first
    (tree / "requirements.txt").write_text("tiny>0\n")
    assert version(environments.of(tree, None)[1]) == "3.0"


def test_what_locks_alike_is_one_environment(tree, make):
    environments = make()
    (tree / "requirements.txt").write_text("tiny\n")
    (tree / "jobs" / "a.py").write_text("# /// script\n# dependencies = ['tiny>1']\n# ///\n")
    assert environments.of(tree, None)[0] == environments.of(tree, "jobs/a.py")[0]


def test_a_file_with_its_own_block_has_its_own_environment_and_the_others_do_not(tree, make):
    environments = make()
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    (tree / "jobs" / "a.py").write_text("# /// script\n# dependencies = ['tiny==2.0']\n# ///\n")
    (tree / "jobs" / "b.py").write_text("x = 1\n")
    (tree / "jobs" / "c.py").write_text("# /// script\n# dependencies = []\n# ///\n")
    assert version(environments.of(tree, "jobs/a.py")[1]) == "2.0"
    assert version(environments.of(tree, "jobs/b.py")[1]) == "1.0"
    with pytest.raises(subprocess.CalledProcessError):
        version(environments.of(tree, "jobs/c.py")[1])


def test_included_files_count(tree, make):
    environments = make()
    (tree / "deps").mkdir()
    (tree / "requirements.txt").write_text("-r deps/base.txt\n")
    (tree / "deps" / "base.txt").write_text("-r more.txt\n")
    (tree / "deps" / "more.txt").write_text("tiny \\\n  ==1.0\n")
    first, interpreter = environments.of(tree, None)
    assert version(interpreter) == "1.0"
    (tree / "deps" / "more.txt").write_text("tiny==2.0\n")
    assert environments.of(tree, None)[0] != first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tiny==9\n", "there is no version of tiny==9"),
        ("not-on-the-shelf\n", "not-on-the-shelf"),
        ("tiny ==\n", "Couldn't parse requirement"),
        ("--index-url https://u:secret@index.example/simple\ntiny\n", "--index-url is not for a jobs repo"),
        ("--extra-index-url=https://index.example/simple\n", "--extra-index-url"),
        ("-e .\n", "-e is not supported"),
        ("-r ../../outside.txt\n", "outside the jobs repo"),
        ("-r requirements.txt\n", "includes itself"),
        ("-r nothing.txt\n", "nothing.txt cannot be read"),
    ],
)
def test_what_cannot_be_had_is_said_in_a_sentence(tree, make, text, words):
    (tree / "requirements.txt").write_text(text)
    error = failure(make(), tree)
    assert error.message.startswith("requirements.txt: ") and words in error.message
    assert "secret" not in error.message and str(tree) not in error.message and "\n" not in error.message


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("# dependencies = ['tiny==9']\n", "there is no version of tiny==9"),
        ("# dependencies = 'tiny'\n", "dependencies has to be a list"),
        ("# dependencies = [\n", "is not TOML"),
        ("# requires-python = '>=3.99'\n", "asks for Python '>=3.99'"),
        ("# dependencies = ['--index-url https://x']\n", "--index-url is not for a jobs repo"),
        ("# ///\n\n# /// script\n", "two '# /// script' blocks"),
    ],
)
def test_a_wrong_block_is_said_with_its_file(tree, make, block, words):
    (tree / "jobs" / "a.py").write_text(f"# /// script\n{block}# ///\n")
    error = failure(make(), tree, "jobs/a.py")
    assert "jobs/a.py" in error.message and words in error.message


@pytest.mark.parametrize(
    ("specifier", "fits"),
    [
        ("", True), (">=3.11", True), (">=3.11,<4", True), ("==3.11.*", True), ("~=3.11", True), ("~=3.11.2", True),
        (">3.11.7", False), ("<=3.11.7", True), ("!=3.11.7", False), ("<3.11", False), ("==3.12.*", False),
        ("~=3.10.0", False), ("!=3.12.*", True), ("banana", False), (">= 3.9 , < 3.12", True),
    ],
)  # fmt: skip
def test_requires_python(specifier, fits):
    assert satisfied(specifier, "3.11.7") is fits


def test_source_is_not_built_unless_the_owner_allows_it(tree, make, shelf, tmp_path):
    source = tmp_path / "sdist" / "raw-1.0"
    source.mkdir(parents=True)
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: raw\nVersion: 1.0\n")
    (source / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'raw'\nversion = '1.0'\n"
    )
    backend = (
        "import os, zipfile\nfrom pathlib import Path\n"
        f"def build_wheel(folder, settings=None, metadata=None):\n    Path({str(tmp_path / 'ran')!r}).touch()\n"
        "    with zipfile.ZipFile(Path(folder, 'raw-1.0-py3-none-any.whl'), 'w') as file:\n"
        "        file.writestr('raw.py', 'VERSION = \"1.0\"')\n"
        "        info = 'raw-1.0.dist-info/'\n"
        "        file.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: raw\\nVersion: 1.0\\n')\n"
        "        file.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        file.writestr(info + 'RECORD', '')\n"
        "    return 'raw-1.0-py3-none-any.whl'\n"
    )
    (source / "backend.py").write_text(backend)
    shutil.make_archive(str(shelf / "raw-1.0"), "gztar", source.parent, "raw-1.0")
    (tree / "requirements.txt").write_text("raw\n")

    error = failure(make(), tree)
    assert "raw" in error.message and "no usable wheels" in error.message
    assert not (tmp_path / "ran").exists()

    assert version(make(allow_source_builds=True).of(tree, None)[1], "raw") == "1.0"
    assert (tmp_path / "ran").exists()


def test_callers_at_the_same_time_build_once(tree, make, monkeypatch):
    environments, calls, found = make(), [], []
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    original = Environments._uv
    monkeypatch.setattr(Environments, "_uv", lambda self, *args: (calls.append(args), original(self, *args)))
    threads = [threading.Thread(target=lambda: found.append(environments.of(tree, None)[0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 6
    assert len(calls) == 3, "resolve, make, install"


def test_a_build_cut_short_leaves_nothing_that_looks_whole(tree, make, tmp_path, monkeypatch):
    environments = make()
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    original = Environments._uv

    def dies(self, asked, seconds, *args):
        if "install" in args:
            raise KeyboardInterrupt
        original(self, asked, seconds, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Environments, "_uv", dies)
        with pytest.raises(KeyboardInterrupt):
            environments.of(tree, None)
    assert [path.name for path in (tmp_path / "data" / "envs").iterdir()] == ["locks"]
    assert version(environments.of(tree, None)[1]) == "1.0"


def test_an_environment_works_after_the_data_directory_has_moved(tree, make, tmp_path):
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    key, _ = make().of(tree, None)
    (tmp_path / "data").rename(tmp_path / "moved")
    again, interpreter = make("moved").of(tree, None)
    assert again == key and version(interpreter) == "1.0"
    script = tmp_path / "moved" / "envs" / key / "bin" / "tiny"
    assert str(tmp_path / "data" / "envs") not in script.read_text()


def test_an_environment_whose_python_went_away_is_built_anew(tree, make):
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    _, interpreter = make().of(tree, None)
    interpreter.program.unlink()
    interpreter.program.symlink_to("/nowhere/python")
    assert version(make().of(tree, None)[1]) == "1.0"


def test_byte_code_is_there_from_the_start_as_no_run_writes_any(tree, make):
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    _, interpreter = make().of(tree, None)
    assert list(interpreter.program.parents[1].rglob("tiny.*.pyc"))


def test_no_file_of_an_environment_is_shared_with_uvs_cache(tree, make):
    """Else a job that changes a package changes every environment made later."""
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    _, interpreter = make().of(tree, None)
    (installed,) = interpreter.program.parents[1].rglob("tiny.py")
    assert installed.stat().st_nlink == 1


def test_prune_keeps_what_is_needed(tree, make, tmp_path):
    environments = make()
    keys = []
    for number in ("1.0", "2.0"):
        (tree / "requirements.txt").write_text(f"tiny=={number}\n")
        keys.append(environments.of(tree, None)[0])
    (tmp_path / "data" / "envs" / ".new-left").mkdir()
    assert environments.prune({keys[0]}) == 0, "somebody may be about to use them"
    assert environments.prune({keys[0]}, idle_seconds=0) == 2
    assert sorted(path.name for path in (tmp_path / "data" / "envs").iterdir()) == sorted([keys[0], "locks"])
    assert environments.of(tree, None)[0] == keys[1], "and what comes back needs no new resolution"


def test_settings_of_the_index_reach_uv_and_nobody_else(tree, make, launcher, tmp_path, monkeypatch):
    seen = tmp_path / "seen"
    fake = tmp_path / "uv"
    fake.write_text(f"#!/bin/sh\nenv > {seen}\necho \"$@\" >> {seen}\necho 'error: enough' >&2\nexit 2\n")
    fake.chmod(0o755)
    monkeypatch.setattr(envs.uv, "find_uv_bin", lambda: str(fake))
    monkeypatch.setenv("API_TOKEN", "canary-4711")
    settings = {"UV_DEFAULT_INDEX": "https://u:pw@index.example/simple", "HTTPS_PROXY": "http://proxy.example"}
    environments = Environments(launcher, tmp_path / "e", tmp_path / "c", settings)
    (tree / "requirements.txt").write_text("tiny\n")
    assert failure(environments, tree).message == "requirements.txt: enough"
    said = seen.read_text()
    assert "UV_DEFAULT_INDEX=https://u:pw@index.example/simple" in said and "HTTPS_PROXY=" in said
    assert "canary-4711" not in said and "pw@" not in said.splitlines()[-1]
    assert "--system-certs" in said and "--only-binary :all:" in said
    assert not any(name.startswith("UV_") for name in environments.base.flags)


def test_addresses_in_uvs_words_are_shown_without_what_may_be_secret():
    said = envs.reason(
        "error: Request failed\n  cause: Failed to fetch: `https://ada:pw@index.example/simple/requests/`\n"
        "  cause: in /data/envs/locks/.new-x/requirements.txt\nhint: try again\n"
    )
    assert "pw" not in said and "index.example" not in said and "/data" not in said and "hint" not in said
    assert said.startswith("Request failed: Failed to fetch: ") and "requests" in said


def test_a_uv_that_hangs_is_ended(tree, launcher, tmp_path, monkeypatch):
    fake = tmp_path / "uv"
    fake.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n")
    fake.chmod(0o755)
    monkeypatch.setattr(envs.uv, "find_uv_bin", lambda: str(fake))
    monkeypatch.setattr(envs, "LOCK_SECONDS", 0.5)
    (tree / "requirements.txt").write_text("tiny\n")
    error = failure(Environments(launcher, tmp_path / "e", tmp_path / "c", {}), tree)
    assert error.message == "requirements.txt: uv did not finish within 0.5 s and was ended"


def test_settings_lying_about_are_not_uvs(tree, make, tmp_path):
    """A jobs repo, or the folder the server was started in, does not tell uv where packages come from."""
    for folder in (tree, tmp_path / "data"):
        folder.mkdir(exist_ok=True)
        (folder / "uv.toml").write_text("offline = 'nonsense'\n")
        (folder / "pyproject.toml").write_text("[tool.uv]\nnonsense = true\n")
    (tree / "requirements.txt").write_text("tiny==1.0\n")
    assert version(make().of(tree, None)[1]) == "1.0"


def test_what_a_tree_wants_is_a_value(tree):
    assert wanted(tree, None) is None and wanted(tree, "jobs/gone.py") is None
    (tree / "requirements.txt").write_text("a\n-r b.txt\n")
    (tree / "b.txt").write_text("b # c\n")
    assert wanted(tree, "jobs/gone.py").text == "a\nb\n"


def test_a_small_package_from_the_real_index(tree, launcher, tmp_path):
    """uv does not read pip.conf: where packages come only from an index that pip alone knows, this cannot pass."""
    settings = config.load({"data_dir": str(tmp_path / "data")}, environ=os.environ).installer_environment
    environments = Environments(launcher, tmp_path / "data" / "envs", tmp_path / "data" / "cache", settings)
    (tree / "requirements.txt").write_text("iniconfig==2.1.0\n")
    _, interpreter = environments.of(tree, None)
    argv = [str(interpreter.program), *interpreter.flags, "-c", "import iniconfig; print(iniconfig.__file__)"]
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    assert Path(found).is_relative_to(tmp_path / "data" / "envs")

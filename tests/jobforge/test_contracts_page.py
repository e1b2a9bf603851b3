"""Everything that docs/contracts.md tells a reader to run is run, in a copy of the project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobforge.envelope import SCHEMA_VERSION

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contracts.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NEEDED = ("fixtures", "contracts", "src/growth/data")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name in NEEDED:
        shutil.copytree(ROOT / name, folder / name)
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path}
    program = shutil.which(command[0], path=path) or command[0]
    return subprocess.run(
        [program, *command[1:]], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def commands() -> list[tuple[str, str]]:
    """Every command of the page with the output that is shown below it."""
    found = []
    for language, text in BLOCKS:
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found


def test_every_command_runs_and_prints_what_the_page_shows(project: Path) -> None:
    assert len(commands()) >= 7
    for command, output in commands():
        result = run(shlex.split(command), project)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        assert not output or result.stdout == output, command


def test_the_commands_change_nothing_while_the_version_stands(project: Path) -> None:
    for name in ("fixtures", "contracts"):
        for file in (ROOT / name).rglob("*.*"):
            if file.is_file():
                assert (project / file.relative_to(ROOT)).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_every_program_of_the_page_runs(project: Path, language: str) -> None:
    program = {"python": sys.executable, "javascript": shutil.which("node")}[language]
    if program is None:
        pytest.skip("Node is not installed")
    texts = [text for name, text in BLOCKS if name == language]
    assert texts
    for text in texts:
        result = run([program, "-c" if language == "python" else "-e", text], project)
        assert result.returncode == 0, result.stderr
        assert result.stdout


def test_the_javascript_of_the_page_finds_a_changed_bundle(project: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    shutil.copytree(project, tmp_path / "copy")
    bundle = tmp_path / "copy" / "fixtures" / "jobforge" / "request-bundle.json"
    text = bundle.read_text("utf-8")
    (program,) = (text for name, text in BLOCKS if name == "javascript")
    for old, new, complaint in (('"max_pages": 1000', '"max_pages": 1001', "was changed"),):
        assert old in text
        bundle.write_text(text.replace(old, new), "utf-8")
        result = run([node, "-e", program], tmp_path / "copy")
        assert result.returncode != 0
        assert complaint in result.stderr


def test_the_page_names_the_version_and_every_language_of_its_blocks_is_run() -> None:
    assert f"`{SCHEMA_VERSION}`" in PAGE
    assert {language for language, _ in BLOCKS} == {"console", "python", "javascript"}


def test_every_code_of_a_violation_is_on_the_page() -> None:
    codes = set()
    for file in (ROOT / "src" / "jobforge").rglob("*.py"):
        codes |= set(re.findall(r'"((?:document|bundle|request)\.[a-z_]+)"', file.read_text("utf-8")))
    assert len(codes) > 15
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()

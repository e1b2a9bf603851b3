"""The pages say what is true: links lead somewhere, examples run, commands and settings are those there are."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from longhouse import config
from longhouse.cli.root import root
from longhouse.launch.conversation import ask
from longhouse.launch.local import LocalLauncher
from longhouse.launch.python import Interpreter, python_spec
from longhouse.launch.sdk import sdk
from longhouse.runs.state import NEXT, RunState
from longhouse.version import VERSION
from zerg._wire import Finished, ManifestRead, ReadManifest, RunJob

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
COMMON = {"data_dir", "as_json", "quiet", "no_color", "no_input", "help", "version"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


def files(text: str) -> dict[str, str]:
    """The blocks that are whole files, by the name in the comment before them."""
    return dict(re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", text, re.DOTALL))


# --- pages -----------------------------------------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / file) if file else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_pages_is_python_and_names_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in blocks(text, "python"):
        ast.parse(block)
    assert not re.search(r"(?<![\w.~])/(root|work|home)/", text)


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    assert re.findall(r"^## (\d+\.\d+\.\d+)", read("CHANGELOG.md"), re.MULTILINE)[0] == VERSION


# --- the way of a run ------------------------------------------------------------------------------------------------


def diagram() -> str:
    """The states of a run, from the table that the code obeys."""
    order = list(RunState)
    lines = ["stateDiagram-v2", f"    [*] --> {RunState.QUEUED}"]
    for state in order:
        lines += [f"    {state} --> {after}" for after in sorted(NEXT[state], key=order.index)]
    lines += [f"    {state} --> [*]" for state in order if not NEXT[state]]
    return "\n".join(lines) + "\n"


def test_the_diagram_is_drawn_from_the_table() -> None:
    assert blocks(read("docs/architecture.md"), "mermaid") == [diagram()]


# --- examples --------------------------------------------------------------------------------------------------------


@pytest.fixture
def launcher() -> Iterator[LocalLauncher]:
    launcher = LocalLauncher()
    yield launcher
    launcher.close()


@pytest.mark.parametrize(("page", "result"), [("README.md", None), ("docs/first-job.md", dict)])
def test_the_jobs_in_the_pages_are_read_and_run(
    page: str, result: type | None, tmp_path: Path, launcher: LocalLauncher
) -> None:
    tree, copy = tmp_path / "tree", sdk(tmp_path / "cache")
    for name, text in files(read(page)).items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tmp_path / "artifacts").mkdir()
    spec = python_spec(Interpreter.base(), copy, cwd=tmp_path, marker="docs")

    manifest = ask(launcher, spec, ReadManifest(tree=str(tree)), timeout_seconds=20).final
    assert isinstance(manifest, ManifestRead), manifest
    [job] = manifest.jobs
    assert [parameter.name for parameter in job.parameters] == ["path", "least_gb"]

    request = RunJob(
        tree=str(tree),
        module=job.module,
        function=job.function,
        job_id=job.id,
        run_id=1,
        attempt=1,
        due=None,
        params={"least_gb": 0},
        artifacts=str(tmp_path / "artifacts"),
    )
    answer = ask(launcher, spec, request, timeout_seconds=20)
    assert isinstance(answer.final, Finished), answer
    assert answer.final.outcome == "done", answer.final
    assert result is None or isinstance(answer.final.result, result)


def test_the_example_in_the_readme_is_the_one_in_examples() -> None:
    for name, text in files(read("README.md")).items():
        assert read(f"examples/ten-lines/{name}") == text
    lines = [line for text in files(read("README.md")).values() for line in text.splitlines() if line]
    assert len(lines) <= 10, "short is the point"


# --- commands --------------------------------------------------------------------------------------------------------


def commands(group: click.Group = root, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def sections(page: str) -> dict[str, str]:
    """Heading and text of each section that is about commands, by command."""
    found = {}
    for heading, text in re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL):
        for quoted in re.findall(r"`([^`]+)`", heading):
            words = [word for word in re.split(r"[ \[|]", quoted) if re.fullmatch(r"[a-z][a-z-]*", word)]
            name = next(path for path, _ in commands() if " ".join(words[: len(path.split())]) == path)
            found[name] = heading + text
    return found


def test_every_command_and_option_is_on_its_page_and_no_other() -> None:
    page = sections(read("docs/cli.md"))
    assert sorted(page) == sorted(path for path, _ in commands())
    for path, command in commands():
        options = [each for each in command.params if isinstance(each, click.Option)]
        known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in COMMON:
                assert any(name in page[path] for name in option.opts), f"{path}: {option.opts}"
        said = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page[path]))
        assert said <= known, f"{path}: the page names options that are not there: {said - known}"


def test_the_common_options_are_on_the_page() -> None:
    table = read("docs/cli.md").partition("## The instance")[0]
    for option in root.params:
        if isinstance(option, click.Option) and option.name != "version":
            assert all(f"`{name}" in table for name in option.opts), option.opts


def test_every_setting_is_on_the_page_and_no_other() -> None:
    table = read("docs/cli.md").partition("<!-- settings -->\n")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(config.NAMES)


def shell_lines() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in blocks(text, "sh"):
            found += [(page.name, line.strip()) for line in block.splitlines() if line.strip()]
    return found


@pytest.mark.parametrize(("page", "line"), [each for each in shell_lines() if each[1].startswith("longhouse-jobs")])
def test_commands_in_pages_are_understood(page: str, line: str) -> None:
    words = shlex.split(line.partition("#")[0].partition("|")[0])[1:]
    command: click.Command = root
    while isinstance(command, click.Group):
        name = words.pop(0)
        assert name in command.commands, line
        command = command.commands[name]
    command.make_context(command.name, words)


def test_targets_in_pages_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = {
        word for _, line in shell_lines() if (match := re.match(r"make ([a-z-]+)", line)) for word in match.groups()
    }
    assert {"run", "test"} <= named <= targets

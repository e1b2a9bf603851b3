"""What the jobs repo asks for in packages: requirements.txt, and the PEP 723 blocks of job files."""

from __future__ import annotations

import os
import platform
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longhouse.errors import LonghouseError
from zerg._script import script_block

REQUIREMENTS = "requirements.txt"
INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host")


class EnvironmentFailed(LonghouseError):
    """An environment cannot be resolved or built; the message holds uv's own reason."""

    code = "environment.failed"
    kind = "manifest"


@dataclass(frozen=True)
class Wanted:
    """What an environment is to hold."""

    file: str
    """Where that is written, relative to the tree."""
    text: str
    """Requirements as uv reads them."""


def wanted(tree: Path, file: str | None) -> Wanted | None:
    """What the environment of `file` holds: its own block, else requirements.txt; None for nothing."""
    if file is not None:
        try:
            block = script_block((tree / file).read_text("utf-8", "replace"))
        except FileNotFoundError:
            block = None
        except ValueError as error:
            raise EnvironmentFailed(f"{file}: {error}") from error
        if block is not None:
            return Wanted(file, _of_block(file, block))
    lines = list(_requirement_lines(tree, REQUIREMENTS)) if (tree / REQUIREMENTS).is_file() else []
    return Wanted(REQUIREMENTS, "".join(f"{line}\n" for line in lines)) if lines else None


def _of_block(file: str, block: str) -> str:
    try:
        content: dict[str, Any] = tomllib.loads(block)
    except tomllib.TOMLDecodeError as error:
        raise EnvironmentFailed(f"{file}: the '# /// script' block is not TOML: {error}") from error
    needs = content.get("requires-python", "")
    if not isinstance(needs, str) or not satisfied(needs, platform.python_version()):
        raise EnvironmentFailed(
            f"{file} asks for Python {needs!r}, and this instance runs Python {platform.python_version()}"
        )
    found = content.get("dependencies", [])
    if not isinstance(found, list) or not all(isinstance(each, str) and "\n" not in each for each in found):
        raise EnvironmentFailed(f"{file}: dependencies has to be a list of texts")
    for each in found:
        _refuse_option(file, each)
    return "".join(f"{each}\n" for each in found)


def satisfied(specifier: str, version: str) -> bool:
    """Whether `version` fits all of a `requires-python`; False, too, for one that makes no sense."""
    return all(_fits(part.strip(), version) for part in specifier.split(",") if part.strip())


def _fits(part: str, version: str) -> bool:
    found = re.fullmatch(r"(~=|===|==|!=|<=|>=|<|>)\s*(\d+(?:\.\d+)*)(\.\*)?", part)
    if found is None:
        return False
    operator, text, wildcard = found.groups()
    asked = [int(each) for each in text.split(".")]
    have = [int(each) for each in re.findall(r"\d+", version)[:3]]
    same = have[: len(asked)] == asked if wildcard else _padded(have) == _padded(asked)
    match operator:
        case "~=":
            return _padded(have) >= _padded(asked) and have[: len(asked) - 1] == asked[:-1]
        case "==" | "===":
            return same
        case "!=":
            return not same
        case "<=":
            return _padded(have) <= _padded(asked)
        case ">=":
            return _padded(have) >= _padded(asked)
        case "<":
            return _padded(have) < _padded(asked)
    return _padded(have) > _padded(asked)


def _padded(numbers: list[int]) -> list[int]:
    return [*numbers, 0, 0, 0][:3]


def _requirement_lines(tree: Path, name: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """The requirements of a file and of those it includes with -r, one a line, without comments."""
    path = (tree / name).resolve()
    if not path.is_relative_to(tree.resolve()) or name in seen:
        raise EnvironmentFailed(f"{REQUIREMENTS}: {name} is outside the jobs repo, or includes itself")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentFailed(f"{REQUIREMENTS}: {name} cannot be read as text") from error
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        if included := re.fullmatch(r"(?:-r|--requirement)[\s=]*(\S+)", line):
            yield from _requirement_lines(tree, os.path.normpath(f"{name}/../{included[1]}"), (*seen, name))
        elif line:
            _refuse_option(name, line)
            yield line


def _refuse_option(file: str, line: str) -> None:
    if line.split("=")[0].split()[0] in INDEX_OPTIONS:
        raise EnvironmentFailed(
            f"{file}: {line.split()[0]} is not for a jobs repo",
            hint="The package index is a setting of the instance: index_url in config.toml.",
        )
    if line.startswith("-"):
        raise EnvironmentFailed(f"{file}: {line.split()[0]} is not supported; list packages, one a line")

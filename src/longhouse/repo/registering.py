"""A job's registration written into a manifest, as a person would write it: an import below the imports, a call at the
end. Pure."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SDK = ("zerg.jobs", "zerg.jobs.registry")
WIDE = 100
"""Characters of a line that a value may take before it goes on lines of its own."""


class CannotRegister(ValueError):
    """The manifest is not written in a way that this can go on with; the message says why."""


@dataclass(frozen=True)
class Registered:
    text: str
    """The manifest with the job in it."""
    imports: str
    """The lines that were added, for somebody who adds them himself."""
    call: str


def module_of(job_id: str) -> str:
    """The name of a job's file, which has to be one that Python can import."""
    name = job_id.replace("-", "_")
    return f"job_{name}" if not name.isidentifier() or keyword.iskeyword(name) else name


def lines_of(job_id: str, settings: Mapping[str, Any]) -> Registered:
    """The lines alone, as they go into a manifest that has nothing yet."""
    return register("", job_id, settings)


def register(manifest: str, job_id: str, settings: Mapping[str, Any]) -> Registered:
    """`manifest` with a job that is the function `run` of a file named after it. Raises CannotRegister."""
    end_of_line = "\r\n" if "\r\n" in manifest else "\n"
    text = manifest.replace("\r\n", "\n")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        raise CannotRegister(
            f"manifest.py is no Python that can be read: {line}{getattr(error, 'msg', error)}"
        ) from error
    module = module_of(job_id)
    known = _sdk_names(tree)
    taken = set(_bound(tree))
    if clash := next((name for name in ("JobConfig", "job_registry") if name in taken and name not in known), None):
        raise CannotRegister(f"manifest.py uses the name {clash} for something of its own")
    config, registry = known.get("JobConfig", "JobConfig"), known.get("job_registry", "job_registry")
    name = next(each for each in _names(module) if each not in taken | {config, registry})
    lacking = [each for each in ("JobConfig", "job_registry") if each not in known]
    imports = [f"from zerg.jobs import {', '.join(lacking)}"] if lacking else []
    imports += [f"from jobs.{module} import run as {name}"]
    call = _call(registry, config, job_id, name, settings)
    lines = text.split("\n")
    at = _after_imports(tree)
    before, after = lines[:at], lines[at:]
    gap_above = [""] if at and not _imports_at(tree, at) else []
    gap_below = [""] if after and after[0].strip() else []
    head = "\n".join([*before, *gap_above, *imports, *gap_below, *after]).rstrip("\n")
    whole = f"{head}\n\n{call}"
    return Registered(whole.replace("\n", end_of_line), "\n".join(imports) + "\n", call)


def _names(module: str) -> Iterator[str]:
    yield module
    yield f"{module}_job"
    number = 2
    while True:
        yield f"{module}_{number}"
        number += 1


def _sdk_names(tree: ast.Module) -> dict[str, str]:
    """What the manifest calls JobConfig and job_registry, as far as it imports them at its top level."""
    return {
        alias.name: alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module in SDK and not node.level
        for alias in node.names
        if alias.name in ("JobConfig", "job_registry")
    }


def _bound(tree: ast.Module) -> Iterator[str]:
    """Every name that the text uses for something, wherever."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _after_imports(tree: ast.Module) -> int:
    """How many lines come before the new imports: all up to the last import, else up to the docstring."""
    last = next((node for node in reversed(tree.body) if _is_import(node)), None)
    if last is None:
        first = tree.body[0] if tree.body else None
        documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        return _end(tree, first) if documented and first is not None else 0
    return _end(tree, last)


def _end(tree: ast.Module, node: ast.stmt) -> int:
    """The last line of a statement and of those that stand on that line, too."""
    end = node.end_lineno or node.lineno
    return max([end, *((each.end_lineno or 0) for each in tree.body if node.lineno <= each.lineno <= end)])


def _imports_at(tree: ast.Module, line: int) -> bool:
    """Whether an import of our kind ends there; after others and after a docstring comes an empty line."""
    return any(
        isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jobs") and node.end_lineno == line
        for node in tree.body
    )


def _call(registry: str, config: str, job_id: str, function: str, settings: Mapping[str, Any]) -> str:
    lines = [f"        id={literal(job_id)},\n"]
    for name in ("cron", "every", "timezone"):
        if settings.get(name) is not None:
            lines.append(f"        {name}={literal(settings[name])},\n")
    lines.append(f"        func={function},\n")
    lines += [
        f"        {name}={_wrapped(value)},\n"
        for name, value in settings.items()
        if name not in ("id", "cron", "every", "timezone") and value is not None
    ]
    return f"{registry}.register(\n    {config}(\n{''.join(lines)}    )\n)\n"


def _wrapped(value: Any) -> str:
    """On one line, or a dict with a line for each of its keys."""
    short = literal(value)
    if len(short) <= WIDE or not isinstance(value, dict):
        return short
    inside = "".join(f"            {literal(key)}: {literal(each)},\n" for key, each in value.items())
    return f"{{\n{inside}        }}"


def literal(value: Any) -> str:
    """A JSON value, or a tuple of them, as Python source."""
    if isinstance(value, str):
        return f'"{"".join(_escaped(char) for char in value)}"'
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(each)}' for key, each in value.items())}}}"
    return repr(value)


PLAIN = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
INVISIBLE = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _escaped(char: str) -> str:
    if char in PLAIN:
        return PLAIN[char]
    if char == " " or (char.isprintable() and not INVISIBLE.match(char)):
        return char
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"

"""The arrows of docs/architecture.md. Every rule is shown to catch a small module that breaks it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"

PACKAGES: dict[str, set[str]] = {
    "zerg": set(),
    "jobforge": set(),
    "growth": {"jobforge"},
    "longhouse": {"zerg", "jobforge"},
}
"""Which of our packages each may import besides itself."""

LIBRARIES: dict[str, set[str]] = {
    "zerg": set(),
    "jobforge": {"pydantic"},
    "growth": {"pydantic", "selectolax", "yaml"},
}
"""Libraries from elsewhere. longhouse may use everything that pyproject.toml names."""
COMMANDS = {"jobforge.cli", "growth.cli", "growth.console", "growth.options"}
"""Their command lines, which may use click and rich on top."""

LAYERS: tuple[tuple[str, ...], ...] = (
    ("serving",),
    ("app",),
    ("api", "web", "mcp", "cli"),
    ("doors",),
    ("engine",),
    ("boot",),
    (
        *(
            "jobs",
            "queue",
            "history",
            "figures",
            "forecast",
            "ledger",
            "pauses",
            "jumps",
            "held",
            "moments",
            "backfills",
            "loading",
        ),
        *("describing", "consequences", "restoring", "timeline", "calendars"),
        *("edits", "drafts", "new_jobs", "job_templates"),
        *("finding", "failures", "bulk"),
        *("stopping", "trials", "doctor", "overview", "search"),
        *("accounts", "activity", "audit", "envs", "secrets"),
        *("intake", "repo", "alerts", "commis", "settings", "output", "logsearch", "artifacts", "waiting", "retention"),
        *("deletions", "suggestions"),
    ),
    ("house",),
    ("store", "launch"),
    ("outlook",),
    ("simulation",),
    ("runs", "triggers"),
    (
        *("errors", "clock", "feed", "vault", "sealing", "masking", "token_shapes", "frames"),
        *("passwords", "tries", "setup", "kinds"),
        *("installer", "outward", "config", "paths", "logs", "version"),
    ),
)
"""The parts of longhouse. An arrow points down; sideways only among the verbs and on the floor."""
SIDEWAYS = (6, 12)
ONLY_FROM = {
    "serving": {"cli"},
    "app": {"serving"},
    "engine": {"app", "serving"},
    "boot": {"serving", "cli"},
    "config": {"serving", "cli"},
}
"""Parts that are imported by nobody but these."""

HIDDEN = {
    *("uvicorn", "httpx2", "rich", "argon2", "cron_descriptor", "cryptography", "tzlocal", "platformdirs", "tomlkit"),
    *("mcp", "ahocorasick_rs", "apprise", "selectolax", "markdown_it"),
}
"""Heavy libraries that may be imported where they are used."""
HIDDEN_OURS = {
    *(("cli", f"longhouse.{part}") for part in ("accounts", "boot", "cli", "house", "repo", "serving")),
    ("serving", "longhouse.app"),
}
"""A command that needs the server's half of the program imports it when it is called, the server its pages when the
engine is at work: both start fast."""

MOST_LINES = 400
NO_NOUNS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "service", "services", "base"}

ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv"}
ENVIRONMENT_AT = {"longhouse.config", "zerg._child", "growth.cli", "growth.llm", "jobforge.cli"}
CLOCK = {
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("time.time", "time.time_ns", "time.localtime", "time.gmtime"),
}
CLOCK_AT = {"longhouse.clock", "zerg._child", "growth.cli", "growth.llm", "jobforge.cli"}
PROCESS = re.compile(
    r"subprocess(\..*)?|multiprocessing(\..*)?|pty(\..*)?|asyncio\.(subprocess\..*|create_subprocess_\w+)"
    r"|os\.(system|popen|fork|forkpty|exec\w+|spawn\w+|posix_spawnp?)"
)
PROCESS_AT = re.compile(r"longhouse\.repo\.git|longhouse\.launch(\..*)?")
DATABASE = {"apsw", "sqlite3"}
SQL = re.compile(
    r"\s*(SELECT\s.+\sFROM\s|SELECT\s+\w+\(|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|PRAGMA\s+\w"
    r"|BEGIN\s+IMMEDIATE|(CREATE|DROP|ALTER)\s+(TABLE|INDEX|VIEW|TRIGGER)\s|WITH\s+\w+\s+AS\s*\()",
    re.DOTALL,
)


@dataclass(frozen=True)
class Import:
    target: str
    """The module, or the name in it, as far as the statement tells."""
    line: int
    hidden: bool
    """Inside a function."""


@dataclass(frozen=True)
class Module:
    name: str
    text: str
    package: bool = False

    @property
    def nodes(self) -> list[tuple[ast.AST, bool]]:
        """Every node of its tree, and whether it is inside a function."""
        return _nodes(self.text)

    @property
    def imports(self) -> list[Import]:
        return _imports(self)

    @property
    def part(self) -> str:
        """The part of longhouse that it belongs to."""
        part = self.name.split(".")[1] if "." in self.name else ""
        return "cli" if part == "__main__" else part


@cache
def _nodes(text: str) -> list[tuple[ast.AST, bool]]:
    return list(_walk(ast.parse(text), False))


@cache
def _imports(module: Module) -> list[Import]:
    found: list[Import] = []
    for node, function in module.nodes:
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, function) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = node.module or ""
            if node.level:
                here = module.name.split(".") if module.package else module.name.split(".")[:-1]
                kept = here[: len(here) - node.level + 1]
                parent = ".".join([*kept, parent] if parent else kept)
            found += [Import(f"{parent}.{alias.name}", node.lineno, function) for alias in node.names]
    return found


def _walk(node: ast.AST, function: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, function
        yield from _walk(child, function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


@cache
def ours() -> dict[str, Module]:
    modules = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        if "templates" in parts:
            continue  # files that the first boot writes into a jobs repo
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        modules[name] = Module(name, path.read_text(encoding="utf-8"), package)
    return modules


Modules = dict[str, Module]
Rule = Callable[[Modules], Iterator[str]]


def _module_of(target: str, modules: Modules) -> str | None:
    """The module of ours that an import names: itself, or the one that holds the name."""
    while target and target not in modules:
        target = target.rpartition(".")[0]
    return target or None


@cache
def _declared() -> set[str]:
    """How the libraries of pyproject.toml are imported, and two that are FastAPI's and Jinja's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {_plain(re.split(r"[<>=~!\[; ]", line)[0]) for line in project["dependencies"]}
    known = packages_distributions()
    return {name for name, sources in known.items() if {_plain(source) for source in sources} & wanted} | {
        "starlette",
        "markupsafe",
    }


def _plain(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


# --- the rules -------------------------------------------------------------------------------------------------------


def packages_import_what_they_may(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        package = module.name.split(".")[0]
        for found in module.imports:
            top = found.target.split(".")[0]
            if top == package or top in sys.stdlib_module_names or top in PACKAGES[package]:
                continue
            libraries = LIBRARIES.get(package, _declared())
            if top in libraries or (top in ("click", "rich") and module.name in COMMANDS):
                continue
            yield f"{module.name}:{found.line} imports {found.target}; {package} may not"


def arrows_point_down(modules: Modules) -> Iterator[str]:
    place = {part: depth for depth, layer in enumerate(LAYERS) for part in layer}
    for module in modules.values():
        if not module.name.startswith("longhouse."):
            continue
        if module.part not in place:
            yield f"{module.name} is in no layer of LAYERS"
            continue
        for found in module.imports:
            if not found.target.startswith("longhouse."):
                continue
            part = found.target.split(".")[1]
            if part == module.part or part not in place:
                continue
            depth, other = place[module.part], place[part]
            sideways = depth == other and depth in SIDEWAYS
            up = module.part == "cli" and part == "serving"
            allowed = (other > depth or sideways or up) and module.part in ONLY_FROM.get(part, {module.part})
            if not allowed:
                yield f"{module.name}:{found.line} imports {found.target}: {module.part} -> {part}"


def no_import_is_hidden(modules: Modules) -> Iterator[str]:
    """zerg is left out: every job starts with it, and what it imports late is milliseconds of each run."""
    for module in modules.values():
        if module.name.startswith("zerg"):
            continue
        for found in module.imports:
            heavy = found.target.split(".")[0] in HIDDEN
            known = any(module.part == part and found.target.startswith(ours) for part, ours in HIDDEN_OURS)
            if found.hidden and not heavy and not known:
                yield f"{module.name}:{found.line} imports {found.target} inside a function"


def no_import_cycles(modules: Modules) -> Iterator[str]:
    arrows = {
        name: sorted({target for found in module.imports if (target := _module_of(found.target, modules))} - {name})
        for name, module in modules.items()
    }
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> Iterator[str]:
        if name in path:
            yield " -> ".join([*path[path.index(name) :], name])
        elif name not in done:
            for target in arrows[name]:
                yield from visit(target, [*path, name])
            done.add(name)

    for name in arrows:
        yield from visit(name, [])


def modules_are_short(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        lines = module.text.count("\n")
        if lines > MOST_LINES:
            yield f"{module.name} has {lines} lines; {MOST_LINES} is the most"


def modules_are_nouns(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        if words := set(module.name.rpartition(".")[2].split("_")) & NO_NOUNS:
            yield f"{module.name}: {words.pop()!r} is not a noun you can say to a user"


@cache
def _used_names(module: Module) -> list[tuple[str, int]]:
    """Every dotted name used, its first part as it was imported: `dt.now` may be `datetime.datetime.now`."""
    known: dict[str, str] = {}
    used = []
    for node, _ in module.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            used += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    for node, _ in module.nodes:
        if isinstance(node, ast.Attribute) and (dotted := _dotted(node)):
            first, _, rest = dotted.partition(".")
            if first in known:
                used.append((f"{known[first]}.{rest}", node.lineno))
    return used


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return None


def the_environment_is_read_at_the_edge(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        if module.name not in ENVIRONMENT_AT:
            for name, line in _used_names(module):
                if name in ENVIRONMENT:
                    yield f"{module.name}:{line} uses {name}"


def the_clock_is_asked_at_the_edge(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        if module.name not in CLOCK_AT:
            for name, line in _used_names(module):
                if name in CLOCK:
                    yield f"{module.name}:{line} uses {name}"


def processes_start_in_two_places(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        if not PROCESS_AT.fullmatch(module.name):
            used = {*_used_names(module), *((found.target, found.line) for found in module.imports)}
            for name, line in sorted(used):
                if PROCESS.fullmatch(name):
                    yield f"{module.name}:{line} uses {name}"


def sql_lives_in_the_store(modules: Modules) -> Iterator[str]:
    for module in modules.values():
        if module.name.startswith("longhouse.store"):
            continue
        for found in module.imports:
            if found.target.split(".")[0] in DATABASE:
                yield f"{module.name}:{found.line} imports {found.target}"
        docstrings = {
            id(node.value)
            for node, _ in module.nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node, _ in module.nodes:
            text = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
            if isinstance(text, str) and SQL.match(text):
                yield f"{module.name}:{node.lineno} holds SQL: {text.strip()[:40]!r}"  # type: ignore[attr-defined]


# --- each rule, and what it must catch -------------------------------------------------------------------------------

RULES: list[tuple[Rule, dict[str, str]]] = [
    (
        packages_import_what_they_may,
        {
            "zerg.x": "import click",
            "zerg.y": "from growth import seo",
            "jobforge.x": "import yaml",
            "jobforge.y": "import click",
            "growth.x": "import zerg.jobs",
            "growth.y": "import longhouse",
            "longhouse.jobs": "import growth",
            "longhouse.queue": "import pytest",
        },
    ),
    (
        arrows_point_down,
        {
            "longhouse.api.x": "from longhouse.engine.loop import Loop",
            "longhouse.web.x": "from longhouse.api import jobs",
            "longhouse.store.x": "from longhouse import queue",
            "longhouse.runs.x": "from longhouse.triggers import cron",
            "longhouse.jobs": "from longhouse import config",
            "longhouse.engine.x": "import longhouse.app",
            "longhouse.alerts.x": "from longhouse.serving import serve",
            "longhouse.doors.x": "from longhouse.engine import loop",
            "longhouse.errors": "from . import house",
            "longhouse.novelty": "",
        },
    ),
    (
        no_import_is_hidden,
        {
            "longhouse.jobs": "def f():\n    from longhouse import queue",
            "growth.x": "f = lambda: 0\ndef g():\n  class C:\n    import json",
        },
    ),
    (
        no_import_cycles,
        {"longhouse.errors": "import longhouse.clock", "longhouse.clock": "from longhouse import errors"},
    ),
    (modules_are_short, {"longhouse.jobs": "x = 1\n" * 401}),
    (modules_are_nouns, {"longhouse.utils": "", "zerg.date_helpers": "", "growth.base": ""}),
    (
        the_environment_is_read_at_the_edge,
        {
            "longhouse.jobs": "import os\nos.environ['x']",
            "longhouse.queue": "from os import getenv",
            "zerg.x": "import os as system\nsystem.environ.get('x')",
        },
    ),
    (
        the_clock_is_asked_at_the_edge,
        {
            "longhouse.jobs": "from datetime import datetime\ndatetime.now()",
            "longhouse.queue": "import datetime as dt\ndt.datetime.utcnow()",
            "growth.x": "from time import time",
            "jobforge.x": "import time\ntime.time_ns()",
        },
    ),
    (
        processes_start_in_two_places,
        {
            "longhouse.jobs": "import subprocess",
            "longhouse.repo.sync": "import asyncio\nasyncio.create_subprocess_exec('git')",
            "longhouse.engine.x": "import os\nos.posix_spawn('/bin/true', [], {})",
            "longhouse.web.x": "from asyncio.subprocess import create_subprocess_shell",
        },
    ),
    (
        sql_lives_in_the_store,
        {
            "longhouse.jobs": "import sqlite3",
            "longhouse.queue": "x = 'SELECT id FROM runs'",
            "longhouse.engine.x": "def f(db):\n    db.execute(f'UPDATE runs SET state = {1}')",
        },
    ),
]
NAMED = pytest.mark.parametrize(("rule", "wrong"), RULES, ids=[rule.__name__ for rule, _ in RULES])


@NAMED
def test_our_modules_keep_the_rule(rule: Rule, wrong: dict[str, str]) -> None:
    assert list(rule(ours())) == []


@NAMED
def test_the_rule_catches_what_breaks_it(rule: Rule, wrong: dict[str, str]) -> None:
    """The negative control: each wrong module, put among the real ones, is named."""
    together = {name: Module(name, text) for name, text in wrong.items()}
    if rule is no_import_cycles:
        assert list(rule(together)) == ["longhouse.clock -> longhouse.errors -> longhouse.clock"] or list(
            rule(together)
        )
        return
    for name, module in together.items():
        caught = list(rule({**ours(), name: module}))
        assert any(text.startswith(name) for text in caught), f"{rule.__name__} does not see {module.text!r}"


def test_the_page_shows_these_layers() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = [tuple(line.split("#")[0].split()) for line in _block(page, "layers")]
    assert shown == list(LAYERS)


def _block(page: str, name: str) -> list[str]:
    """The lines of the code block after the comment `<!-- name -->`."""
    match = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)\n```", page, re.DOTALL)
    assert match, f"docs/architecture.md has no block {name!r}"
    return match[1].split("\n")

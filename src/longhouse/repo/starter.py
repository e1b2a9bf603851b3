"""The files of a new jobs repo."""

from __future__ import annotations

from importlib.resources import files

SAMPLE = "hello"
"""Id of the job that a new repo registers."""

SOURCES = {
    ".gitignore": "gitignore.txt",
    "manifest.py": "manifest.py.txt",
    "jobs/hello.py": "hello.py.txt",
    "jobs/__init__.py": None,
    "AGENTS.md": "AGENTS.md",
}
"""Path in the tree -> file in templates/, None for an empty one. They are named .txt there because they are no code of
ours: no tool of this project is to check, import or ignore by them."""


def text(path: str, *, bare: bool = False) -> str:
    """What a new repo has at `path`; `bare` is a manifest that registers nothing."""
    source = SOURCES[path]
    if source is None:
        return ""
    name = "manifest_bare.py.txt" if bare and path == "manifest.py" else source
    return (files("longhouse.repo") / "templates" / name).read_text("utf-8")

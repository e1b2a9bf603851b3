"""Whether an edit stays inside functions: what a manifest registers cannot follow from it. Pure."""

from __future__ import annotations

import ast
from typing import Any

from zerg._script import script_block

REGISTERING = ("job_registry", "JobConfig")
"""A file that names these may register jobs inside its functions."""


def only_bodies(before: str, after: str) -> bool:
    """True when importing either text does the same, as far as a text tells: the same statements outside of functions,
    the same names, signatures and decorators, the same requirements. False for what is no Python."""
    if any(word in text for text in (before, after) for word in REGISTERING):
        return False
    try:
        return script_block(before) == script_block(after) and _outside(before) == _outside(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _outside(text: str) -> str:
    """What importing the file runs. All of it, if that calls functions of its own: they may call each other."""
    tree = ast.parse(text)
    used = _Used()
    used.visit(tree)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    if any(node.name in used.found for node in functions):
        return ast.dump(tree)
    return ast.dump(_Hollow().visit(tree))


class _Hollow(ast.NodeTransformer):
    """Functions without what they do."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return _hollow(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return _hollow(node)


def _hollow(node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
    node.body = [ast.Pass()]
    return node


class _Used(ast.NodeVisitor):
    """Names that statements outside of functions use."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._head(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._head(node)

    def _head(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in (*node.decorator_list, node.args):
            self.visit(part)

    def visit_Name(self, node: ast.Name) -> None:
        self.found.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.found.add(node.attr)
        self.generic_visit(node)

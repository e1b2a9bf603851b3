"""Importing from a tree of job files: always from the source, never leaving byte code behind.

Byte code is found by time stamp and size, so two edits within a second would run the first one; and files that appear
in the tree would end up in its history.
"""

from __future__ import annotations

import os
import sys

from zerg._script import Placeholder, script_block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
    from importlib.util import spec_from_file_location
    from types import CodeType, ModuleType
    from typing import Any
else:
    # what importlib.machinery and importlib.util re-export, without importing importlib
    _external = sys.modules["_frozen_importlib_external"]
    ExtensionFileLoader, FileFinder = _external.ExtensionFileLoader, _external.FileFinder
    SourceFileLoader, spec_from_file_location = _external.SourceFileLoader, _external.spec_from_file_location


READ_BYTES = 256 * 1024


class TreeLoader(SourceFileLoader):
    """Compiles the source each time."""

    def create_module(self, spec: ModuleSpec) -> None:
        spec.cached = f"{spec.origin}c"  # never there; finding out where it would be takes as long as compiling

    def get_data(self, path: str) -> bytes:
        """As the inherited one, in a third of the time: hundreds of files are small."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(fd, READ_BYTES)
            while more := os.read(fd, READ_BYTES):
                data += more
        finally:
            os.close(fd)
        return data

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


class ManifestLoader(TreeLoader):
    """As a manifest is read: files with requirements of their own are not executed, their functions are only named."""

    def exec_module(self, module: ModuleType) -> None:
        path = self.get_filename(module.__name__)
        source = self.get_data(path)
        block = script_block(source.decode(errors="replace"))
        code: CodeType = self.source_to_code(source, path)
        if block is None:
            exec(code, module.__dict__)  # noqa: S102  # importing is that
            return
        names = code.co_names

        def named(name: str) -> Any:
            if name.startswith("__") or name not in names:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            return Placeholder(module.__name__, name)

        module.__dict__["__getattr__"] = named


class TreeFinder(FileFinder):
    """Knows which modules its folder had when it was first asked, since a checkout stays as it is: to look again for
    every import takes a tenth of reading hundreds of job files. Whatever else is asked for is looked for."""

    def __init__(self, path: str, loader: type[TreeLoader], modules: frozenset[str]) -> None:
        super().__init__(path, (loader, [".py"]))
        self.loader, self.modules = loader, modules

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        if name not in self.modules:
            return super().find_spec(fullname, target)
        path = f"{self.path}/{name}.py"
        return spec_from_file_location(
            fullname, path, loader=self.loader(fullname, path), submodule_search_locations=None
        )

    def invalidate_caches(self) -> None:
        self.modules = frozenset()
        super().invalidate_caches()


def install(tree: str, loader: type[TreeLoader] = TreeLoader) -> None:
    """Put `tree` first on sys.path, its modules loaded by `loader`."""
    import _imp

    suffixes = _imp.extension_suffixes()

    def hook(path: str) -> Any:
        """Modules written in C are looked for where there are any: each suffix costs every import."""
        if path != tree and not path.startswith(tree + "/"):
            raise ImportError(f"{path} is outside the tree")
        try:
            with os.scandir(path) as entries:
                plain = {entry.name: entry.is_file() for entry in entries}
        except OSError:
            raise ImportError(f"{path} is no folder") from None
        if any(name.endswith(tuple(suffixes)) for name in plain):
            return FileFinder(path, (ExtensionFileLoader, suffixes), (loader, [".py"]))
        modules = (name[:-3] for name, is_file in plain.items() if is_file and name.endswith(".py"))
        return TreeFinder(path, loader, frozenset(name for name in modules if name not in plain))  # packages come first

    sys.path_hooks.insert(0, hook)
    sys.path.insert(0, tree)


def relative(file: str, tree: str) -> str | None:
    """`file` as it is called inside the tree, None for a file outside."""
    return file[len(tree) + 1 :] if file.startswith(tree + "/") else None


def function_line(code: CodeType, name: str) -> int:
    """The line where a module defines the function `name`; 1 if it comes from elsewhere."""
    lines = [each.co_firstlineno for each in code.co_consts if hasattr(each, "co_name") and each.co_name == name]
    return lines[-1] if lines else 1

"""Job files with requirements of their own (a PEP 723 block), and what stands for their functions elsewhere."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def script_block(source: str) -> str | None:
    """The TOML text of the `# /// script` block in a Python source, None without one. Raises ValueError for two."""
    if "# /// script" not in source:
        return None
    found: str | None = None
    lines: list[str] | None = None
    end: int | None = None
    for line in [*source.splitlines(), ""]:
        if lines is None:
            if line.rstrip() == "# /// script":
                lines, end = [], None
        elif line == "#" or line.startswith("# "):
            if line.rstrip() == "# ///":
                end = len(lines)
            lines.append(line[2:])
        else:
            if end is not None:
                if found is not None:
                    raise ValueError("the file has two '# /// script' blocks; it can have one")
                found = "".join(f"{each}\n" for each in lines[:end])
            lines = None
    return found


class Placeholder:
    """Stands for a function whose module cannot be imported here: its packages are in an environment of its own."""

    def __init__(self, module: str, name: str) -> None:
        self.__module__ = module
        self.__name__ = name
        self.__qualname__ = name

    def __repr__(self) -> str:
        return f"<{self.__module__}.{self.__name__}, which has its own environment>"

    def __call__(self, *_values: Any, **_named: Any) -> Any:
        raise RuntimeError(
            f"{self.__module__}.{self.__name__} cannot be called here: its file has its own requirements, "
            "so a manifest can only register it"
        )

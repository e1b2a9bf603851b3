"""The command `longhouse-jobs`."""

from __future__ import annotations

import sys

from longhouse.version import VERSION


def main() -> int:
    words = sys.argv[1:]
    if words == ["--version"]:  # answered before anything heavy is imported
        print(f"longhouse-jobs {VERSION}")
        return 0
    from longhouse.cli.root import run

    return run(words)

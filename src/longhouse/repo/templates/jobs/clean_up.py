"""Old files go: those below a folder that nobody changed for some days. At first it only says which."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerg.outcomes import Degraded

if TYPE_CHECKING:
    from zerg.context import Context

DAY = 86_400


def run(
    ctx: Context,
    folder: str,
    older_than_days: float = 30.0,
    pattern: str = "*",
    dry_run: bool = True,
    remove_empty_folders: bool = False,
) -> Any:
    """With `dry_run` nothing is removed. Links are removed as links and never followed."""
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise ValueError(f"there is no folder {folder!r}")
    if not root.is_absolute() or Path.home().resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{folder!r} is not taken: name an absolute path, and no folder that holds a whole home")
    if not pattern or "/" in pattern:
        raise ValueError(f"{pattern!r} is no pattern for file names; such as *.log")
    if older_than_days <= 0:
        raise ValueError("older_than_days is more than 0")
    before = time.time() - older_than_days * DAY
    old = list(old_files(root, pattern, before))
    size = sum(length for _, length in old)
    print(f"{len(old)} files below {root} match {pattern!r} and are older than {older_than_days:g} days: {size} bytes")

    kept: list[str] = []
    for number, (path, length) in enumerate(old, 1):
        print(f"{'would remove' if dry_run else 'removing'} {path.relative_to(root)} ({length} bytes)")
        if not dry_run:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                print(f"{path.relative_to(root)} stays: {error.strerror}")
                kept.append(str(path.relative_to(root)))
        ctx.progress(number, len(old), path.name)
    folders = remove_empty(root) if remove_empty_folders and not dry_run else 0
    result = {"files": len(old) - len(kept), "bytes": size, "folders": folders, "dry_run": dry_run}
    if kept:
        return Degraded(f"{len(kept)} files could not be removed", {**result, "kept": kept[:100]})
    return result


def old_files(root: Path, pattern: str, before: float) -> Iterator[tuple[Path, int]]:
    """Files and links last changed before a time, and their sizes."""
    for path in sorted(root.rglob(pattern)):
        if path.is_symlink() or path.is_file():
            about = path.lstat()
            if about.st_mtime < before:
                yield path, about.st_size


def remove_empty(root: Path) -> int:
    """The innermost first; how many went."""
    count = 0
    for path in sorted((each for each in root.rglob("*") if each.is_dir() and not each.is_symlink()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
            count += 1
    return count

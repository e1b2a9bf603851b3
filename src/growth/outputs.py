"""Writes the files of a run: all of them or none, and nothing else in the folder is touched."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from growth.errors import DependencyFailed, GrowthError, InputRefused

LAST = "request-bundle.json"  # who sees the bundle may rely on the rest


def write_all(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Writes `texts` (file name to content) into `folder`, which is made if needed.

    New content is written and synced beside its place first, then renamed with the bundle last. If a rename fails the
    files that were there before are put back, so a reader finds either the old set or the new one.
    """
    made = _made(folder)
    staged: dict[str, Path] = {}
    try:
        for name in texts:
            if (folder / name).is_dir() and not (folder / name).is_symlink():
                raise InputRefused(
                    f"{folder / name} is a folder, so the file of that name cannot be written.",
                    hint="Remove it, or name another --out.",
                    code="growth.output_blocked",
                )
        for name in sorted(texts, key=lambda name: name == LAST):
            staged[name] = _stage(folder, name, texts[name])
        _exchange(folder, staged)
    except BaseException as error:
        for path in staged.values():
            path.unlink(missing_ok=True)
        for path in made:
            path.rmdir()
        if isinstance(error, OSError):
            raise DependencyFailed(
                f"{folder} cannot be written: {error.strerror or error}.",
                hint="Nothing was changed. Check space and permissions, then run the command again.",
                code="growth.write_failed",
            ) from error
        raise
    return [folder / name for name in texts]


def _made(folder: Path) -> list[Path]:
    """Makes the folder and says which folders are new, innermost first."""
    missing = []
    try:
        current = folder
        while not current.exists() and current != current.parent:
            missing.append(current)
            current = current.parent
        if not current.is_dir():
            raise InputRefused(
                f"--out {folder}: {current} is a file, not a folder.",
                hint="Name a folder; it is made if it does not exist.",
                code="growth.output_blocked",
            )
        for path in reversed(missing):
            path.mkdir()
    except (OSError, ValueError) as error:
        if isinstance(error, GrowthError):
            raise
        raise DependencyFailed(
            f"--out {folder} cannot be made: {getattr(error, 'strerror', None) or error}.",
            hint="Check its parent folder.",
        ) from error
    return missing


def _stage(folder: Path, name: str, text: str) -> Path:
    descriptor, path = tempfile.mkstemp(prefix=f".{name}.", suffix=".new", dir=folder)
    staged = Path(path)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        staged.chmod(0o644)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    return staged


def _exchange(folder: Path, staged: dict[str, Path]) -> None:
    kept: dict[str, Path] = {}
    placed: list[str] = []
    try:
        for name in staged:
            place = folder / name
            if place.exists() or place.is_symlink():
                kept[name] = folder / f".{name}.{os.getpid()}.old"
                _keep(place, kept[name])
        for name, path in staged.items():
            path.replace(folder / name)
            placed.append(name)
        _sync(folder)
    except BaseException:
        for name in placed:
            if name not in kept:
                (folder / name).unlink(missing_ok=True)
        for name, path in kept.items():
            if path.is_symlink() or path.exists():
                path.replace(folder / name)
                path.unlink(missing_ok=True)  # renaming one name of a file to its other name leaves both
        raise
    for path in kept.values():
        path.unlink(missing_ok=True)


def _keep(place: Path, kept: Path) -> None:
    """A second name for the old file, so that its place is never empty; renamed where the file system has no links."""
    kept.unlink(missing_ok=True)
    try:
        os.link(place, kept, follow_symlinks=False)
    except OSError:
        place.rename(kept)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

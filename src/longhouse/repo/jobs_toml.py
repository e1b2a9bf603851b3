"""jobs.toml: which jobs are enabled or disabled other than the manifest says. Read even when the manifest is broken.

[jobs.daily-digest]
enabled = false
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import tomlkit
from tomlkit.items import InlineTable, Table

from longhouse.errors import ManifestBroken

NAME = "jobs.toml"
HEADER = (
    "# Jobs that are enabled or disabled other than manifest.py says. The instance writes this file when somebody\n"
    "# enables or disables a job; an entry that says what the manifest says is removed.\n\n"
)

Overrides = Mapping[str, bool]
"""enabled by job id."""


def read(text: str) -> Overrides:
    """Raises ManifestBroken, naming the line, for text that is not what this file may hold."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = int(place[1]) if place and place[1] else len(text.splitlines()) or 1
        reason = re.sub(r"\s*\(at .*\)", "", str(error))
        raise ManifestBroken(f"jobs.toml is not TOML: {reason}", file=NAME, line=line) from error
    _only(content, ("jobs",), text, "The file")
    jobs = content.get("jobs", {})
    if not isinstance(jobs, dict):
        raise _wrong("jobs must be tables, such as [jobs.daily-digest]", text, "jobs")
    return {job_id: _enabled(job_id, table, text) for job_id, table in jobs.items() if table != {}}


def read_tree(tree: Path) -> Overrides:
    """The overrides of a work tree or checkout; none without the file."""
    return read(text_of(tree))


def text_of(tree: Path) -> str:
    """Empty without the file. Raises ManifestBroken for a file that is no text."""
    try:
        return (tree / NAME).read_text("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise ManifestBroken("jobs.toml is not UTF-8 text", file=NAME, line=1) from error
    except OSError as error:
        raise ManifestBroken(f"jobs.toml cannot be read: {error.strerror}", file=NAME) from error


def changed(text: str, wanted: Mapping[str, bool | None]) -> str:
    """`text` with these entries; None removes one. Comments and order stay. Empty when no entry is left of a file that
    was only ours. Raises ManifestBroken when `text` cannot be read."""
    now = read(text)
    for job_id, enabled in wanted.items():
        if enabled is None and job_id in now:
            text = _drop(text, job_id)
        elif enabled is not None and now.get(job_id) is not enabled:
            text = _put(text, job_id, enabled)
    return "" if text.strip() == HEADER.strip() else text


def setting(manifest_enabled: bool | None, enabled: bool) -> bool | None:
    """The entry that makes a job `enabled`: None (no entry) when the manifest says so itself.

    `manifest_enabled` is None while the manifest's value is not known.
    """
    return None if manifest_enabled is enabled else enabled


def write(tree: Path, text: str) -> None:
    """Whole or not at all; empty text removes the file."""
    path = tree / NAME
    if not text:
        path.unlink(missing_ok=True)
        return
    handle, name = tempfile.mkstemp(prefix=".jobs.toml.", suffix=".swp", dir=tree)  # .swp: no watch, no commit sees it
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def stale(previous: Mapping[str, bool], new: Mapping[str, bool], overrides: Overrides) -> frozenset[str]:
    """Overrides that must go: the manifest's own value was edited since, or says the same by now.

    Both mappings are the manifest's own `enabled` by job id, before and after. A job that is not in the manifest keeps
    its override: it may come back.
    """
    known = {job_id: enabled for job_id, enabled in overrides.items() if job_id in new}
    return frozenset(
        job_id
        for job_id, enabled in known.items()
        if new[job_id] is enabled or previous.get(job_id, new[job_id]) is not new[job_id]
    )


def _enabled(job_id: str, table: Any, text: str) -> bool:
    if not isinstance(table, dict):
        raise _wrong(f"jobs.{job_id} must be a table with `enabled = true` or `enabled = false`", text, job_id)
    _only(table, ("enabled",), text, f"jobs.{job_id}")
    if not isinstance(table["enabled"], bool):
        raise _wrong(f"jobs.{job_id}: enabled must be true or false, not {table['enabled']!r}", text, job_id)
    return table["enabled"]


def _only(table: Mapping[str, Any], keys: tuple[str, ...], text: str, where: str) -> None:
    for key in table:
        if key not in keys:
            raise _wrong(f"{where} has an unknown setting {key!r}; {' and '.join(keys)} is all there is", text, key)


def _wrong(sentence: str, text: str, key: str) -> ManifestBroken:
    lines = (number for number, line in enumerate(text.splitlines(), 1) if key in line.partition("#")[0])
    return ManifestBroken(f"jobs.toml: {sentence}", file=NAME, line=next(lines, None))


def _put(text: str, job_id: str, enabled: bool) -> str:
    document = tomlkit.parse(text or HEADER)
    if "jobs" not in document:
        document["jobs"] = tomlkit.table(is_super_table=True)
    jobs = cast(Table | InlineTable, document["jobs"])
    if job_id not in jobs:
        jobs[job_id] = tomlkit.inline_table() if isinstance(jobs, InlineTable) else tomlkit.table()
    cast(Table, jobs[job_id])["enabled"] = enabled
    return tomlkit.dumps(document)


def _drop(text: str, job_id: str) -> str:
    """Line by line where an entry is written as we write it: tomlkit would drop the comments of the one below, too."""
    header = re.compile(rf"""\s*\[\s*jobs\s*\.\s*(["']?){re.escape(job_id)}\1\s*\]""")
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            inside = header.match(line) is not None
        gone = inside and (header.match(line) or re.match(r"\s*(enabled\s*=.*)?$", line))
        kept += [] if gone else [line]
    shorter = "".join(kept)
    if job_id not in read(shorter):
        return shorter
    document = tomlkit.parse(text)
    del cast(Table, document["jobs"])[job_id]
    return tomlkit.dumps(document)

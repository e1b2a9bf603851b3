"""Numbered steps of the schema, each one transaction, never edited after a release."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import resources
from pathlib import Path

import apsw

from longhouse.errors import CannotStart

NAME = re.compile(r"(\d{4})_\w+\.sql")


def steps() -> list[tuple[int, str]]:
    """(version, SQL) in order, without gaps from 1."""
    found = sorted(
        (int(match[1]), item.read_text())
        for item in resources.files(__name__).iterdir()
        if (match := NAME.fullmatch(item.name))
    )
    if [version for version, _ in found] != list(range(1, len(found) + 1)):
        raise RuntimeError(f"migrations are not numbered without gaps: {[version for version, _ in found]}")
    return found


def version_of(connection: apsw.Connection) -> int:
    version: int = connection.pragma("user_version")
    return version


def migrate(connection: apsw.Connection, backups: Path) -> tuple[int, int]:
    """Bring the schema up to date; returns (version before, version after).

    Each step is one transaction together with its version number, so a kill at any statement leaves the old version or
    the new one. A copy of an existing database is taken first, under `backups`. Raises CannotStart for a database that
    a newer program has written.
    """
    before = version_of(connection)
    target = steps()
    newest = target[-1][0]
    if before > newest:
        raise CannotStart(
            f"the database has schema version {before}, this program knows {newest}",
            hint="A newer Longhouse Jobs has run on this data directory: install that version again.",
        )
    if 0 < before < newest:
        _copy(connection, backups / f"before-schema-{newest}.db")
    for version, sql in target:
        if version > before:
            _apply(connection, version, sql)
    return before, newest


def _apply(connection: apsw.Connection, version: int, sql: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(sql)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(apsw.Error):
            connection.execute("ROLLBACK")
        raise


def _copy(connection: apsw.Connection, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(part),)).fetchall()
    part.replace(target)

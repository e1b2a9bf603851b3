"""The connection to the one SQLite file: one writer, a few read-only readers; what a call returns from is durable."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from longhouse.errors import CannotStart, StorageFull, Unavailable
from longhouse.store.migrations import migrate

OLDEST_SQLITE = (3, 51, 3)
"""Older versions may carry a bug that resets the write-ahead log and loses what was committed."""
BUSY_MS = 5_000
READERS = 4
CACHE_KIB = 1_024

Connection = apsw.Connection


def configure(connection: Connection, *, readonly: bool) -> None:
    connection.set_busy_timeout(BUSY_MS)
    pragmas = [f"cache_size=-{CACHE_KIB}", "foreign_keys=ON", "trusted_schema=OFF", "temp_store=MEMORY"]
    if readonly:
        pragmas.append("query_only=ON")
    else:
        pragmas += ["journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=1000", "journal_size_limit=16777216"]
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").fetchall()


class Database:
    """`write()` is one transaction of the one writer; `read()` is one consistent snapshot. Both from any thread."""

    def __init__(self, path: Path, *, committed: Callable[[], None] = lambda: None) -> None:
        if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < OLDEST_SQLITE:
            raise CannotStart(
                f"this Python carries SQLite {apsw.sqlite_lib_version()}, which can lose committed data",
                hint="Install the apsw package from the lock file: it brings a current SQLite.",
            )
        self.path = path
        self._committed = committed
        self._lock = threading.RLock()
        self._depth = 0
        self._writer = self._open(readonly=False)
        self._readers: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(READERS):
            self._readers.put(None)  # opened on first use

    def _open(self, *, readonly: bool) -> Connection:
        flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        try:
            connection = apsw.Connection(str(self.path), flags=flags)
            configure(connection, readonly=readonly)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise CannotStart(
                f"{self.path.name} is not a healthy SQLite database: {error}",
                hint="Nothing was changed. Restore the file from a backup; it is never made anew over an existing one.",
            ) from error
        except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError) as error:
            raise CannotStart(
                f"{self.path} cannot be opened: {error}", hint="Check that the folder exists and is writable."
            ) from error
        return connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """BEGIN IMMEDIATE … COMMIT with fsync; rolled back when the block raises. Not to be nested.

        Raises StorageFull when the disk is full and Unavailable when another process holds the write lock.
        """
        with self._lock:
            if self._depth:
                raise RuntimeError("write transactions do not nest: pass the connection down")
            self._depth = 1
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:
                        with suppress(apsw.Error):
                            self._writer.execute("ROLLBACK")
                    raise
            except (apsw.FullError, apsw.IOError) as error:
                raise StorageFull(
                    f"the database could not be written: {error}", hint="Free some disk space; work resumes by itself."
                ) from error
            except (apsw.BusyError, apsw.LockedError) as error:
                raise Unavailable(
                    "the database is locked by another process", hint="Close the other program and try again."
                ) from error
            finally:
                self._depth = 0
        self._committed()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        connection = self._readers.get()
        try:
            if connection is None:
                connection = self._open(readonly=True)
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
        finally:
            self._readers.put(connection)

    def migrate(self, backups: Path) -> tuple[int, int]:
        """Bring the schema up to date before anything else runs; (version before, version after)."""
        with self._lock:
            return migrate(self._writer, backups)

    def close(self) -> None:
        """Waits for the running transactions."""
        for _ in range(READERS):
            connection = self._readers.get()
            if connection is not None:
                connection.close()
        with self._lock:
            self._writer.close()


Row = dict[str, Any]


def many(connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None) -> list[Row]:
    """All rows, each as a dict. Fetches to the end: an unfinished RETURNING keeps the write lock."""
    cursor = connection.cursor()
    cursor.row_trace = _as_dict
    rows: list[Any] = cursor.execute(sql, bindings or {}).fetchall()
    return rows


def one(connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None) -> Row | None:
    rows = many(connection, sql, bindings)
    return rows[0] if rows else None


def run(connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None) -> int:
    """Execute one statement; how many rows it changed."""
    connection.execute(sql, bindings or {}).fetchall()
    return connection.changes()


def insert(connection: Connection, sql: str, bindings: Mapping[str, Any]) -> int:
    """Execute one INSERT; the new row's id."""
    connection.execute(sql, bindings).fetchall()
    return connection.last_insert_rowid()


def _as_dict(cursor: apsw.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.get_description(), row, strict=True)}

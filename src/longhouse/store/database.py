"""The connection to the one SQLite file: one writer, a few read-only readers; what a call returns from is durable."""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from longhouse.errors import CannotStart, StorageFailed, StorageFull, Unavailable
from longhouse.store.faults import DAMAGED_HINT, meaning
from longhouse.store.migrations import migrate

OLDEST_SQLITE = (3, 51, 3)
"""Older versions may carry a bug that resets the write-ahead log and loses what was committed."""
BUSY_MS = 5_000
"""How long a write waits for another process that holds the write lock. It waits twice as long for its turn here."""
CHECKPOINT_PAGES = 1_000
READERS = 4
CACHE_KIB = 1_024

Connection = apsw.Connection


def configure(connection: Connection, *, readonly: bool, busy_ms: int = BUSY_MS) -> None:
    connection.set_busy_timeout(busy_ms)
    pragmas = [f"cache_size=-{CACHE_KIB}", "foreign_keys=ON", "trusted_schema=OFF", "temp_store=MEMORY"]
    if readonly:
        pragmas.append("query_only=ON")
    else:
        pragmas.append("auto_vacuum=INCREMENTAL")  # before the first table: later it changes nothing
        pragmas += ["journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", "journal_size_limit=16777216"]
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").fetchall()


class Database:
    """`write()` is one transaction of the one writer; `read()` is one consistent snapshot. Both from any thread.

    `vfs` is the way that SQLite takes to the disk, by its name there; None is the platform's own.
    """

    def __init__(
        self,
        path: Path,
        *,
        committed: Callable[[], None] = lambda: None,
        busy_ms: int = BUSY_MS,
        vfs: str | None = None,
    ) -> None:
        if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < OLDEST_SQLITE:
            raise CannotStart(
                f"this Python carries SQLite {apsw.sqlite_lib_version()}, which can lose committed data",
                hint="Install the apsw package from the lock file: it brings a current SQLite.",
            )
        self.path = path
        self._vfs = vfs
        self.filled: Callable[[], None] = lambda: None
        """Called when a write met a full disk, before the error goes out."""
        self.failed: Callable[[], None] = lambda: None
        """Called once, when the disk or the file turned out to be broken: stop the server."""
        self.failure: StorageFailed | None = None
        self.checked = False
        """Since it was opened, every page of the file has been looked at."""
        self._committed = committed
        self._busy_ms = busy_ms
        self._lock = threading.RLock()
        self._depth = 0
        self._closed = False
        self._forked = False
        self._wal_pages = 0
        self._writer = self._open(readonly=False)
        self._writer.set_wal_hook(self._grown)
        self._readers: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(READERS):
            self._readers.put(None)  # opened on first use
        _open.add(self)

    def _open(self, *, readonly: bool) -> Connection:
        flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        connection: Connection | None = None
        try:
            connection = apsw.Connection(str(self.path), flags=flags, vfs=self._vfs)
            configure(connection, readonly=readonly, busy_ms=self._busy_ms)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise CannotStart(
                f"{self.path.name} is not a healthy SQLite database: {error}", hint=DAMAGED_HINT
            ) from error
        except apsw.Error as error:
            found = meaning(error, connection)
            if isinstance(found, Unavailable) and not isinstance(error, (apsw.BusyError, apsw.LockedError)):
                raise CannotStart(
                    f"{self.path} cannot be opened: {error}", hint="Check that the folder exists and is writable."
                ) from error
            if found is None:
                raise
            raise found from error
        return connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """BEGIN IMMEDIATE … COMMIT with fsync; rolled back when the block raises. Not to be nested.

        Raises StorageFull when the disk is full, Unavailable when another process holds the write lock, and
        StorageFailed, from then on always, when the disk or the file is broken.
        """
        self._refuse_fork()
        if not self._lock.acquire(timeout=2 * self._busy_ms / 1000):
            raise Unavailable("the database is busy: others wait for it already", hint="Try again in a moment.")
        try:
            if self._depth:
                raise RuntimeError("write transactions do not nest: pass the connection down")
            if self.failure is not None:
                raise StorageFailed(self.failure.message, hint=self.failure.hint)
            self._depth = 1
            try:
                with self._said(self._writer):
                    self._writer.execute("BEGIN IMMEDIATE")
                    try:
                        yield self._writer
                        self._writer.execute("COMMIT")
                    except BaseException:
                        if self._writer.in_transaction:
                            with suppress(apsw.Error):
                                self._writer.execute("ROLLBACK")
                        raise
            finally:
                self._depth = 0
            if self._wal_pages >= CHECKPOINT_PAGES:
                self._checkpoint()
        finally:
            self._lock.release()
        self._committed()

    def _grown(self, connection: Connection, schema: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """What SQLite would do by itself after a commit, keeping to itself that the disk failed. The commit stands."""
        try:
            with self._said(self._writer):
                self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (StorageFull, StorageFailed, Unavailable):
            pass  # the next commit tries again, or is refused

    @contextmanager
    def _said(self, connection: Connection) -> Iterator[None]:
        """SQLite's errors as ours; a full and a failing disk are told to whom it concerns."""
        try:
            yield
        except apsw.Error as error:
            found = meaning(error, connection)
            if found is None:
                raise
            if isinstance(found, StorageFull):
                self.filled()
            if isinstance(found, StorageFailed):
                self._fail(found)
            raise found from error

    def _fail(self, failure: StorageFailed) -> None:
        if self.failure is None:
            self.failure = failure
            with suppress(apsw.Error):  # what the kernel forgot must not be copied over what is good
                self._writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self.failed()

    def _refuse_fork(self) -> None:
        if self._forked:
            raise RuntimeError("this database was opened before a fork: the child must open its own")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Raises Unavailable, StorageFull (not even the shared memory file has room) and StorageFailed."""
        self._refuse_fork()
        if self._closed:
            raise Unavailable("the database is closed: the server is stopping")
        connection = self._readers.get()
        try:
            if connection is None:
                try:
                    connection = self._open(readonly=True)
                except CannotStart as error:
                    raise Unavailable(error.message, hint=error.hint) from error
            with self._said(connection):
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if connection.in_transaction:  # some errors have ended it already
                        connection.execute("ROLLBACK")
        finally:
            self._readers.put(connection)

    def check(self, *, whole: bool, stop: Callable[[], bool]) -> list[str] | None:
        """What is wrong with the file, nothing if it is sound; None if `stop` said so before the end.

        `whole` compares the indexes with their tables as well. A connection of its own: others go on meanwhile.
        """
        connection = self._open(readonly=True)
        try:
            connection.set_progress_handler(stop, 50_000)
            pragma = "integrity_check" if whole else "quick_check"
            found = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}(10)")]
        except apsw.InterruptError:
            return None
        except (apsw.CorruptError, apsw.NotADBError) as error:
            return [str(error)]
        finally:
            connection.close()
        return [] if found == ["ok"] else found

    def migrate(self, backups: Path) -> tuple[int, int]:
        """Bring the schema up to date before anything else runs; (version before, version after)."""
        with self._lock, self._said(self._writer):
            return migrate(self._writer, backups)

    def close(self) -> None:
        """Waits for the running transactions. Closed already: does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for _ in range(READERS):
            connection = self._readers.get()
            if connection is not None:
                connection.close()
        with self._lock:
            self._writer.close()


_open: weakref.WeakSet[Database] = weakref.WeakSet()


def _after_fork() -> None:
    """SQLite's locks belong to the process that took them: a connection carried over a fork corrupts the file."""
    for database in _open:
        database._forked = True


os.register_at_fork(after_in_child=_after_fork)

Row = dict[str, Any]


def many(connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None) -> list[Row]:
    """All rows, each as a dict. Fetches to the end: an unfinished RETURNING keeps the write lock."""
    cursor = connection.execute(sql, bindings or {})
    try:
        names = [column[0] for column in cursor.get_description()]
    except apsw.ExecutionCompleteError:  # there is no row
        return []
    return [dict(zip(names, row, strict=True)) for row in cursor]


def one(connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None) -> Row | None:
    rows = many(connection, sql, bindings)
    return rows[0] if rows else None


@contextmanager
def all_or_nothing(connection: Connection) -> Iterator[None]:
    """Part of a transaction that is undone by itself when it raises; the rest of it goes on."""
    connection.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO part")
        raise
    finally:
        if connection.in_transaction:
            connection.execute("RELEASE part")


def run(connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None) -> int:
    """Execute one statement; how many rows it changed."""
    connection.execute(sql, bindings or {}).fetchall()
    return connection.changes()


def insert(connection: Connection, sql: str, bindings: Mapping[str, Any]) -> int:
    """Execute one INSERT; the new row's id."""
    connection.execute(sql, bindings).fetchall()
    return connection.last_insert_rowid()

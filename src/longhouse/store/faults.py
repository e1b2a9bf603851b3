"""What SQLite's errors mean to people: a full disk passes, a lock passes, a disk that fails does not."""

from __future__ import annotations

import errno

import apsw

from longhouse.errors import LonghouseError, StorageFailed, StorageFull, Unavailable

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
FAILING = frozenset(
    {
        apsw.SQLITE_IOERR_FSYNC,
        apsw.SQLITE_IOERR_DIR_FSYNC,
        apsw.SQLITE_IOERR_WRITE,
        apsw.SQLITE_IOERR_READ,
        apsw.SQLITE_IOERR_SHORT_READ,
        apsw.SQLITE_IOERR_CORRUPTFS,
        apsw.SQLITE_IOERR_DATA,
    }
)
UNSYNCED = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})
"""After these nobody knows what is on the disk, whatever the reason: the kernel says it once and then forgets."""

FULL = "the disk is full: the database could not be written"
FULL_HINT = "Free some disk space; work resumes by itself."
FAILED_HINT = (
    "Nothing that was not on disk has been acknowledged. Look at the disk (dmesg, smartctl), and start again when it is"
    " sound; the database is checked then."
)
DAMAGED_HINT = (
    "Nothing was changed. Stop the server and restore the database from a backup, together with its -wal file if it has"
    " one; it is never made anew over an existing one."
)


def meaning(error: apsw.Error, connection: apsw.Connection | None) -> LonghouseError | None:
    """The error of ours that says what happened; None for mistakes in our own statements."""
    code = getattr(error, "extendedresult", 0)
    reason = connection.system_errno if connection is not None else 0
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return StorageFailed(f"the database is damaged: {error}", hint=DAMAGED_HINT)
    if code in UNSYNCED:
        return StorageFailed("the disk failed to write the database through (fsync)", hint=FAILED_HINT)
    if isinstance(error, apsw.FullError) or (
        isinstance(error, (apsw.IOError, apsw.CantOpenError)) and reason in NO_SPACE
    ):
        return StorageFull(FULL, hint=FULL_HINT)
    if code in FAILING:
        return StorageFailed(f"the disk failed: {error}", hint=FAILED_HINT)
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return Unavailable("the database is locked by another process", hint="Close the other program and try again.")
    if isinstance(error, (apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError)):
        return Unavailable(
            f"the database cannot be used now: {error}", hint="Look at its folder: rights, open files, memory."
        )
    return None

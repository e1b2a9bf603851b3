"""The schema survives being cut short, and is never read by a program that is too old for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from longhouse.errors import CannotStart
from longhouse.store import database, migrations
from longhouse.store.database import Database

CUT = """
import os, signal, sys
import apsw
from longhouse.store import migrations
from pathlib import Path

left = int(sys.argv[2])
connection = apsw.Connection(sys.argv[1])
connection.execute("PRAGMA journal_mode=WAL").fetchall()

def count(cursor, statement, bindings):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return True

connection.exec_trace = count
migrations.migrate(connection, Path(sys.argv[1]).parent / "backups")
"""


def schema(path: Path) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(path))
    try:
        return sorted(connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))
    finally:
        connection.close()


def migrated(path: Path) -> tuple[int, int]:
    connection = apsw.Connection(str(path))
    try:
        return migrations.migrate(connection, path.parent / "backups")
    finally:
        connection.close()


def test_steps_are_numbered_without_gaps():
    assert [version for version, _ in migrations.steps()] == list(range(1, len(migrations.steps()) + 1))


def test_a_kill_at_any_statement_leaves_the_old_version_or_the_new_one(tmp_path: Path):
    whole = tmp_path / "whole.db"
    migrated(whole)
    expected, cuts = schema(whole), 0
    for point in range(1, 500):
        path = tmp_path / f"{point}.db"
        ended = subprocess.run([sys.executable, "-c", CUT, str(path), str(point)], check=False)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        cuts += 1
        before, after = migrated(path)
        assert (before, after) in {(0, 1), (1, 1)}
        assert schema(path) == expected
        for left in tmp_path.glob(f"{point}.db*"):
            os.unlink(left)
    assert cuts > 20


def test_a_step_that_fails_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.db"
    migrated(path)
    before = schema(path)
    bad = [*migrations.steps(), (2, "CREATE TABLE extra (x); CREATE TABLE jobs (x);")]
    monkeypatch.setattr(migrations, "steps", lambda: bad)
    with pytest.raises(apsw.SQLError):
        migrated(path)
    assert schema(path) == before
    copy = tmp_path / "backups" / "before-schema-2.db"
    assert schema(copy) == before, "a copy is taken before an existing database is changed"


def test_a_newer_database_is_refused(tmp_path: Path):
    path = tmp_path / "a.db"
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(CannotStart, match="schema version 999"):
        migrated(path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "a.db"
    path.write_bytes(b"not a database, but somebody's file" * 100)
    before = path.read_bytes()
    with pytest.raises(CannotStart, match="not a healthy SQLite database"):
        Database(path)
    assert path.read_bytes() == before


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(CannotStart, match="can lose committed data"):
        Database(tmp_path / "a.db")


def test_a_page_cannot_write(tmp_path: Path):
    db = Database(tmp_path / "a.db")
    db.migrate(tmp_path / "backups")
    with db.read() as connection, pytest.raises(apsw.ReadOnlyError):
        connection.execute("INSERT INTO settings (key, value) VALUES ('a', '1')").fetchall()
    db.close()


def test_writes_are_flushed_to_the_disk_before_they_return(tmp_path: Path):
    db = Database(tmp_path / "a.db")
    with db.write() as connection:
        assert connection.pragma("synchronous") == 2
        assert connection.pragma("journal_mode") == "wal"
    db.close()

"""Reading the database of an instance from beside it: nothing is written, not even a file for the reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from longhouse.errors import Unavailable
from longhouse.store.database import Connection, configure


@contextmanager
def look(path: Path) -> Iterator[Connection]:
    """One consistent snapshot, whether a server runs or not. Raises Unavailable.

    Where nobody has it open there is no log beside it, and a reader would make one: the file is read as it stands.
    """
    alone = not Path(f"{path}-wal").exists()
    connection: apsw.Connection | None = None
    try:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(f"{path.absolute().as_uri()}{'?immutable=1' if alone else ''}", flags=flags)
        configure(connection, readonly=True)
        connection.execute("BEGIN")
        yield connection
    except apsw.Error as error:
        raise Unavailable(f"{path.name} cannot be read: {error}") from error
    finally:
        if connection is not None:
            connection.close()

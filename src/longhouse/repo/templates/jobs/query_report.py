"""A query to a database, and its answer as a CSV file and a page to read."""

from __future__ import annotations

import csv
import html
import io
import sqlite3
import urllib.parse
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerg.outcomes import Degraded

if TYPE_CHECKING:
    from zerg.context import Context

MOST_SHOWN = 1_000
"""Rows on the page; the CSV file has all of them."""


def run(ctx: Context, query: str, title: str = "Report", least_rows: int = 0, most_rows: int = 100_000) -> Any:
    """Finishes with a warning when there are fewer rows than `least_rows`, or more than `most_rows`.

    The secret DATABASE_DSN says where: `sqlite:////path/to/file.db`, or `postgresql://user:password@host/name`, which
    also needs the line `psycopg[binary]` in requirements.txt.
    """
    dsn = ctx.require_secret("DATABASE_DSN")
    ctx.progress(0, 2, "asking")
    columns, rows = ask(dsn, query, most_rows + 1)
    cut = len(rows) > most_rows
    rows = rows[:most_rows]
    print(f"{len(rows)} rows of {len(columns)} columns: {', '.join(columns)}")

    ctx.progress(1, 2, "writing")
    ctx.artifact("report.csv", as_csv(columns, rows), "text/csv")
    ctx.artifact("report.html", as_html(title, columns, rows), "text/html")
    ctx.progress(2, 2, "done")
    result = {"rows": len(rows), "columns": list(columns)}
    if cut:
        return Degraded(f"there are more than {most_rows} rows; the report has the first of them", result)
    if len(rows) < least_rows:
        return Degraded(f"{len(rows)} rows, fewer than {least_rows}", result)
    return result


def ask(dsn: str, query: str, most: int) -> tuple[Sequence[str], list[Sequence[Any]]]:
    """Column names and rows, read without a way to change anything."""
    kind = dsn.partition(":")[0]
    if kind == "sqlite":
        return ask_sqlite(dsn, query, most)
    if kind in ("postgresql", "postgres"):
        return ask_postgres(dsn, query, most)
    raise ValueError(f"DATABASE_DSN begins with {kind[:20]!r}; sqlite: and postgresql: are known")


def ask_sqlite(dsn: str, query: str, most: int) -> tuple[Sequence[str], list[Sequence[Any]]]:
    path = Path(urllib.parse.unquote(urllib.parse.urlsplit(dsn).path.removeprefix("/")))
    if not path.is_file():
        raise ValueError("the file that DATABASE_DSN names is not there; four slashes begin an absolute path")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        cursor = connection.execute(query)
        return [str(each[0]) for each in cursor.description or ()], cursor.fetchmany(most)


def ask_postgres(dsn: str, query: str, most: int) -> tuple[Sequence[str], list[Sequence[Any]]]:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise RuntimeError(
            "add the line psycopg[binary] to requirements.txt: this job needs it for PostgreSQL"
        ) from None
    with psycopg.connect(dsn, connect_timeout=15) as connection:
        connection.read_only = True
        cursor = connection.execute(query)
        return [str(each[0]) for each in cursor.description or ()], cursor.fetchmany(most)


def as_csv(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(columns)
    written.writerows(rows)
    return text.getvalue().encode()


STYLE = """
body { font: 15px system-ui; margin: 2em }
table { border-collapse: collapse }
th, td { border: 1px solid #ccc; padding: 4px 8px; text-align: left }
"""


def as_html(title: str, columns: Iterable[str], rows: Sequence[Sequence[Any]]) -> bytes:
    head = "".join(f"<th>{html.escape(each)}</th>" for each in columns)
    lines = ("".join(f"<td>{html.escape(cell(each))}</td>" for each in row) for row in rows[:MOST_SHOWN])
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    note = f"<p>The first {MOST_SHOWN} of {len(rows)} rows.</p>" if len(rows) > MOST_SHOWN else ""
    name = html.escape(title)
    return (
        f"<!doctype html><meta charset=utf-8><title>{name}</title><style>{STYLE}</style>"
        f"<h1>{name}</h1>{note}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    ).encode()


def cell(value: Any) -> str:
    return "" if value is None else str(value)

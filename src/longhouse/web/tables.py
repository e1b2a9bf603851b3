"""CSV and JSON as tables: bounded, every number as it was written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ROWS = 200
COLUMNS = 50
LONGEST_CELL = 1_000
DELIMITERS = ",;\t|"


class Number(str):
    """A number of a JSON text, in the digits it came in."""


@dataclass(frozen=True)
class Table:
    head: list[str]
    rows: list[list[str]]
    more_rows: bool
    more_columns: bool


class NotJson(ValueError):
    """It is no JSON, or nested too deeply to be looked at."""


def read_json(text: str) -> Any:
    """Raises NotJson."""
    try:
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error


def pretty(value: Any, limit: int) -> str:
    """JSON over several lines, at most `limit` characters of it and a little more. Raises NotJson."""
    parts: list[str] = []
    size = 0
    try:
        for part in _written(value, "\n"):
            parts.append(part)
            size += len(part)
            if size > limit:
                break
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    return "".join(parts)


def _written(value: Any, line: str) -> Iterable[str]:
    inner = f"{line}  "
    if isinstance(value, dict) and value:
        for number, (key, each) in enumerate(value.items()):
            yield f"{',' if number else '{'}{inner}{json.dumps(key, ensure_ascii=False)}: "
            yield from _written(each, inner)
        yield f"{line}}}"
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield f"{',' if number else '['}{inner}"
            yield from _written(each, inner)
        yield f"{line}]"
    else:
        yield value if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def of_value(value: Any) -> Table | None:
    """A list of objects or of lists, or one flat object, as a table; None for what is better read as it is."""
    if isinstance(value, dict):
        if not value or any(isinstance(each, dict | list) for each in value.values()):
            return None
        return _table(["Name", "Value"], ([key, cell(each)] for key, each in value.items()), 2)
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(each, dict) for each in value):
        names = list(dict.fromkeys(key for each in value[: ROWS + 1] for key in each))
        return _table(names, ([cell(each[name]) if name in each else "" for name in names] for each in value))
    if all(isinstance(each, list) for each in value):
        width = max(len(each) for each in value[: ROWS + 1])
        return _table([str(number) for number in range(1, width + 1)], ([cell(one) for one in each] for each in value))
    return None


def of_csv(text: str, *, cut: bool) -> Table | None:
    """`cut`: only the beginning of the file, so its last line may not be whole. None: it is no table."""
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    if cut:
        text = text[: text.rfind("\n") + 1]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        head = next(rows, None)
        return _table(head, rows) if head else None
    except csv.Error:
        return None


def _table(head: list[str], rows: Iterable[list[str]], columns: int = COLUMNS) -> Table:
    kept: list[list[str]] = []
    more_rows, width = False, len(head)
    for row in rows:
        if len(kept) == ROWS:
            more_rows = True
            break
        width = max(width, len(row))
        kept.append([_short(each) for each in row[:columns]])
    wide = min(width, columns)
    head = [_short(each) for each in head[:columns]]
    return Table(_filled(head, wide), [_filled(row, wide) for row in kept], more_rows, width > columns)


def _filled(row: list[str], width: int) -> list[str]:
    return row + [""] * (width - len(row))


def cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        try:
            return "".join(" ".join(part.split()) for part in _written(value, ""))
        except RecursionError:
            return "…"
    return "" if value is None else json.dumps(value)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]} …"

"""The events file: a JSON array of {user_id, event_name, timestamp}, read in pieces: size costs only time."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn

from growth.errors import Fault, InputRefused
from growth.moments import event_moment
from jobforge.errors import Refused
from jobforge.strict import parse

PIECE: Final = 4 * 1024 * 1024  # bytes read at a time
LARGEST_EVENT: Final = 64 * 1024 * 1024

_SPACE = b" \t\n\r"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{\]},]', re.DOTALL)


class Event(NamedTuple):
    """`user` keeps its kind: 1 and "1" are two users."""

    user: str | float
    name: str
    moment: int


def read_events(path: Path, *, named_by: str) -> Iterator[Event]:
    """Every event in file order; the first that is not one is refused by its number."""
    number = 0
    for item in _items(path, named_by):
        yield _event(item, number, path)
        number += 1
    if number == 0:
        raise InputRefused(
            f"{path} ({named_by}) holds no event.", hint="A funnel needs at least one event.", code="growth.no_events"
        )


def _event(item: Any, number: int, path: Path) -> Event:
    if not isinstance(item, dict):
        _refuse(path, f"/{number}", "is not an object with user_id, event_name and timestamp")
    user, name = item.get("user_id"), item.get("event_name")
    if not isinstance(user, str | int | float) or isinstance(user, bool) or user == "":
        _refuse(path, f"/{number}/user_id", "is missing" if user is None else "is neither text nor a number")
    if not isinstance(name, str) or not name:
        _refuse(path, f"/{number}/event_name", "is missing" if name is None else "is not a text")
    moment = event_moment(item.get("timestamp"))
    if moment is None:
        missing = item.get("timestamp") is None
        _refuse(path, f"/{number}/timestamp", "is missing" if missing else "is not a point in time (ISO 8601)")
    return Event(user if isinstance(user, str) else float(user), name, moment)


def _refuse(path: Path, pointer: str, sentence: str) -> NoReturn:
    raise InputRefused(
        f"{path}{' at ' if pointer else ' '}{pointer}{': ' if pointer else ''}{sentence}.",
        hint='An event is an object like {"user_id": "u1", "event_name": "view", "timestamp": "2024-01-31T12:00:00Z"}.',
        code="growth.invalid_events",
        faults=(Fault(pointer, sentence),),
    )


def _items(path: Path, named_by: str) -> Iterator[Any]:
    try:
        if path.exists() and not path.is_file():
            raise InputRefused(f"{path} ({named_by}) is not a file.", hint="Name a JSON file of events.")
        with path.open("rb") as stream:
            yield from _array(stream, path)
    except (OSError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not usable"
        raise InputRefused(
            f"{path} ({named_by}) cannot be read: {reason}.",
            hint="Relative paths are resolved against the working directory.",
            code="growth.file_missing",
        ) from error


def _array(stream: BinaryIO, path: Path) -> Iterator[Any]:
    """Cuts the array at commas between its items and hands each run of whole items to the strict parser."""
    number = 0
    data = stream.read(PIECE)
    while data and not data.strip(_SPACE):
        data = stream.read(PIECE)
    opening = data.lstrip(_SPACE)
    if not opening.startswith(b"["):
        _strict(data if len(data) < PIECE else data[:PIECE] + stream.read(), path, 0)
        _refuse(path, "", "is not an array of events")
    data = opening[1:]
    while more := stream.read(PIECE):
        data += more
        end = _last_item_end(data)
        if end is None:
            if len(data) > LARGEST_EVENT:
                _refuse(
                    path, f"/{number}", f"is larger than {LARGEST_EVENT // 2**20} MiB, or an earlier text has no end"
                )
            continue
        items = _quick(data[:end])
        if items is None:
            end = _exact_end(data)
            if end == 0:
                continue
            items = _strict(b"[" + data[:end] + b"]", path, number)
        yield from items
        number += len(items)
        data = data[end + 1 :]
        if not data.strip(_SPACE):
            data += stream.read(1) or _refuse(path, f"/{number}", "is missing after a comma")
    closed = data.rstrip(_SPACE)
    if number and closed == b"]":
        _refuse(path, f"/{number}", "is missing after a comma")
    yield from _strict(b"[" + data, path, number)


def _last_item_end(data: bytes) -> int | None:
    """Where the last comma after a closing brace is: mostly the end of an event, sometimes inside one."""
    brace = len(data)
    while (brace := data.rfind(b"}", 0, brace)) >= 0:
        after = data[brace + 1 : brace + 65].lstrip(_SPACE)
        if after.startswith(b","):
            return data.index(b",", brace)
    return None


def _quick(data: bytes) -> list[Any] | None:
    try:
        items = parse(b"[" + data + b"]", max_nodes=LARGEST_EVENT)
    except Refused:
        return None
    return items if isinstance(items, list) else None


def _exact_end(data: bytes) -> int:
    """The last comma between two items, found by walking over texts and brackets; 0 if no item is whole."""
    level = end = 0
    for token in _TOKEN.finditer(data):
        mark = token[0]
        if mark in (b"[", b"{"):
            level += 1
        elif mark in (b"]", b"}"):
            level -= 1
        elif mark == b"," and level == 0:
            end = token.start()
    return end


def _strict(data: bytes, path: Path, number: int) -> list[Any]:
    try:
        items = parse(data, max_bytes=LARGEST_EVENT * 2, max_nodes=LARGEST_EVENT)
    except Refused as refused:
        first, _, rest = refused.pointer.removeprefix("/").partition("/")
        pointer = f"/{number + int(first)}{'/' if rest else ''}{rest}" if first.isdigit() else refused.pointer
        message = re.sub(r" \(line \d+, column \d+\)", "", refused.message) if number else refused.message
        raise InputRefused(
            f"{path} at {pointer or 'its beginning'}: {message}",
            hint=refused.hint,
            code="growth.not_json",
            faults=(Fault(pointer, message),),
        ) from refused
    if not isinstance(items, list):
        _refuse(path, "", "is not an array of events")
    return items

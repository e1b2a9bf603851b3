"""A disk that loses power: it notes every write and sync of SQLite, and can tell what may be left after a cut.

What was written before the last sync of its file is there. Of what came after it, anything may be: nothing, all, the
beginning, or any of the writes in any order, and each of those whole or in part, by sectors.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTORS = (512, 4096)


@dataclass(frozen=True)
class Written:
    file: str
    at: int
    data: bytes

    def onto(self, content: bytearray) -> None:
        missing = self.at + len(self.data) - len(content)
        if missing > 0:
            content.extend(bytes(missing))
        content[self.at : self.at + len(self.data)] = self.data

    def torn(self, chance: random.Random) -> list[Change]:
        """Some of its sectors, or none."""
        size = chance.choice(SECTORS)
        first = self.at // size * size
        parts: list[Change] = []
        for at in range(first, self.at + len(self.data), size):
            if chance.random() < 0.5:
                start, end = max(at, self.at), min(at + size, self.at + len(self.data))
                parts.append(Written(self.file, start, self.data[start - self.at : end - self.at]))
        return parts


@dataclass(frozen=True)
class Truncated:
    file: str
    size: int

    def onto(self, content: bytearray) -> None:
        del content[self.size :]

    def torn(self, chance: random.Random) -> list[Change]:
        return []


Change = Written | Truncated


@dataclass(frozen=True)
class Synced:
    file: str


@dataclass(frozen=True)
class Acknowledged:
    """Somebody was told so, and relies on it."""

    fact: tuple[Any, ...]


Event = Change | Synced | Acknowledged


class Disk(apsw.VFS):
    """The platform's own way to the disk, and a note of each step."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Event] = []
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> NotedFile:
        return NotedFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.events.append(Truncated(Path(filename).name, 0))
        super().xDelete(filename, syncdir)


class NotedFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._file = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        super().xWrite(data, offset)
        self._disk.events.append(Written(self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._disk.events.append(Truncated(self._file, size))

    def xSync(self, flags: int) -> None:
        self._disk.events.append(Synced(self._file))  # what is on the real disk is of no interest


@dataclass
class Cuts:
    """Walks through what was noted, from one instant to a later one, and says what a cut may leave there."""

    events: list[Event]
    start: dict[str, bytes]
    """What was on the disk when the notes began."""
    facts: list[tuple[Any, ...]] = field(default_factory=list)
    """All that was acknowledged up to the instant."""
    _at: int = 0
    _durable: dict[str, bytearray] = field(default_factory=dict)
    _pending: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._durable = {name: bytearray(content) for name, content in self.start.items()}

    def go_to(self, instant: int) -> None:
        for event in self.events[self._at : instant]:
            if isinstance(event, Acknowledged):
                self.facts.append(event.fact)
            elif isinstance(event, Synced):
                for change in self._pending:
                    if change.file == event.file:
                        change.onto(self._durable.setdefault(change.file, bytearray()))
                self._pending = [change for change in self._pending if change.file != event.file]
            else:
                self._pending.append(event)
        self._at = max(self._at, instant)

    def left(self, chance: random.Random) -> dict[str, bytearray]:
        """One of the images that the disk may hold if the power fails now."""
        image = {name: bytearray(content) for name, content in self._durable.items()}
        for change in self._surviving(chance):
            change.onto(image.setdefault(change.file, bytearray()))
        return image

    def _surviving(self, chance: random.Random) -> list[Change]:
        way = chance.choice(("none", "all", "beginning", "any", "any", "torn"))
        if way == "none":
            return []
        if way == "all":
            return self._pending
        if way == "beginning":
            kept = self._pending[: chance.randint(0, len(self._pending))]
            return kept[:-1] + (kept[-1].torn(chance) if kept else [])
        if way == "any":
            return [change for change in self._pending if chance.random() < 0.5]
        return [part for change in self._pending for part in change.torn(chance)]

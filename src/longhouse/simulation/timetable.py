"""All due times of a span, by windows of five minutes. Times are milliseconds since the epoch, UTC."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from longhouse.triggers import Trigger

WINDOW = 300_000
DAY = 86_400_000
DENSE = 24
"""More due times than this in a day: the schedule is part of what the windows of many days have in common."""

Offsets = tuple[int, ...]
Items = tuple[tuple[int, Offsets], ...]
"""(number of the trigger, its due times in milliseconds after the window's start)"""


@dataclass(frozen=True)
class Window:
    start: int
    common: int
    """Windows with equal numbers have equal `dense` items."""
    dense: Items
    sparse: Items

    @property
    def items(self) -> Items:
        return self.dense + self.sparse


class Timetable:
    """The due times of `triggers` in [start, end). Equal days and windows are one object, whoever they belong to."""

    def __init__(self, triggers: Sequence[Trigger], start: int, end: int) -> None:
        self.start, self.end = start, end
        self._known: dict[Offsets, Offsets] = {}
        self._cut: dict[int, dict[int, Offsets]] = {}
        self._commons: dict[Items, int] = {}
        self._dense: dict[tuple[tuple[int, int], ...], list[tuple[int, Items]]] = {}
        self.days = [self._by_day(trigger) for trigger in triggers]
        """Of each trigger: by UTC day, the due times in milliseconds after midnight."""

    def _by_day(self, trigger: Trigger) -> dict[int, Offsets]:
        whole: dict[tuple[int, int], list[tuple[int, Offsets]]] = {}
        kept, parts = [], defaultdict[int, list[Offsets]](list)
        for moment, offsets in trigger.days(self.start - 1, self.end - 1):
            kept.append(offsets)  # an id means something only while its object lives
            day, shift = divmod(moment, DAY)
            if (id(offsets), shift) not in whole:
                whole[id(offsets), shift] = self._split(offsets, shift)
            for later, piece in whole[id(offsets), shift]:
                parts[day + later].append(piece)
        first, last = self.start // DAY, (self.end - 1) // DAY
        joined: dict[tuple[int, ...], Offsets] = {}
        found = {}
        for day in sorted(parts):
            if first <= day <= last:
                key = tuple(map(id, parts[day]))
                if key not in joined:
                    joined[key] = self._one(tuple(sorted({offset for piece in parts[day] for offset in piece})))
                found[day] = self._clipped(day, joined[key])
        return found

    def _split(self, offsets: Offsets, shift: int) -> list[tuple[int, Offsets]]:
        """Due times of a local day that begins `shift` after a UTC midnight, by UTC day."""
        shifted = [shift + offset for offset in offsets]
        pieces = []
        for later in range(shifted[-1] // DAY + 1 if shifted else 0):
            low, high = bisect_left(shifted, later * DAY), bisect_left(shifted, (later + 1) * DAY)
            if low < high:
                pieces.append((later, self._one(tuple(each - later * DAY for each in shifted[low:high]))))
        return pieces

    def _clipped(self, day: int, offsets: Offsets) -> Offsets:
        low, high = self.start - day * DAY, self.end - day * DAY
        if low <= 0 and high >= DAY:
            return offsets
        return self._one(tuple(offset for offset in offsets if low <= offset < high))

    def _one(self, offsets: Offsets) -> Offsets:
        return self._known.setdefault(offsets, offsets)

    # --- looking ----------------------------------------------------------------------------------------------------

    def count(self, trigger: int) -> int:
        return sum(map(len, self.days[trigger].values()))

    def fingerprint(self, trigger: int) -> int:
        """Triggers with equal ones have exactly the same due times."""
        return hash(tuple((day, offsets) for day, offsets in self.days[trigger].items() if offsets))

    def windows(self) -> Iterator[Window]:
        """In order, every one of them, empty ones too."""
        for day in range(self.start // DAY, (self.end - 1) // DAY + 1):
            dense, sparse = [], defaultdict[int, list[tuple[int, Offsets]]](list)
            for number, days in enumerate(self.days):
                offsets = days.get(day)
                if not offsets:
                    continue
                if len(offsets) > DENSE:
                    dense.append((number, id(offsets)))
                else:
                    for window, within in self._windows(offsets).items():
                        sparse[window].append((number, within))
            for window, (common, items) in enumerate(self._common(day, tuple(dense))):
                start = day * DAY + window * WINDOW
                if start + WINDOW > self.start and start < self.end:
                    yield Window(start, common, items, tuple(sparse.get(window, ())))

    def _common(self, day: int, dense: tuple[tuple[int, int], ...]) -> list[tuple[int, Items]]:
        if dense not in self._dense:
            whole: list[list[tuple[int, Offsets]]] = [[] for _ in range(DAY // WINDOW)]
            for number, _ in dense:
                for window, within in self._windows(self.days[number][day]).items():
                    whole[window].append((number, within))
            items = [tuple(each) for each in whole]
            self._dense[dense] = [(self._commons.setdefault(each, len(self._commons)), each) for each in items]
        return self._dense[dense]

    def _windows(self, offsets: Offsets) -> dict[int, Offsets]:
        found = self._cut.get(id(offsets))
        if found is None:
            cut = defaultdict[int, list[int]](list)
            for offset in offsets:
                cut[offset // WINDOW].append(offset % WINDOW)
            found = self._cut[id(offsets)] = {window: self._one(tuple(within)) for window, within in cut.items()}
        return found

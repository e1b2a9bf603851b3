"""What the timeline has worked out and can use again. Bounded; forgetting costs only time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from longhouse.simulation.plan import Plan
from longhouse.triggers import Trigger

Value = TypeVar("Value")


class Shelf(Generic[Value]):
    """The `most` newest values."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            return self._values.get(key)

    def get_all(self, keys: Iterable[Hashable]) -> list[Value | None]:
        with self._lock:
            return [self._values.get(key) for key in keys]

    def put(self, key: Hashable, value: Value) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

    def of(self, key: Hashable, make: Callable[[], Value]) -> Value:
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found


@dataclass(frozen=True)
class Facts:
    """What the timeline needs of a job's settings."""

    trigger: Trigger | None
    text: str
    """What a filter looks into: id, project and tags, in small letters."""
    group: str | None
    group_limit: int


class Outlook:
    def __init__(self) -> None:
        self.facts = Shelf[Facts](5_000)
        """By job id and version."""
        self.plans = Shelf[Plan](6)
        self.planned = Shelf[tuple[int, ...]](6)
        """Due times of each day."""
        self.hours = Shelf[tuple[int, ...]](1_000)
        """Of hours that are over: the most runs at once in each step."""
        self.counts = Shelf[dict[str, int]](400)
        """Of days that are over: runs by state."""
        self._newest = 0

    def look(self, now: int) -> None:
        """To be called first. If the clock was set back, what is over may not be over yet."""
        if now < self._newest:
            self.forget_runs()
        self._newest = now

    def forget_runs(self) -> None:
        """What is over has changed: runs are no longer there."""
        self.hours.clear()
        self.counts.clear()

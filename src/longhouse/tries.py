"""Wrong logins, counted by account and by peer; each further one makes that key wait twice as long."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from longhouse.errors import TooMany

FREE_TRIES = 5
MAX_DELAY_SECONDS = 900
MAX_PEERS = 10_000
BY_LINK = "A login link works, too. The machine itself makes one: longhouse-jobs login-link"


class TooManyLogins(TooMany):
    """Wrong passwords make the next try wait, twice as long each time."""

    code = "login.too_many"


class Tries:
    """In memory: a flood writes nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[int, float]] = {}

    def take(self, keys: tuple[str, ...], now: float) -> None:
        """Count a try as wrong until `forget` says otherwise, so that parallel ones count too. Raises TooManyLogins."""
        with self._lock:
            wait = max(self._keys.get(key, (0, now))[1] for key in keys) - now
            if wait > 0:
                raise TooManyLogins(
                    f"too many wrong logins; the next try is possible in {int(wait) + 1} s",
                    hint=BY_LINK,
                    retry_after_seconds=int(wait) + 1,
                )
            for key in keys:
                count = self._keys.pop(key, (0, now))[0] + 1
                delay = min(2.0 ** (count - FREE_TRIES), MAX_DELAY_SECONDS) if count > FREE_TRIES else 0.0
                self._keys[key] = (count, now + delay)
            while len(self._keys) > MAX_PEERS:
                self._keys.pop(next(iter(self._keys)))

    def forget(self, keys: tuple[str, ...]) -> None:
        with self._lock:
            for key in keys:
                self._keys.pop(key, None)


_tries: WeakKeyDictionary[object, Tries] = WeakKeyDictionary()
_tries_lock = threading.Lock()


def tries_of(instance: object) -> Tries:
    """Those of one instance, known by its open database."""
    with _tries_lock:
        return _tries.setdefault(instance, Tries())

"""A loop is a step and a bell. The only `except Exception` of the engine is here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from longhouse.feed import Bell

AFTER_FAILURE_SECONDS = 1.0
JOIN_SECONDS = 5.0


@dataclass
class Loop:
    """Calls `step` at once and then whenever the bell rings or the seconds that the last step returned have passed
    (None: only the bell). A failed step is reported and tried again a second later."""

    name: str
    step: Callable[[], float | None]
    report: Callable[[str, Exception], None]
    bell: Bell = field(default_factory=Bell)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self.run, name=self.name, daemon=True)
        self._thread.start()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self.step()
            except Exception as error:
                self.report(self.name, error)
                pause = AFTER_FAILURE_SECONDS
            if not self._stopping.is_set():
                self.bell.wait(pause)

    def stop(self) -> None:
        self._stopping.set()
        self.bell.ring()

    def join(self) -> bool:
        """Wait for the step that runs; False if it did not end within 5 s."""
        if self._thread is None:
            return True
        self._thread.join(JOIN_SECONDS)
        return not self._thread.is_alive()

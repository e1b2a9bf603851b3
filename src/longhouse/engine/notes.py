"""What a running job says about itself: progress, state, artifacts, log lines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longhouse.engine.capture import Capture
from longhouse.errors import StorageFull, Unavailable
from longhouse.frames import Stream
from longhouse.house import House
from longhouse.masking import Masker
from longhouse.queue import Claimed
from longhouse.store import events, jobs, runs
from longhouse.store.database import Connection
from zerg._message import Message
from zerg._wire import MAX_STATE_BYTES, Artifact, Finished, Logged, Progress, StateSet, size_of_state

PROGRESS_SECONDS = 0.5
"""Progress is written at most this often; the last word always."""


@dataclass
class Notes:
    house: House
    claimed: Claimed
    artifacts: Path
    capture: Capture
    masker: Masker
    """What is kept of the job's words holds no secret."""
    _pending: dict[tuple[str, str], StateSet | Artifact] = field(default_factory=dict)
    """What is not written yet: the disk is full, or the database locked. Later words replace earlier ones."""
    _progress: Progress | None = None
    _written_at: float = field(default=float("-inf"))

    def state(self) -> dict[str, Any]:
        """What `ctx.state` starts with. A trial sees the job's state and leaves it alone."""
        with self.house.db.read() as db:
            return jobs.state(db, self.claimed.run.job_id)

    def take(self, messages: Sequence[Message]) -> Finished | None:
        """Keep what the messages say; the final one, if it is among them."""
        final = None
        for message in messages:
            if isinstance(message, Finished):
                final = self._masked(message)
            elif isinstance(message, Progress):
                self._progress = message.replace(text=self.masker.text(message.text))
            elif isinstance(message, Logged):
                self.capture.write(Stream.LOG, f"{message.level}: {message.text}\n".encode(errors="surrogateescape"))
            elif isinstance(message, StateSet):
                self._remember(message)
            elif isinstance(message, Artifact):
                self._pending["artifact", message.name] = message.replace(name=self.masker.text(message.name))
        with suppress(StorageFull, Unavailable):  # the end of the attempt tries again until it is written
            self.keep()
        if self.house.clock.monotonic() - self._written_at >= PROGRESS_SECONDS:
            self.flush()
        return final

    def _masked(self, said: Finished) -> Finished:
        mask = self.masker.text
        return said.replace(
            message=mask(said.message),
            traceback=mask(said.traceback),
            error_type=None if said.error_type is None else mask(said.error_type),
            result=self.masker.value(said.result),
        )

    def _remember(self, message: StateSet) -> None:
        """A masked value would be wrong without a word, so what holds a secret is not kept, and that is said."""
        if self.masker.value([message.key, message.value]) == [message.key, message.value]:
            self._pending["state", message.key] = message
        else:
            self.capture.system(f"ctx.state[{message.key!r}] was not kept: it holds a secret.")

    def keep(self) -> None:
        """Write what the job wants kept. Raises StorageFull and Unavailable; nothing is lost then."""
        if self._pending:
            with self.house.db.write() as db:
                for message in self._pending.values():
                    self._keep(db, message)
            self._pending.clear()

    def flush(self) -> None:
        """Write the newest progress, if it can be written now: the next one comes soon."""
        if self._progress is None:
            return
        said = {"done": self._progress.done, "total": self._progress.total, "text": self._progress.text}
        self._progress, self._written_at = None, self.house.clock.monotonic()
        run = self.claimed.run
        with suppress(StorageFull, Unavailable), self.house.db.write() as db:
            if runs.set_progress(db, run.id, self.claimed.attempt, said):
                fact = {"run": run.id, "job": run.job_id, **said}
                events.append(db, "run.progress", f"run:{run.id}", fact, self.house.clock.now())

    def _keep(self, db: Connection, message: StateSet | Artifact) -> None:
        run, now = self.claimed.run, self.house.clock.now()
        if isinstance(message, Artifact):
            file = self.artifacts / Path(message.file).name
            if not file.is_file() or file.is_symlink():
                return
            runs.add_artifact(
                db,
                {
                    "run_id": run.id,
                    "attempt": self.claimed.attempt,
                    "name": message.name,
                    "media_type": message.media_type,
                    "size": file.stat().st_size,
                    "file": f"{run.id}/{self.claimed.attempt}/{file.name}",
                    "now": now,
                },
            )
        elif run.trigger == "trial":
            return
        elif message.removed:
            jobs.drop_state(db, run.job_id, message.key)
        elif size_of_state({**jobs.state(db, run.job_id), message.key: message.value}) > MAX_STATE_BYTES:
            self.capture.system(f"ctx.state[{message.key!r}] was not kept: {MAX_STATE_BYTES:,} bytes is the limit.")
        else:
            jobs.set_state(db, run.job_id, message.key, message.value, now)

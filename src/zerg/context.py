"""The `ctx` of a run."""

from __future__ import annotations

import os
from _collections_abc import MutableMapping

from zerg._wire import MAX_STATE_BYTES, Artifact, Logged, Progress, RunJob, StateSet, size_of_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from zerg._channel import Channel

LONGEST_NAME = 200


class SecretMissing(KeyError):
    """A secret that the job asks for and that it has not been given."""

    def __str__(self) -> str:
        return str(self.args[0])


class Context:
    """What a run knows of itself, and how it tells the instance something."""

    def __init__(self, request: RunJob, params: Mapping[str, Any], channel: Channel) -> None:
        self.job_id = request.job_id
        self.run_id = request.run_id
        self.attempt = request.attempt
        """1 for the first try."""
        self.debug = request.debug
        """Whoever started the run wants to see more of it."""
        self.params: dict[str, Any] = dict(params)
        self.secrets: dict[str, str] = dict(request.secrets)
        self.state = State(request.state, channel)
        self.log = Log(channel)
        self._due = request.due
        self._tree = request.tree
        self._artifacts = request.artifacts
        self._artifact_count = 0
        self._channel = channel

    @property
    def due(self) -> datetime | None:
        """When the run was due, in UTC; None for a run that nobody scheduled."""
        from datetime import datetime

        return None if self._due is None else datetime.fromisoformat(self._due)

    @property
    def repo(self) -> Path:
        """The files of the jobs repo at the commit that this run executes. Not to be written to."""
        from pathlib import Path

        return Path(self._tree)

    def get_secret(self, name: str, default: str | None = None) -> str | None:
        return self.secrets.get(name, default)

    def require_secret(self, name: str) -> str:
        if name not in self.secrets:
            raise SecretMissing(f"the secret {name!r} is not given to job {self.job_id!r}; is it in its `secrets`?")
        return self.secrets[name]

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """How far the run is; shown on its page."""
        self._channel.send(Progress(done=done, total=total, text=str(text)))

    def artifact(self, name: str, content: bytes | str | os.PathLike[str], media_type: str | None = None) -> None:
        """Keep a file with the run: bytes as they are, else the file at a path."""
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise ValueError(f"an artifact's name is printable text of 1 to {LONGEST_NAME} characters, not {name!r}")
        if not self._artifacts:
            raise RuntimeError("this run has nowhere to keep artifacts")
        self._artifact_count += 1
        file = str(self._artifact_count)
        target = f"{self._artifacts}/{file}"
        if isinstance(content, (bytes, bytearray, memoryview)):
            with open(target, "wb") as written:
                written.write(content)
        else:
            import shutil

            shutil.copyfile(content, target)
        size = os.stat(target).st_size
        self._channel.send(Artifact(name=name, media_type=media_type or guessed(name), file=file, size=size))


def guessed(name: str) -> str:
    import mimetypes

    return mimetypes.guess_type(name)[0] or "application/octet-stream"


class State(MutableMapping):  # type: ignore[type-arg]  # _collections_abc is quick to import, and not generic
    """A small memory of the job that the next run sees. Every `state[key] = value` is kept at once.

    Values are what JSON can carry, 1 MiB in all. A change inside a value (`state["seen"].append(1)`) goes unnoticed:
    assign it again.
    """

    def __init__(self, values: dict[str, Any], channel: Channel) -> None:
        self._values = dict(values)
        self._sizes = {key: size_of_entry(key, value) for key, value in values.items()}
        self._size = sum(self._sizes.values())
        self._channel = channel

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a key of the state is text, not {key!r}")
        size = size_of_entry(key, value)
        total = self._size + size - self._sizes.get(key, 0)
        if total > MAX_STATE_BYTES:
            raise ValueError(
                f"with {key!r} the state would take {total} bytes; {MAX_STATE_BYTES} is the limit for all of it."
                " Keep larger things as artifacts or in files of your own"
            )
        self._channel.send(StateSet(key=key, value=value))
        self._values[key], self._sizes[key], self._size = value, size, total

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._size -= self._sizes.pop(key)
        self._channel.send(StateSet(key=key, removed=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"State({self._values!r})"


class Log:
    """Lines with a level, shown among the output of the run. Values are filled in as `logging` does it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def debug(self, text: str, *values: Any) -> None:
        self._send("debug", text, values)

    def info(self, text: str, *values: Any) -> None:
        self._send("info", text, values)

    def warning(self, text: str, *values: Any) -> None:
        self._send("warning", text, values)

    def error(self, text: str, *values: Any) -> None:
        self._send("error", text, values)

    def _send(self, level: str, text: str, values: tuple[Any, ...]) -> None:
        self._channel.send(Logged(level=level, text=str(text) % values if values else str(text)))

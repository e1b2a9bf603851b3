"""The settings of a job, and the registry that a manifest fills."""

from __future__ import annotations

import sys

from zerg._script import Placeholder
from zerg.jobs.settings import SECRET_KEYS, problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType, FrameType
    from typing import Any

FunctionType = type(lambda: None)


class JobConfigError(ValueError):
    """A job that cannot be registered as it is written; the text has one sentence for each mistake."""

    def __init__(self, message: str, place: tuple[str, int] | None = None) -> None:
        super().__init__(message)
        self.place = place
        """File and line to show instead of where it was raised."""


class JobConfig:
    """One job: what to run, when, and what to do when that goes wrong."""

    def __init__(
        self,
        *,
        id: str,
        func: Callable[..., Any],
        cron: str | None = None,
        every: int | None = None,
        timezone: str | None = None,
        enabled: bool = True,
        description: str = "",
        tags: Sequence[str] = (),
        project: str | None = None,
        params: Mapping[str, Any] | None = None,
        timeout_seconds: float = 300,
        max_attempts: int = 3,
        retry_delay_seconds: float = 15,
        overlap: str = "skip",
        catch_up: str = "latest",
        max_catch_up: int = 10,
        misfire_grace_seconds: float = 60,
        jitter_minutes: float = 0,
        priority: int = 0,
        concurrency_group: str | None = None,
        concurrency_limit: int = 1,
        memory_mb: int | None = None,
        secrets: Sequence[str | Mapping[str, Any]] = (),
        queue_mode: Any = None,
        **unknown: Any,
    ) -> None:
        """`cron`, `every` (whole seconds, counted from the epoch) or neither: a job that runs when somebody says so.

        `params` are the values of scheduled runs. `overlap` is what happens to a firing while the last run still goes
        on: skip, queue (holds one) or allow. `catch_up` is what happens to firings that the instance slept through:
        skip, latest or all (at most `max_catch_up`). `queue_mode` is accepted and has no effect: every job goes
        through the one durable queue.
        """
        settings = dict(locals())
        for name in ("self", "func", "unknown", "queue_mode"):
            del settings[name]
        settings["params"] = {} if params is None else params
        found = [unknown_setting(name, (*settings, "func", "queue_mode")) for name in unknown]
        if not isinstance(func, (FunctionType, Placeholder)):
            found.append(f"func is {func!r}, but has to be a function: def run(): …")
        found += problems(settings, JobConfig.__init__.__kwdefaults__ or {})
        if found:
            raise JobConfigError("\n".join(f"job {id!r}: {problem}." for problem in found))
        self.func = func
        self.id = id
        self.cron = cron
        self.every = every
        self.timezone = timezone
        self.enabled = enabled
        self.description = description
        self.tags = tuple(tags)
        self.project = project
        self.params: dict[str, Any] = dict(settings["params"])
        self.timeout_seconds = timeout_seconds
        self.max_attempts = max_attempts
        self.retry_delay_seconds = retry_delay_seconds
        self.overlap = overlap
        self.catch_up = catch_up
        self.max_catch_up = max_catch_up
        self.misfire_grace_seconds = misfire_grace_seconds
        self.jitter_minutes = jitter_minutes
        self.priority = priority
        self.concurrency_group = concurrency_group
        self.concurrency_limit = concurrency_limit
        self.memory_mb = memory_mb
        self.secrets = tuple(full_secret(secret) for secret in secrets)

    def __repr__(self) -> str:
        return f"JobConfig(id={self.id!r})"


def unknown_setting(name: str, known: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f"there is no setting {name!r}" + (f"; did you mean {near[0]}?" if near else "")


def full_secret(secret: Any) -> dict[str, Any]:
    """A secret with all its keys, whichever of the two forms it was given in."""
    given = {"key": secret} if isinstance(secret, str) else dict(secret)
    default = {"key": "", "label": "", "type": "password", "placeholder": "", "description": "", "required": True}
    return {key: given.get(key, default[key]) for key in SECRET_KEYS}


class Registration:
    """A registered job and where that was."""

    def __init__(self, config: JobConfig, place: tuple[str, int]) -> None:
        self.config = config
        self.place = place


class LineReader:
    """The lines of a code's instructions, read on from the last one asked for. The interpreter counts from the first
    each time, which for a manifest of hundreds of jobs took longer than all else about registering them."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self._ranges = code.co_lines()
        self._range: tuple[int, int, int | None] = (0, 0, None)

    def at(self, offset: int) -> int:
        _, end, line = self._range
        if offset < self._range[0]:  # a loop
            self._ranges, end = self.code.co_lines(), 0
        while offset >= end:
            _, end, line = self._range = next(self._ranges)
        return line or self.code.co_firstlineno


class JobRegistry:
    """The jobs of a manifest, in the order they were registered."""

    def __init__(self) -> None:
        self.registrations: dict[str, Registration] = {}
        self.tree = ""
        """Files under it are named relative to it in messages."""
        self._lines = LineReader((lambda: None).__code__)

    def register(self, config: JobConfig) -> JobConfig:
        if not isinstance(config, JobConfig):
            raise JobConfigError(f"register takes a JobConfig, not {config!r}.")
        place = self.place(sys._getframe(1))
        first = self.registrations.get(config.id)
        if first is not None:
            raise JobConfigError(
                f"job id {config.id!r} is registered twice: at {at(first.place)} and again at {at(place)}.", place
            )
        self.registrations[config.id] = Registration(config, place)
        return config

    def place(self, frame: FrameType) -> tuple[str, int]:
        file = frame.f_code.co_filename
        prefix = self.tree.rstrip("/") + "/"
        if self._lines.code is not frame.f_code:
            self._lines = LineReader(frame.f_code)
        line = self._lines.at(frame.f_lasti)
        return (file[len(prefix) :] if self.tree and file.startswith(prefix) else file), line

    def check_groups(self) -> None:
        """Refuse one concurrency group with two limits; only known once everything is registered."""
        limits: dict[str, Registration] = {}
        for registration in self.registrations.values():
            config = registration.config
            if config.concurrency_group is None:
                continue
            first = limits.setdefault(config.concurrency_group, registration)
            if first.config.concurrency_limit != config.concurrency_limit:
                raise JobConfigError(
                    f"concurrency group {config.concurrency_group!r} has two limits: "
                    f"{first.config.concurrency_limit} for job {first.config.id!r} at {at(first.place)} "
                    f"and {config.concurrency_limit} for job {config.id!r} at {at(registration.place)}.",
                    registration.place,
                )


def at(place: tuple[str, int]) -> str:
    return f"{place[0]}:{place[1]}"


job_registry = JobRegistry()

"""The messages between a child process and the instance that started it.

One socket, both ways: the parent sends exactly one request (`ReadManifest` or `RunJob`), the child answers with any
number of notes and exactly one final message. Each message is one line of JSON, `{"is": "<class name>", …fields}`,
without fields that have their defaults: both sides have the same. Standard output is never read as a message.
"""

from __future__ import annotations

from zerg._codec import dumps, loads
from zerg._message import Message, fresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""A longer line is refused by both sides: results and state are small, files go through artifacts."""

MAX_STATE_BYTES = 1024 * 1024
"""What all of `ctx.state` of a job may take, keys and values as JSON."""


def size_of_state(values: dict[str, Any]) -> int:
    """Bytes of a state as its limit counts them. Raises TypeError and ValueError for what JSON cannot carry."""
    return sum(size_of_entry(key, value) for key, value in values.items())


def size_of_entry(key: str, value: Any) -> int:
    return len(dumps(key)) + len(dumps(value))


# --- requests -------------------------------------------------------------------------------------------------------


class ReadManifest(Message):
    """Execute `tree`/manifest.py and describe what it registers."""

    tree: str
    modules: tuple[str, ...] = ()
    """Empty: read the manifest. Else only import these modules, in the environment they ask for, and describe the
    functions that `functions` names in them."""
    functions: tuple[str, ...] = ()
    busy_after_seconds: float = 3.0


class RunJob(Message):
    """Run one attempt of one job out of `tree`, a read-only checkout."""

    tree: str
    job_id: str
    module: str
    function: str
    run_id: int
    attempt: int
    due: str | None
    """ISO 8601 in UTC, None for a run that nobody scheduled."""
    params: dict[str, Any] = fresh(default_factory=dict)
    secrets: dict[str, str] = fresh(default_factory=dict)
    state: dict[str, Any] = fresh(default_factory=dict)
    artifacts: str = ""
    """An existing folder; the child leaves artifact files there and names them in `Artifact`."""
    debug: bool = False
    """Somebody wants to see more of this run: `logging` shows everything, and `ctx.debug` is True."""


# --- notes ----------------------------------------------------------------------------------------------------------


class Busy(Message):
    """Reading the manifest takes longer than `busy_after_seconds`; this is the line it is at."""

    file: str
    line: int


class Started(Message):
    """The job's module is imported; the next thing that runs is the user's function."""


class Progress(Message):
    done: float
    total: float | None = None
    text: str = ""


class Logged(Message):
    """A line of `ctx.log`."""

    level: str
    text: str


class StateSet(Message):
    """`ctx.state[key] = value`; `removed` for `del ctx.state[key]`."""

    key: str
    value: Any = None
    removed: bool = False


class Artifact(Message):
    name: str
    media_type: str
    file: str
    """File name inside `RunJob.artifacts`."""
    size: int


# --- final messages -------------------------------------------------------------------------------------------------


class Parameter(Message):
    """One keyword parameter of a job function."""

    name: str
    kind: str
    """str, int, float, bool, date, datetime, choice or list."""
    required: bool
    default: Any = None
    choices: tuple[str, ...] = ()
    nullable: bool = False
    """None is a value, too."""


class JobDescription(Message):
    """A registered job as plain values: everything the instance needs to know without importing the job's code."""

    id: str
    module: str
    function: str
    file: str
    """Where `register` was called, relative to the tree."""
    line: int
    source_file: str
    """The file that defines the function, relative to the tree."""
    source_line: int
    cron: str | None = None
    every: int | None = None
    timezone: str | None = None
    enabled: bool = True
    description: str = ""
    tags: tuple[str, ...] = ()
    project: str | None = None
    params: dict[str, Any] = fresh(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    wants_context: bool = False
    timeout_seconds: float = 300
    max_attempts: int = 3
    retry_delay_seconds: float = 15
    overlap: str = "skip"
    catch_up: str = "latest"
    max_catch_up: int = 10
    misfire_grace_seconds: float = 60
    jitter_minutes: float = 0
    priority: int = 0
    concurrency_group: str | None = None
    concurrency_limit: int = 1
    memory_mb: int | None = None
    secrets: tuple[dict[str, Any], ...] = ()
    """Each {key, label, type, placeholder, description, required}."""
    script_environment: bool = False
    """`source_file` carries a PEP 723 block: the job runs in an environment of its own."""
    placeholder: bool = False
    """The module was not imported (its packages live in its own environment): parameters are still to be read there."""

    @property
    def asks(self) -> bool:
        """Whether somebody has to fill in something before the job can run."""
        return any(parameter.required and parameter.name not in self.params for parameter in self.parameters)


class ManifestRead(Message):
    jobs: tuple[JobDescription, ...] = ()


class FunctionsRead(Message):
    """Answer to `ReadManifest` with `modules`: the parameters of each named function, in order."""

    parameters: tuple[tuple[Parameter, ...], ...] = ()
    wants_context: tuple[bool, ...] = ()
    source_lines: tuple[int, ...] = ()


class ManifestFailed(Message):
    """Why the manifest could not be read: one sentence, the place, and the user's own traceback."""

    error: str
    file: str | None = None
    line: int | None = None
    traceback: str = ""
    hint: str = ""


class Finished(Message):
    """How the job function ended."""

    outcome: str
    """done, degraded, retry, skip or failed."""
    reason: str | None = None
    """For failed: exception, exit (the job called sys.exit with something), oom; else None."""
    message: str = ""
    result: Any = None
    retry_after_seconds: float | None = None
    error_type: str | None = None
    traceback: str = ""
    """The user's own frames, ours left out."""
    error_file: str | None = None
    error_line: int | None = None


MESSAGES: dict[str, type[Message]] = {
    cls.__name__: cls
    for cls in (
        ReadManifest,
        RunJob,
        Busy,
        Started,
        Progress,
        Logged,
        StateSet,
        Artifact,
        ManifestRead,
        FunctionsRead,
        ManifestFailed,
        Finished,
    )
}


class BadMessage(ValueError):
    """The other side sent something that is not a message of this protocol."""


def encode(message: Message) -> bytes:
    """`message` as one line. Raises TypeError or ValueError for values that JSON cannot carry."""
    data = dumps({"is": type(message).__name__, **message.telling()}).encode() + b"\n"
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(
            f"a {type(message).__name__} message of {len(data)} bytes is over the {MAX_MESSAGE_BYTES} allowed"
        )
    return data


def decode(line: bytes) -> Any:
    """The message in `line`. Raises BadMessage."""
    try:
        fields = loads(line.decode())
        if b"\\ud" in line or b"\\uD" in line:
            fields = _sound(fields)
        cls = MESSAGES[fields.pop("is")]
        if cls is ManifestRead:
            return ManifestRead(jobs=tuple(job_description(job) for job in fields.get("jobs", ())))
        if cls is FunctionsRead:
            lists: dict[str, Any] = {name: tuple(value) for name, value in fields.items()}
            lists["parameters"] = tuple(tuple(parameter(p) for p in each) for each in lists.get("parameters", ()))
            return FunctionsRead(**lists)
        return cls(**fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadMessage(f"not a message: {error}") from error


def _sound(value: Any) -> Any:
    """`value` with U+FFFD for every half of a surrogate pair: no database, answer or file takes those."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_sound(each) for each in value]
    if isinstance(value, dict):
        return {_sound(key): _sound(each) for key, each in value.items()}
    return value


def parameter(fields: dict[str, Any]) -> Parameter:
    return Parameter(**{**fields, "choices": tuple(fields.get("choices", ()))})


LISTS = ("tags", "secrets", "parameters")
"""What JSON has as lists and a JobDescription as tuples."""


def job_description(fields: dict[str, Any]) -> JobDescription:
    """A JobDescription from its JSON form, as it comes over the wire or out of the database."""
    lists: dict[str, Any] = {name: tuple(fields[name]) for name in LISTS if name in fields}
    if "parameters" in lists:
        lists["parameters"] = tuple(parameter(each) for each in lists["parameters"])
    return JobDescription.of(fields | lists)

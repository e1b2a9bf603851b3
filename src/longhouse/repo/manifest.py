"""Reading the manifest: a child executes it and answers with plain values; nothing of it is ever imported here.

Whatever goes wrong in it, an endless loop and a dead child included, becomes one ManifestBroken with file and line.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from longhouse.errors import ManifestBroken
from longhouse.launch.conversation import Answer, hear, put
from longhouse.launch.local import Child, Exit, LocalLauncher
from longhouse.launch.python import Interpreter, python_spec
from zerg._message import Message
from zerg._wire import (
    Busy,
    FunctionsRead,
    JobDescription,
    ManifestFailed,
    ManifestRead,
    ReadManifest,
)
from zerg.parameters import BadParameters, coerce

TIMEOUT_SECONDS = 10.0
MEMORY_MB = 1024
NAME = "manifest.py"

Check = Callable[[JobDescription], str | None]
"""What is wrong with a job's schedule, in a sentence; None if nothing is."""


@dataclass(frozen=True)
class Reader:
    """What reading takes, apart from the tree: the same for every manifest of an instance."""

    launcher: LocalLauncher
    sdk: Path
    work: Path
    """A folder for the children's working directories; each goes away with its child."""
    timeout_seconds: float = TIMEOUT_SECONDS
    memory_mb: int = MEMORY_MB


@contextmanager
def started(reader: Reader, interpreter: Interpreter) -> Iterator[Child]:
    """A child for one reading. Its interpreter takes a while, in which the tree may still be made."""
    reader.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="manifest-", dir=reader.work, ignore_cleanup_errors=True) as folder:
        spec = python_spec(
            interpreter,
            reader.sdk,
            cwd=Path(folder),
            marker=f"manifest-{uuid.uuid4().hex}",
            memory_mb=reader.memory_mb,
        )
        with reader.launcher.start(spec) as child:
            yield child


def ask(child: Child, tree: Path) -> None:
    """Have the child execute the manifest of `tree`, a checkout; `load` hears what came of it."""
    put(child, ReadManifest(tree=str(tree)))


def load(
    reader: Reader,
    child: Child,
    tree: Path,
    *,
    script_interpreter: Callable[[str], Interpreter],
    check: Check = lambda job: None,
    busy: Callable[[str, int], None] = lambda file, line: None,
) -> tuple[JobDescription, ...]:
    """The jobs that the manifest of `tree`, a checkout, registers, in order. Raises ManifestBroken.

    `child` was started with the interpreter of requirements.txt and asked; its time begins now. `script_interpreter`
    gives that of a file with requirements of its own. `busy` is called with the line that reading has been at for some
    seconds.
    """
    answer = _heard(reader, child, NAME, busy)
    if not isinstance(answer, ManifestRead):
        raise ManifestBroken("The manifest's reader gave an answer to another question", file=NAME)
    jobs = answer.jobs
    for file in dict.fromkeys(job.source_file for job in jobs if job.placeholder):
        jobs = _with_functions_of(reader, tree, file, jobs, script_interpreter(file), busy)
    for job in jobs:
        if sentence := check(job):
            raise ManifestBroken(f"job {job.id!r}: {sentence}", file=job.file, line=job.line)
    return jobs


def _with_functions_of(
    reader: Reader,
    tree: Path,
    file: str,
    jobs: tuple[JobDescription, ...],
    interpreter: Interpreter,
    busy: Callable[[str, int], None],
) -> tuple[JobDescription, ...]:
    """`jobs` with the parameters of those in `file`, which only its own environment can import."""
    waiting = [job for job in jobs if job.placeholder and job.source_file == file]
    request = ReadManifest(
        tree=str(tree),
        modules=tuple(job.module for job in waiting),
        functions=tuple(job.function for job in waiting),
    )
    with started(reader, interpreter) as child:
        put(child, request)
        answer = _heard(reader, child, file, busy)
    if not isinstance(answer, FunctionsRead) or len(answer.parameters) != len(waiting):
        raise ManifestBroken("The reader of job files gave an answer to another question", file=file)
    read = {
        id(job): _completed(job, answer, at) for at, job in enumerate(waiting)
    }  # by identity: a message with a dict in it has no hash
    return tuple(read.get(id(job), job) for job in jobs)


def _completed(job: JobDescription, answer: FunctionsRead, at: int) -> JobDescription:
    parameters = answer.parameters[at]
    scheduled = job.cron is not None or job.every is not None
    try:
        params = coerce(parameters, job.params, partial=not scheduled)
    except BadParameters as problem:
        raise ManifestBroken(f"job {job.id!r}: {problem}.", file=job.file, line=job.line) from problem
    return job.replace(
        params=params,
        parameters=parameters,
        wants_context=answer.wants_context[at],
        source_line=answer.source_lines[at],
        placeholder=False,
    )


def _heard(reader: Reader, child: Child, file: str, busy: Callable[[str, int], None]) -> Message:
    """The final answer of a child that reads `file`. Raises ManifestBroken for everything else that can come of it."""
    answer = hear(
        child,
        timeout_seconds=reader.timeout_seconds,
        told=lambda note: busy(note.file, note.line) if isinstance(note, Busy) else None,
    )
    if isinstance(answer.final, ManifestFailed):
        failed = answer.final
        raise ManifestBroken(
            failed.error, file=failed.file, line=failed.line, traceback=failed.traceback, hint=failed.hint
        )
    if answer.final is None:
        raise _unanswered(answer, file, reader.timeout_seconds)
    return answer.final


def _unanswered(answer: Answer, file: str, seconds: float) -> ManifestBroken:
    if answer.timed_out:
        at = next((note for note in reversed(answer.notes) if isinstance(note, Busy)), None)
        where = f", it was at {at.file}:{at.line}" if at else ""
        return ManifestBroken(
            f"The manifest is still not read after {seconds:g} s{where}",
            file=at.file if at else file,
            line=at.line if at else None,
            hint="A manifest only imports and registers; what takes time belongs into a job's function.",
        )
    if answer.problem:
        return ManifestBroken(f"Reading {file} was disturbed: {answer.problem}", file=file)
    return ManifestBroken(f"The process that read {file} ended without an answer: {_ending(answer.exit)}", file=file)


def _ending(end: Exit | None) -> str:
    if end is None or end.interrupted:
        return "it was killed"
    if end.crowded:
        return end.note
    if end.signal is not None:
        return f"signal {end.signal}" + (", perhaps for want of memory" if end.signal == 9 else "")
    return f"something in it called os._exit({end.code})"

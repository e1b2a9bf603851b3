"""Reading the manifest: a child executes it and answers with plain values; nothing of it is ever imported here.

Whatever goes wrong in it, an endless loop and a dead child included, becomes one ManifestBroken with file and line.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from longhouse.errors import ManifestBroken
from longhouse.launch.conversation import Answer, converse
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


@contextmanager
def early(reader: Reader, interpreter: Interpreter) -> Iterator[Callable[[], Child | None]]:
    """A child for one reading that starts beside what is done meanwhile. The call that this gives hands it to the first
    who asks, None to all others; it raises what `started` raises."""
    with ExitStack() as ends, ThreadPoolExecutor(1, "reader") as beside:
        coming = [beside.submit(lambda: ends.enter_context(started(reader, interpreter)))]
        yield lambda: coming.pop().result() if coming else None


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

    `child` was started with the interpreter of requirements.txt; `script_interpreter` gives that of a file with
    requirements of its own. `busy` is called with the line that reading has been at for some seconds.
    """
    answer = _ask(reader, child, ReadManifest(tree=str(tree)), busy)
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
        answer = _ask(reader, child, request, busy)
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


def _ask(reader: Reader, child: Child, request: ReadManifest, busy: Callable[[str, int], None]) -> Message:
    """The final answer of the child. Raises ManifestBroken for everything else that can come of it."""
    answer = converse(
        child,
        request,
        timeout_seconds=reader.timeout_seconds,
        told=lambda note: busy(note.file, note.line) if isinstance(note, Busy) else None,
    )
    if isinstance(answer.final, ManifestFailed):
        failed = answer.final
        raise ManifestBroken(
            failed.error, file=failed.file, line=failed.line, traceback=failed.traceback, hint=failed.hint
        )
    if answer.final is None:
        raise _unanswered(answer, request, reader.timeout_seconds)
    return answer.final


def _unanswered(answer: Answer, request: ReadManifest, seconds: float) -> ManifestBroken:
    file = f"{request.modules[0].replace('.', '/')}.py" if request.modules else NAME
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

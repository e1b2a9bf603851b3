"""Run one attempt of a job, and say how it ended."""

from __future__ import annotations

import os
import sys

from zerg import outcomes
from zerg._tree import install
from zerg._wire import Finished, RunJob, Started
from zerg.context import Context
from zerg.parameters import BadParameters, SignatureError, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from zerg._channel import Channel


class CannotCall(Exception):
    """The function that the run is about is not there, or does not take what it is given."""


def run(request: RunJob, channel: Channel, flush: Callable[[], None]) -> int:
    """The exit code of the process: 1 for a failed attempt, else 0. `flush` sends on what was printed."""
    try:
        finished = ended(called(request, channel))
    except SystemExit as stop:
        finished = exited(stop)
    except BaseException as error:  # also KeyboardInterrupt, and the cancellation of a task
        finished = raised(error, request.tree)
    flush()
    if os.getpid() != channel.owner:
        return 0
    try:
        channel.send(finished)
    except (TypeError, ValueError, RecursionError) as problem:
        finished = Finished(
            outcome="failed",
            reason="exception",
            message=f"The job returned something that JSON cannot carry: {problem}",
            error_type=type(problem).__name__,
        )
        channel.send(finished)
    return 1 if finished.outcome == "failed" else 0


def called(request: RunJob, channel: Channel) -> Any:
    """Import the job's module, call its function, and wait for it if it is asynchronous."""
    if request.debug:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
    function = found(request)
    try:
        wanted = signature(function)
        params = wanted.arguments(request.params)
    except (SignatureError, BadParameters) as problem:
        raise CannotCall(f"{request.module}.{request.function}(): {problem}") from None
    positional = () if wanted.context is None else (Context(request, params, channel),)
    channel.send(Started())
    returned = function(*positional, **params)
    if hasattr(returned, "__await__"):
        import asyncio

        return asyncio.run(awaited(returned))
    return returned


async def awaited(returned: Any) -> Any:
    return await returned


def found(request: RunJob) -> Any:
    if request.module == "manifest":
        from zerg._manifest import execute
        from zerg._tree import ManifestLoader

        install(request.tree, ManifestLoader)
        module = execute(request.tree)
    else:
        install(request.tree)
        __import__(request.module)
        module = sys.modules[request.module]
    for part in request.function.split("."):
        module = getattr(module, part, None)
    if not callable(module):
        raise CannotCall(f"{request.module} has no function {request.function}()")
    return module


def ended(returned: Any) -> Finished:
    """The message for what a job returned."""
    outcome = outcomes.outcome(returned)
    if isinstance(outcome, outcomes.Degraded):
        return Finished(outcome="degraded", message=outcome.why, result=outcome.result)
    if isinstance(outcome, outcomes.Retry):
        return Finished(outcome="retry", message=outcome.why, retry_after_seconds=outcome.after_seconds)
    if isinstance(outcome, outcomes.Skip):
        return Finished(outcome="skip", message=outcome.why)
    if isinstance(outcome, outcomes.Failed):
        return Finished(outcome="failed", message=outcome.why, result=outcome.result)
    return Finished(outcome="done", result=outcome.result)  # type: ignore[attr-defined]


def exited(stop: SystemExit) -> Finished:
    """`sys.exit()` and `sys.exit(0)` are a job's way to say done; a number or a text says it failed."""
    if stop.code in (None, 0):
        return Finished(outcome="done")
    if not isinstance(stop.code, int):
        print(stop.code, file=sys.__stderr__)  # what Python itself does
    return Finished(outcome="failed", reason="exit", message=f"sys.exit({stop.code!r})", error_type="SystemExit")


def raised(error: BaseException, tree: str) -> Finished:
    if isinstance(error, CannotCall):
        print(error, file=sys.__stderr__)
        return Finished(outcome="failed", reason="exception", message=str(error))
    from zerg._failure import failure

    told = failure(error, tree)
    try:
        print(told.traceback, end="", file=sys.__stderr__)
    except (OSError, ValueError):  # the job closed it
        pass
    message = told.message
    if isinstance(error, ModuleNotFoundError) and error.name:
        message += f" (is {error.name.partition('.')[0]} in requirements.txt, or in the job file's script block?)"
    return Finished(
        outcome="failed",
        reason="oom" if isinstance(error, MemoryError) else "exception",
        message=message,
        error_type=told.error_type,
        traceback=told.traceback,
        error_file=told.file,
        error_line=told.line,
    )

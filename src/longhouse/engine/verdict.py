"""What an attempt's end means: from the exit of its process and its last word to one state and one sentence. Pure."""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import Any

from longhouse.launch.local import Exit
from longhouse.queue import Ending
from longhouse.runs.state import Reason, RunState
from zerg._wire import Finished, JobDescription


class Stop(StrEnum):
    """Why we ended an attempt ourselves."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SERVER = "server"


OUTCOMES = {
    "done": RunState.SUCCEEDED,
    "degraded": RunState.DEGRADED,
    "skip": RunState.SKIPPED,
    "retry": RunState.RETRYING,
    "failed": RunState.FAILED,
}


def secrets_missing(names: list[str]) -> Ending:
    return Ending(
        state=RunState.FAILED,
        reason=Reason.SECRETS_MISSING,
        message=f"Nothing was started: the job needs {_listed(names)}, and no value is stored.",
    )


def not_started(why: str, stop: Stop | None) -> Ending:
    """Of an attempt without a process. What the stop of the server kept from starting is no failure, and no try."""
    if stop is Stop.SERVER:
        message = "Interrupted: the server was stopped before the job could be started."
        return Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message=message, free_try=True)
    return Ending(state=RunState.FAILED, message=f"The run could not be started: {why}")


def of(end: Exit, final: Finished | None, *, spec: JobDescription, stop: Stop | None, grace_seconds: float) -> Ending:
    """The ending of an attempt whose processes are all gone.

    A job that said how it ended before we stopped it, and whose process then ended accordingly, ended that way.
    """
    agreed = end.code is not None and (end.code == 0 or (final is not None and final.outcome == "failed"))
    if final is not None and agreed and stop is not Stop.TIMED_OUT and not (end.crowded and final.outcome == "failed"):
        return _with(end, _said(final))
    if end.crowded:
        message = f"Killed with all its processes: {end.note}."
        return _with(end, Ending(state=RunState.FAILED, reason=Reason.RESOURCE_EXCEEDED, message=message))
    if stop is Stop.CANCELLED:
        return _with(end, Ending(state=RunState.CANCELLED, message=f"Cancelled. {_how(end, grace_seconds)}"))
    if stop is Stop.TIMED_OUT:
        message = f"Timed out after {spec.timeout_seconds:g} s. {_how(end, grace_seconds)}"
        return _with(end, Ending(state=RunState.FAILED, reason=Reason.TIMED_OUT, message=message))
    if stop is Stop.SERVER:
        message = "Interrupted: the server was stopped while the job ran."
        return _with(end, Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message=message, free_try=True))
    if end.interrupted:
        message = f"Interrupted: {end.note}. All processes of the attempt have been ended."
        return _with(end, Ending(state=RunState.FAILED, reason=Reason.INTERRUPTED, message=message))
    return _with(end, _unsaid(end, final, spec))


def _said(final: Finished) -> Ending:
    error: dict[str, Any] | None = None
    if final.error_type or final.traceback:
        error = {
            "type": final.error_type,
            "traceback": final.traceback,
            "file": final.error_file,
            "line": final.error_line,
        }
    return Ending(
        state=OUTCOMES.get(final.outcome, RunState.FAILED),
        reason=Reason(final.reason) if final.reason in list(Reason) else None,
        message=final.message,
        result=final.result,
        error=error,
        retry_after_seconds=final.retry_after_seconds,
    )


def _unsaid(end: Exit, final: Finished | None, spec: JobDescription) -> Ending:
    """The process ended in a way that the job did not announce."""
    before = "before its function returned" if final is None else "after its function had returned"
    if end.signal is None:
        how = f"The process ended with exit code {end.code} {before}"
        hint = ": something called os._exit." if final is None else "."
        return Ending(state=RunState.FAILED, reason=Reason.EXIT, message=how + hint)
    name = signal.Signals(end.signal).name if end.signal in set(signal.Signals) else f"signal {end.signal}"
    limit = (spec.memory_mb or 0) * 1024 * 1024
    if end.signal == signal.SIGKILL and limit and end.peak_memory_bytes >= 0.9 * limit:
        message = f"Killed at its memory limit of {spec.memory_mb} MiB."
        return Ending(state=RunState.FAILED, reason=Reason.OOM, message=message)
    if end.signal == signal.SIGXCPU:
        return Ending(state=RunState.FAILED, reason=Reason.RESOURCE_EXCEEDED, message="Killed at a resource limit.")
    return Ending(state=RunState.FAILED, reason=Reason.EXIT, message=f"The process was killed by {name} {before}.")


def _how(end: Exit, grace_seconds: float) -> str:
    if end.signal == signal.SIGKILL:
        return f"It did not end within {grace_seconds:g} s of SIGTERM and was killed with all its processes."
    return "It ended after SIGTERM, and nothing of it is left."


def _with(end: Exit, ending: Ending) -> Ending:
    values = {**ending.__dict__, "exit_code": end.code, "signal": end.signal}
    values |= {"cpu_seconds": end.cpu_seconds, "peak_memory_bytes": end.peak_memory_bytes}
    return Ending(**values)


def _listed(names: list[str]) -> str:
    noun = "secret" if len(names) == 1 else "secrets"
    return f"the {noun} {', '.join(names)}"

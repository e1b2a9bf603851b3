"""What growth says when it cannot go on; the exit code of the command is part of the meaning."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input: `pointer` is a JSON pointer (RFC 6901) into the file named by the error."""

    pointer: str
    message: str


class GrowthError(Exception):
    """Something a person can act on."""

    exit_code = 1
    code = "growth.defect"

    def __init__(self, message: str, *, hint: str = "", code: str = "", faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.code
        self.faults = faults


class InputRefused(GrowthError):
    """The user's file, option or folder is not acceptable; trying again without a change is useless."""

    exit_code = 2
    code = "growth.input_refused"


class DependencyFailed(GrowthError):
    """Something outside failed: the file system, a language model."""

    exit_code = 3
    code = "growth.dependency_failed"

    def __init__(
        self, message: str, *, hint: str = "", code: str = "", retryable: bool = True, retry_after_seconds: float = 1
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds

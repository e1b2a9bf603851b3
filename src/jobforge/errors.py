"""What jobforge says when it refuses something."""


class Refused(ValueError):
    """Input that is not accepted: a stable code, a sentence naming the thing, and what to do about it."""

    code = "jobforge.refused"

    def __init__(self, message: str, *, code: str = "", hint: str = "", pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.hint = hint
        self.pointer = pointer  # JSON pointer (RFC 6901) of the offending value; "" is the whole document

"""What a job may return. None or any JSON value is done, unless it is a dict that says otherwise."""

from __future__ import annotations

from zerg._message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAILED_STATUS = ("error", "failed")
DEGRADED_STATUS = ("degraded", "partial", "warning")


class Outcome(Message):
    """Base of the four below; never returned itself."""


class Done(Outcome):
    """It worked."""

    result: Any = None

    def __init__(self, result: Any = None) -> None:
        super().__init__(result=result)


class Degraded(Outcome):
    """It finished, but not as it should: shown in amber, not tried again."""

    why: str
    result: Any = None

    def __init__(self, why: str, result: Any = None) -> None:
        super().__init__(why=sentence(why, "Degraded"), result=result)


class Retry(Outcome):
    """Not now: try again after so many seconds. It uses up an attempt; after the last one the run has failed."""

    after_seconds: float
    why: str = ""

    def __init__(self, after_seconds: float, why: str = "") -> None:
        number = not isinstance(after_seconds, bool) and isinstance(after_seconds, (int, float))
        if not number or not 0 <= after_seconds <= 7 * 86400:
            raise ValueError(f"Retry(after_seconds) is from 0 to 604800 (a week), not {after_seconds!r}")
        super().__init__(after_seconds=after_seconds, why=sentence(why, "Retry"))


class Skip(Outcome):
    """There was nothing to do; `why` is shown on the run."""

    why: str

    def __init__(self, why: str) -> None:
        super().__init__(why=sentence(why, "Skip"))


class Failed(Outcome):
    """What a returned dict can say; code says it by raising."""

    why: str
    result: Any = None

    def __init__(self, why: str, result: Any = None) -> None:
        super().__init__(why=why, result=result)


def sentence(why: object, name: str) -> str:
    if not isinstance(why, str):
        raise ValueError(f"{name} takes the reason as text, not {why!r}")
    return why


def outcome(returned: Any) -> Outcome:
    """What `returned` means: `{"success": False}` and `{"status": "error"}` are failures however they came about."""
    if isinstance(returned, Outcome):
        return returned
    if not isinstance(returned, dict):
        return Done(returned)
    status = returned.get("status")
    status = status.lower() if isinstance(status, str) else None
    if returned.get("success") is False or status in FAILED_STATUS:
        said = "success false" if returned.get("success") is False else f"status {status}"
        return Failed(_reason(returned) or f"the job returned {said}", returned)
    if status in DEGRADED_STATUS:
        return Degraded(_reason(returned) or f"the job returned status {status}", returned)
    return Done(returned)


def _reason(returned: dict[Any, Any]) -> str:
    for key in ("error", "message", "reason"):
        if returned.get(key) and isinstance(returned[key], str):
            return str(returned[key])
    return ""

"""Our own log lines, on standard error: one event a line, whatever is in it.

The standard library's logging: structlog brings the same lines for a quarter of a second more at every start.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from longhouse.clock import iso


class Log:
    """Events with facts: `log.error("a step failed", loop="repo")`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **facts: Any) -> None:
        self._logger.info(event, extra={"facts": facts})

    def warning(self, event: str, **facts: Any) -> None:
        self._logger.warning(event, extra={"facts": facts})

    def error(self, event: str, *, error: BaseException | None = None, **facts: Any) -> None:
        """`error` adds its traceback, as one more fact of the same line."""
        self._logger.error(event, exc_info=error, extra={"facts": facts})


class Lines(logging.Formatter):
    """One line of JSON or of `key=value`; line breaks and control characters in values are escaped in both."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "at": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        if self._json:
            return json.dumps(facts, default=repr)
        return " ".join(f"{name}={_shown(value)}" for name, value in facts.items())


def _shown(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and not set(text) & set(' "=') else json.dumps(text)


def configure(form: str) -> None:
    """`form` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)

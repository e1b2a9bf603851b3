"""A schedule in words, the same for pages, API and command."""

from __future__ import annotations

import re
from functools import lru_cache

from longhouse.triggers.fields import ALIASES
from zerg._wire import JobDescription

EVERY_DAY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* (\*|1-5|MON-FRI)", re.IGNORECASE)


def in_words(spec: JobDescription) -> str:
    """`Every day at 08:00`; what no words are known for stays as it is written."""
    if spec.cron is not None:
        return of_cron(spec.cron)
    if spec.every is not None:
        return f"Every {seconds_said(spec.every)}"
    return "By hand only"


def seconds_said(count: float) -> str:
    """A setting in seconds: `5 min`, `1 h 30 min`, `90 s`."""
    if count % 1:
        return f"{count:g} s"
    hours, minutes, rest = int(count) // 3600, int(count) % 3600 // 60, int(count) % 60
    parts = [f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if value]
    return " ".join(parts) or "0 s"


@lru_cache(maxsize=4096)
def of_cron(text: str) -> str:
    normal = " ".join(ALIASES.get(text.strip().lower(), text).split())
    daily = EVERY_DAY.fullmatch(normal)
    if daily:
        days = "Every day" if daily[3] == "*" else "Weekdays"
        return f"{days} at {int(daily[2]):02d}:{int(daily[1]):02d}"
    # Imported here: 50 ms and its own tables, for the first who needs words.
    from cron_descriptor import ExpressionDescriptor, FormatError, MissingFieldError, Options, WrongArgumentError

    options = Options()
    options.use_24hour_time_format = True
    try:
        said = ExpressionDescriptor(normal, options).get_description()
    except (FormatError, MissingFieldError, WrongArgumentError, ValueError, IndexError):
        return text
    return str(said).replace(", only ", ", ")

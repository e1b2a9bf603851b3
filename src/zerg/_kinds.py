"""The kinds a parameter can have: how each is read from text and from JSON. A refusal continues "parameter 'x' …"."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")


class Given(ValueError):
    """What is wrong with the given value."""


def as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    raise Given(f"is {value!r}, but has to be text")


def whole(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Given(f"is {value!r}, but has to be a whole number")


def whole_text(value: str) -> Any:
    try:
        return int(value.strip())
    except ValueError:  # also for text of thousands of digits
        raise Given(f"is {value!r}, but has to be a whole number") from None


def number(value: Any) -> Any:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    if fits and abs(value) <= 1.7976931348623157e308:  # neither NaN nor infinite
        return value
    raise Given(f"is {value!r}, but has to be a number")


def number_text(value: str) -> Any:
    try:
        found = float(value.strip())
    except ValueError:
        raise Given(f"is {value!r}, but has to be a number") from None
    return number(found)


def flag(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    raise Given(f"is {value!r}, but has to be true or false")


def flag_text(value: str) -> Any:
    word = value.strip().lower()
    if word in YES or word in NO:
        return word in YES
    raise Given(f"is {value!r}, but has to be true or false")


def day(value: Any) -> Any:
    from datetime import date, datetime

    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise Given(f"is {value!r}, but has to be a date such as 2026-02-04") from None


def moment(value: Any) -> Any:
    from datetime import datetime

    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return datetime.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise Given(f"is {value!r}, but has to be a time such as 2026-02-04T08:00:00+01:00") from None


def choice(value: Any) -> Any:
    """The text of a Literal, the name of an Enum member."""
    return value.name if hasattr(type(value), "__members__") else str(value)


def texts(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return list(value)
    raise Given(f"is {value!r}, but has to be a list of texts")


def texts_text(value: str) -> Any:
    """One to a line, or between commas."""
    parts = value.splitlines() if "\n" in value else value.split(",")
    return [part.strip() for part in parts if part.strip()]


KINDS: dict[str, tuple[Callable[[str], Any], Callable[[Any], Any]]] = {
    "str": (as_text, as_text),
    "int": (whole_text, whole),
    "float": (number_text, number),
    "bool": (flag_text, flag),
    "date": (lambda value: day(value.strip()), day),
    "datetime": (lambda value: moment(value.strip()), moment),
    "choice": (choice, choice),
    "list": (texts_text, texts),
}
"""Kind -> (from text, from JSON or from the Python value that a default or a setting has)."""

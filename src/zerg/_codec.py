"""JSON text without the `json` package, whose import (it pulls in `re`) would take longer than all else a run needs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def refuse(value: Any) -> Any:
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


class Rules:
    """What the scanner asks of its decoder; the same as `json.loads` does by default."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__
    memo: dict[str, str] = {}  # noqa: RUF012  # the scanner empties it after every document


def dumps(value: Any) -> str:
    """`value` as JSON on one line, plain ASCII. Raises TypeError or ValueError for what JSON cannot carry, NaN too."""
    text: str = _dumps(value)
    return text


def loads(text: str) -> Any:
    """The value of a JSON text. Raises ValueError."""
    return _loads(text)


def _portable() -> tuple[Any, Any]:
    """For an interpreter that lacks CPython's accelerators."""
    import json

    return (lambda value: json.dumps(value, allow_nan=False, separators=(",", ":"))), json.loads


def _accelerated() -> tuple[Any, Any]:
    """The two C functions that the json package itself calls."""
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    scan: Any = make_scanner(Rules)  # type: ignore[arg-type]
    space = " \t\n\r"

    def dump(value: Any) -> str:
        encoder: Any = make_encoder({}, refuse, encode_basestring_ascii, None, ":", ",", False, False, False)
        return "".join(encoder(value, 0))

    def load(text: str) -> Any:
        text = text.strip(space)
        try:
            value, end = scan(text, 0)
        except StopIteration as stop:
            raise ValueError(f"no JSON value at character {stop.value}") from None
        if end != len(text):
            raise ValueError(f"text goes on after the JSON value, at character {end}")
        return value

    if load(dump([1, None, "é"])) != [1, None, "é"]:
        raise ImportError("the accelerators of this interpreter work differently")
    return dump, load


try:
    _dumps, _loads = _accelerated()
except (ImportError, TypeError):
    _dumps, _loads = _portable()

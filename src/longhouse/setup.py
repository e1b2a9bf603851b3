"""The settings this process runs with, as `serving` hands them to everybody who shows or changes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Value:
    shown: Any
    """As it may be printed: passwords in addresses are dots."""
    source: str
    """A flag, a variable, `config.toml`, or what kind of default."""
    fixed: bool
    """A flag or a variable says it: what is stored would not count."""


def _unknown(wanted: Mapping[str, Any]) -> dict[str, Value]:
    raise NotImplementedError("this house was not opened by a server")


@dataclass
class Setup:
    values: dict[str, Value] = field(default_factory=dict)
    """By name, in the order of `config show`."""
    change: Callable[[Mapping[str, Any]], dict[str, Value]] = _unknown
    """Store these and go by them from now on; None: the default again. What all values are then.

    Raises Invalid; then nothing has changed.
    """

"""Kinds of values that a setting may have: each takes a TOML value or a text, and raises ValueError saying what was
expected."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from longhouse.vault import Secret


def whole(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return parse


def seconds(value: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number <= 600:
        raise ValueError("a number of seconds from 0 to 600")
    return number


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "1", "yes", "false", "0", "no"):
        return value.strip().lower() in ("true", "1", "yes")
    raise ValueError("true or false")


def text(pattern: str, expected: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value.strip()):
            raise ValueError(expected)
        return value.strip()

    return parse


word = text(r"\S+", "a word without spaces")
path = text(r".+", "a path")
url = text(r"(https?|socks5h?|file)://\S+", "an address such as https://host/path")
host = text(r"[A-Za-z0-9.:_\[\]-]{1,253}", "a host name, without http:// and path")
identifier = text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "a name of letters, digits, dots, dashes")
server_url = text(
    r"(https://[A-Za-z0-9.-]+|http://(localhost|127\.[0-9.]+|\[::1\]))(:[0-9]+)?(/[A-Za-z0-9._/-]*)?",
    "an https address such as https://github.example.org",
)
log_format = text(r"text|json", "'text' or 'json'")


def server(value: Any) -> str:
    return server_url(value).rstrip("/")


def secret(value: Any) -> Secret:
    return Secret(word(value))


def host_name(value: Any) -> str:
    return host(value).lower()


def network(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(word(value)))
    except ValueError as error:
        raise ValueError("a list of addresses or networks such as 10.0.0.0/8") from error


def list_of(each: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    """A TOML list, or words with spaces or commas between them."""

    def parse(value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            value = value.replace(",", " ").split()
        if not isinstance(value, list | tuple):
            raise ValueError("a list")
        return tuple(each(item) for item in value)

    return parse


def zone(value: Any) -> str:
    try:
        return ZoneInfo(word(value)).key
    except (ValueError, OSError, KeyError) as error:
        raise ValueError("a time zone such as Europe/Berlin or UTC") from error

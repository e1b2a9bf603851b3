"""Reads object literals out of JavaScript and TypeScript source; what only runs can tell is `COMPUTED`."""

import re
from typing import Any, Final


class _Computed:
    def __repr__(self) -> str:
        return "COMPUTED"


COMPUTED: Final = _Computed()

_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\]|\\.)*)`", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?![\w.])")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_DEEPEST = 40
_TOKEN = re.compile(_STRING.pattern + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)


def without_comments(source: str) -> str:
    """The source with its comments blanked; text that only looks like one, in a string, stays."""
    return _TOKEN.sub(lambda found: " " if found[0].startswith("/") else found[0], source)


def literal_at(source: str, start: int) -> Any:
    """The value that begins at `start`: objects, lists, strings, numbers, words; anything else is COMPUTED."""
    return _read(source, _skip(source, start), 0)[0]


def _skip(source: str, at: int) -> int:
    found = _SPACE.match(source, at)
    return found.end() if found else at


def _read(source: str, at: int, depth: int) -> tuple[Any, int]:
    """The value at `at` and where it ends; a value that goes on as an expression is computed."""
    start = at
    value, at = _simple(source, at, depth)
    after = _skip(source, at)
    suffix = re.compile(r"as\s+const\b|satisfies\s+[\w.<>]+|as\s+[\w.<>]+").match(source, after)
    if suffix:
        at = after = suffix.end()
    after = _skip(source, after)
    if value is COMPUTED or not (after >= len(source) or source[after] in ",}];)\n" or _ended(source, at, after)):
        return COMPUTED, _expression_end(source, start)
    return value, at


def _ended(source: str, at: int, after: int) -> bool:
    """A new line ends a declaration unless the next one goes on with an operator."""
    return "\n" in source[at:after] and source[after] not in ".+-*/?&|<>=([`"


def _simple(source: str, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST or at >= len(source):
        return COMPUTED, at
    if source[at] == "{":
        return _object(source, at, depth)
    if source[at] == "[":
        return _list(source, at, depth)
    if found := _STRING.match(source, at):
        text = next(group for group in found.groups() if group is not None)
        computed = found[3] is not None and "${" in text
        return (COMPUTED if computed else _ESCAPE.sub(_unescaped, text)), found.end()
    if found := _NUMBER.match(source, at):
        return float(found[0]), found.end()
    if (found := _NAME.match(source, at)) and found[0] in _WORDS:
        return _WORDS[found[0]], found.end()
    return COMPUTED, at


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code:
        return chr(min(int(code, 16), 0x10FFFF))
    return _PLAIN.get(found[4], found[4])


def _object(source: str, at: int, depth: int) -> tuple[Any, int]:
    members: dict[str, Any] = {}
    at = _skip(source, at + 1)
    while at < len(source) and source[at] != "}":
        if source.startswith("...", at):
            members["..."] = COMPUTED
            at = _expression_end(source, at + 3)
        else:
            key, at = _key(source, at)
            at = _skip(source, at)
            if source.startswith(":", at):
                members[key], at = _read(source, _skip(source, at + 1), depth + 1)
            else:  # shorthand, method or getter
                members[key] = COMPUTED
                at = _expression_end(source, at)
        at = _skip(source, at)
        if source.startswith(",", at):
            at = _skip(source, at + 1)
        elif not source.startswith("}", at):
            return COMPUTED, _expression_end(source, at)
    return members, at + 1


def _key(source: str, at: int) -> tuple[str, int]:
    if found := _STRING.match(source, at):
        return _ESCAPE.sub(_unescaped, next(group for group in found.groups() if group is not None)), found.end()
    if found := _NAME.match(source, at):
        return found[0], found.end()
    return "...", _expression_end(source, at)


def _list(source: str, at: int, depth: int) -> tuple[Any, int]:
    items: list[Any] = []
    at = _skip(source, at + 1)
    while at < len(source) and source[at] != "]":
        value, at = _read(source, at, depth + 1)
        items.append(value)
        at = _skip(source, at)
        if source.startswith(",", at):
            at = _skip(source, at + 1)
        elif not source.startswith("]", at):
            return COMPUTED, _expression_end(source, at)
    return items, at + 1


def _expression_end(source: str, at: int) -> int:
    """Where the expression at `at` ends: at a comma or closing bracket of its own level."""
    level = 0
    while at < len(source):
        if found := _TOKEN.match(source, at):
            at = found.end()
            continue
        character = source[at]
        if level == 0 and character in ",}])":
            return at
        level += (character in "{[(") - (character in "}])")
        at += 1
    return at

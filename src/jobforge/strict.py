"""The one parser for JSON that comes from outside.

It refuses what JSON parsers commonly let pass and disagree about: duplicate keys, NaN and Infinity, numbers beyond the
double range, a byte-order mark, and documents too large, too deep or with too many values.
"""

import json
import math
import re
from itertools import chain
from typing import Any, Final, NoReturn

from jobforge.errors import Refused

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_DEPTH: Final = 1_000
MAX_NODES: Final = 1_000_000  # values of any kind, keys not counted

_decoder = json.JSONDecoder()
_EXACT: Final = 2**53
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_MARKS = ((b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES) -> Any:
    """The value of `data`, or `Refused` with line and column. Whole numbers are integers, however written."""
    text = _decoded(data, max_bytes)
    if _surely_few(data, max_nodes):
        try:
            value = _quick(text)
        except (ValueError, RecursionError):
            pass  # the careful reader finds the place and the words for it
        else:
            if data.count(b"[") + data.count(b"{") <= max_depth or _depth(value) <= max_depth:
                return value
    elif _TEXT.sub(b"", data).count(b",") >= max_nodes:
        raise _too_many(max_nodes)
    return _Reader(text, max_depth, max_nodes).document()


def _decoded(data: bytes, max_bytes: int) -> str:
    if len(data) > max_bytes:
        raise Refused(
            f"The document is larger than {max_bytes:,} bytes.",
            code="jobforge.too_large",
            hint="Split it into smaller documents.",
        )
    for mark, name in _MARKS:
        if data.startswith(mark):
            raise Refused(
                f"The document starts with a byte-order mark ({name}).",
                code="jobforge.byte_order_mark",
                hint="Save it as UTF-8 without a byte-order mark.",
            )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(
            f"The document is not UTF-8: byte {error.start} is not part of any character.",
            code="jobforge.not_utf8",
            hint="Save it as UTF-8.",
        ) from error


def _surely_few(data: bytes, max_nodes: int) -> bool:
    """True if even with every comma and bracket outside of strings there are no more values than allowed."""
    return data.count(b",") + data.count(b"[") + data.count(b"{") < max_nodes


def _too_many(max_nodes: int) -> Refused:
    code = "jobforge.too_many_values"
    return Refused(f"The document has more than {max_nodes:,} values.", code=code, hint=_HINTS[code])


def _quick(text: str) -> Any:
    return json.loads(
        text, object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_no_constant
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key")
    return members


def _integer(digits: str) -> int:
    if len(digits) > 308:
        raise ValueError("perhaps beyond the double range")
    return int(digits)


def _finite(digits: str) -> int | float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("beyond the double range")
    return _whole(number)


def _whole(number: float) -> int | float:
    """1.0 and 1 are one JSON number; reading both as 1 leaves nobody with two."""
    return int(number) if -_EXACT <= number <= _EXACT and number.is_integer() else number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _depth(value: Any) -> int:
    depth = 0
    level = [value]
    while objects_and_lists := [item for item in level if type(item) is dict or type(item) is list]:
        depth += 1
        level = list(chain.from_iterable(i.values() if type(i) is dict else i for i in objects_and_lists))
    return depth


class _Reader:
    """Reads without recursion, counts as it goes and knows where it is."""

    def __init__(self, text: str, max_depth: int, max_nodes: int) -> None:
        self.text = text
        self.at = 0
        self.max_depth = max_depth
        self.max_nodes = max_nodes
        self.nodes = 0
        self.open: list[dict[str, Any] | list[Any]] = []
        self.keys: list[str] = []  # one per open container: the key being read, "" in a list

    def document(self) -> Any:
        """Every pass of the loop reads one value; a finished value closes as many containers as end behind it."""
        while True:
            self._skip()
            value = self._value()
            if value is not _OPENED:
                value = self._close_after(value)
                if not self.open:
                    break
        self._skip()
        if self.at != len(self.text):
            self._refuse("There is more after the end of the document", code="jobforge.not_json")
        return value

    def _value(self) -> Any:
        self.nodes += 1
        if self.nodes > self.max_nodes:
            raise _too_many(self.max_nodes)
        character = self.text[self.at : self.at + 1]
        if character in ("{", "["):
            return self._open_container(character)
        if character == '"':
            return self._string()
        for word, constant in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return constant
        return self._number()

    def _open_container(self, character: str) -> Any:
        if len(self.open) >= self.max_depth:
            self._refuse(f"The document is nested deeper than {self.max_depth:,} levels", code="jobforge.too_deep")
        self.at += 1
        container: dict[str, Any] | list[Any] = {} if character == "{" else []
        self._skip()
        if self.text.startswith("}" if character == "{" else "]", self.at):
            self.at += 1
            return container
        self.open.append(container)
        self.keys.append("")
        if character == "{":
            self._key()
        return _OPENED

    def _close_after(self, value: Any) -> Any:
        while self.open:
            container = self.open[-1]
            if isinstance(container, dict):
                container[self.keys[-1]] = value
            else:
                container.append(value)
            self._skip()
            closing = "}" if isinstance(container, dict) else "]"
            if self.text.startswith(",", self.at):
                self.at += 1
                if isinstance(container, dict):
                    self._skip()
                    self._key()
                return _OPENED
            if not self.text.startswith(closing, self.at):
                self._refuse(f"A comma or {closing} is missing", code="jobforge.not_json")
            self.at += 1
            value = self.open.pop()
            self.keys.pop()
        return value

    def _key(self) -> None:
        if not self.text.startswith('"', self.at):
            self._refuse("A key in double quotes is missing", code="jobforge.not_json")
        start = self.at
        key = self._string()
        container = self.open[-1]
        if key in container:
            self.at = start
            self._refuse(f"The key {json.dumps(key)} occurs twice in one object", code="jobforge.duplicate_key")
        self.keys[-1] = key
        self._skip()
        if not self.text.startswith(":", self.at):
            self._refuse("A colon is missing after a key", code="jobforge.not_json")
        self.at += 1

    def _string(self) -> str:
        try:
            value, self.at = _decoder.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.at = error.pos
            self._refuse("A string has an invalid escape, a control character or no end", code="jobforge.not_json")
        return str(value)

    def _number(self) -> int | float:
        found = _NUMBER.match(self.text, self.at)
        if not found:
            self._refuse_word()
        digits = found[0]
        try:
            number: int | float = float(digits) if found[1] or found[2] or len(digits) > 310 else int(digits)
            finite = math.isfinite(number)
        except OverflowError:
            finite = False
        if not finite:
            self._refuse("A number is beyond the range of a double", code="jobforge.number_range")
        self.at = found.end()
        return _whole(number) if isinstance(number, float) else number

    def _refuse_word(self) -> NoReturn:
        for word in ("NaN", "Infinity", "-Infinity"):
            if self.text.startswith(word, self.at):
                self._refuse(f"{word} is not a JSON value", code="jobforge.not_a_number")
        if self.at >= len(self.text):
            self._refuse("The document ends too early", code="jobforge.not_json")
        self._refuse("There is no JSON value", code="jobforge.not_json")

    def _skip(self) -> None:
        space = _SPACE.match(self.text, self.at)
        if space:
            self.at = space.end()

    def _refuse(self, sentence: str, *, code: str) -> NoReturn:
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - self.text.rfind("\n", 0, self.at)
        raise Refused(
            f"{sentence} (line {line}, column {column}).", code=code, hint=_HINTS[code], pointer=self._pointer()
        )

    def _pointer(self) -> str:
        """Where the reader is, as a JSON pointer; the outermost twenty steps, so that it stays readable."""
        steps = [
            escaped_step(key) if isinstance(container, dict) else str(len(container))
            for container, key in zip(self.open[:20], self.keys, strict=False)
        ]
        return "".join(f"/{step}" for step in steps)


_OPENED: Final = object()
_HINTS: Final = {
    "jobforge.not_json": "Check the document with any JSON tool.",
    "jobforge.duplicate_key": "Keep one of the two: readers disagree on which one counts.",
    "jobforge.not_a_number": "Leave the key out, or write a finite number.",
    "jobforge.number_range": "Use a finite number below 1.8e308.",
    "jobforge.too_deep": "Flatten the document.",
    "jobforge.too_many_values": "Split it into smaller documents.",
}


def escaped_step(key: str) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")

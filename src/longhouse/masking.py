"""Secrets do not get into what is kept: values and known token shapes are replaced in bytes and texts as they pass by.

A value is found as it is, line by line if it has several, and in the forms that programs print values in: base64 at
each of the three alignments, hexadecimal, and quoted for addresses, JSON, HTML and shells. It prevents accidents: a job
that means to give a secret away can.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from longhouse import token_shapes

SHORTEST = 6
"""Of a value, and of a line of one. What is shorter is in every other word."""
MASK = b"\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2"


def forms(value: str) -> set[bytes]:
    """Every byte string by which `value` is recognised; a form shorter than SHORTEST is left out."""
    found: set[bytes] = set()
    for text in {value, *value.splitlines()}:
        if len(text.encode()) >= SHORTEST:
            found |= _forms(text)
    return {form for form in found if len(form) >= SHORTEST}


def _forms(text: str) -> set[bytes]:
    raw = text.encode()
    texts = {
        *(text, raw.hex(), raw.hex().upper()),
        *(quote(text, safe=""), quote(text), quote_plus(text), quote(text, safe="").lower()),
        *(json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]),
        *(html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;")),
        *(shlex.quote(text), text.replace("'", "'\\''"), re.sub(r"([^\w@%+=:,./-])", r"\\\1", text, flags=re.ASCII)),
    }
    return {each.encode() for each in texts} | set(_base64(raw))


def _base64(raw: bytes) -> Iterator[bytes]:
    """What of `raw` stays the same, whatever stands before and behind it in the encoded text."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        first, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        yield encoded[first:end]
        yield encoded[first:end].translate(bytes.maketrans(b"+/", b"-_"))


class Hits(NamedTuple):
    spans: list[tuple[int, int]]
    """What is to be hidden, in order and apart from each other."""
    open_from: int
    """From where on there may be the beginning of something to hide that has not come whole; the length if not."""


class Masker:
    """Finds the values it was made with, and token shapes. Safe to share between threads; `Stream` is not."""

    def __init__(self, values: Mapping[str, str] = MappingProxyType({})) -> None:
        """`values` by their names."""
        from ahocorasick_rs import BytesAhoCorasick

        marks = token_shapes.MARKS
        named = {form: name for name, value in values.items() for form in forms(value)}
        patterns = sorted(named.keys() - set(marks))
        self._names = [named[form] for form in patterns]
        self._first_mark = len(patterns)
        self._automaton = BytesAhoCorasick([*patterns, *marks])
        self._sorted = sorted([*patterns, *marks])
        self._longest = max(map(len, self._sorted))

    def mask(self, data: bytes) -> bytes:
        """`data` with every hit replaced; what overlaps is one hit."""
        return _replaced(data, self.hits(data).spans)

    def text(self, text: str) -> str:
        return self.mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it masked, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(each) for each in value]
        return value

    def finds(self, data: bytes) -> Iterator[tuple[int, str]]:
        """Where something to hide begins in a whole text, and what it is: `the secret NAME`, `a GitHub user token`."""
        for number, start, _ in self._automaton.find_matches_as_indexes(data, overlapping=True):
            if number < self._first_mark:
                yield start, f"the secret {self._names[number]}"
            elif token_shapes.end_at(number - self._first_mark, data, start) is not None:
                yield start, f"a {token_shapes.SHAPES[number - self._first_mark].name}"

    def hits(self, data: bytes) -> Hits:
        found, open_from = [], self._begun(data)
        for number, start, end in self._automaton.find_matches_as_indexes(data, overlapping=True):
            if number < self._first_mark:
                found.append((start, end))
                continue
            shape = number - self._first_mark
            token_end = token_shapes.end_at(shape, data, start)
            if token_end is not None:
                found.append((start, token_end))
            if token_end in (None, len(data)) and token_shapes.may_go_on(shape, data, start):
                open_from = min(open_from, start)
        return Hits(_joined(sorted(found)), open_from)

    def _begun(self, data: bytes) -> int:
        """Where the end of `data` begins to look like the beginning of a value or mark."""
        for start in range(max(0, len(data) - self._longest + 1), len(data)):
            end = data[start:]
            at = bisect_right(self._sorted, end)  # behind itself: what has come whole does not wait
            if at < len(self._sorted) and self._sorted[at].startswith(end):
                return start
        return len(data)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _replaced(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    if not spans:
        return data
    parts, at = [], 0
    for start, end in spans:
        parts += [data[at:start], MASK]
        at = end
    return b"".join([*parts, data[at:]])


class Stream:
    """One stream of output: what may be the beginning of a hit waits until more has come."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be let go, masked."""
        data = self._held + data
        spans, safe = self._masker.hits(data)
        while spans and spans[-1][1] > safe:  # a hit that reaches into what waits may go on there, so it waits, too
            safe = min(safe, spans.pop()[0])
        self._held = data[safe:]
        return _replaced(data[:safe], spans)

    def close(self) -> bytes:
        """The rest: the beginning of something to hide is no secret when nothing follows it."""
        data, self._held = self._held, b""
        return self._masker.mask(data)

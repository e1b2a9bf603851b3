"""Python code as coloured lines: Python's own tokenizer, no library. What it cannot read stays plain."""

from __future__ import annotations

import builtins
import io
import keyword
import tokenize
from collections.abc import Iterator

from markupsafe import Markup, escape

from longhouse.web.text import shown

KINDS = {tokenize.COMMENT: "t-c", tokenize.STRING: "t-s", tokenize.NUMBER: "t-n"}
if hasattr(tokenize, "FSTRING_START"):  # from Python 3.12 an f-string is several tokens
    KINDS |= {getattr(tokenize, f"FSTRING_{part}"): "t-s" for part in ("START", "MIDDLE", "END")}
NAMES = frozenset(keyword.kwlist)
BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
LONGEST = 200_000
"""Characters of a file that still gets colours."""


def lines(code: str) -> list[Markup]:
    """The lines of `code`, escaped, with spans of the classes t-c, t-s, t-n, t-k, t-d, t-b, t-a."""
    code = code.replace("\r\n", "\n").replace("\r", "\n")
    plain = code.removesuffix("\n").split("\n")
    marks: dict[int, list[tuple[int, int, str]]] = {}
    if len(code) <= LONGEST:
        for row, start, end, kind in _marks(code):
            marks.setdefault(row, []).append((start, end, kind))
    return [_line(text, marks.get(row, [])) for row, text in enumerate(plain, 1)]


def _line(text: str, marks: list[tuple[int, int, str]]) -> Markup:
    done, at = Markup(), 0
    for start, end, kind in marks:
        done += escape(shown(text[at:start])) + Markup('<span class="{}">{}</span>').format(
            kind, shown(text[start:end])
        )
        at = end
    return done + escape(shown(text[at:]))


def _marks(code: str) -> Iterator[tuple[int, int, int, str]]:
    """(line, from, to, class), in order; a token over several lines gives one for each."""
    rows = code.split("\n")
    before = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            kind = _kind(token, before)
            if token.string.strip():
                before = token.string
            if not kind:
                continue
            (first, start), (last, end) = token.start, token.end
            for row in range(first, last + 1):
                stop = end if row == last else len(rows[row - 1])
                yield row, start if row == first else 0, stop, kind
    except (tokenize.TokenError, SyntaxError, IndexError):
        return


def _kind(token: tokenize.TokenInfo, before: str) -> str:
    if token.type in KINDS:
        return KINDS[token.type]
    if token.type != tokenize.NAME:
        return "t-a" if token.string == "@" and token.start[1] == len(token.line) - len(token.line.lstrip()) else ""
    if before in ("def", "class"):
        return "t-d"
    if before == "@":
        return "t-a"
    if token.string in NAMES:
        return "t-k"
    return "t-b" if token.string in BUILTINS and before != "." else ""

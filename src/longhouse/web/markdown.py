"""Markdown that a job wrote, as HTML: text, lists, tables and links to elsewhere; no HTML of its own, no pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from longhouse.web.text import shown

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LEADS_OUT = re.compile(r"(?:https?://|mailto:)[^\s]+", re.IGNORECASE)
"""A link into this site could look like one of our own buttons, so there is none."""


def html(text: str) -> Markup:
    reader = _reader()
    tokens = reader.parse(shown(text))
    for token in tokens:
        token.attrs.pop("style", None)  # of aligned columns; pages have no inline style
    said = reader.renderer.render(tokens, reader.options, {})
    return Markup(said)  # noqa: S704  # escaped by the library, whose own HTML rule is off


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    found = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    found.disable(["html_block", "html_inline"])
    found.validateLink = _leads_out  # type: ignore[method-assign]  # the documented way to choose links
    found.add_render_rule("image", _image)
    found.add_render_rule("link_open", _link_open)
    found.add_render_rule("heading_open", _heading_open)
    found.add_render_rule("heading_close", _heading_close)
    return found


def _leads_out(url: str) -> bool:
    return LEADS_OUT.fullmatch(url) is not None


def _image(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return f'<span class="soft">[picture: {escape(tokens[at].content or "without a text")}]</span>'


def _link_open(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    href = escape(str(tokens[at].attrs.get("href", "")))
    return f'<a href="{href}" rel="noopener noreferrer nofollow">'


def _heading_open(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return f'<p class="md-{tokens[at].tag}">'


def _heading_close(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return "</p>"

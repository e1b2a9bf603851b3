"""What of an artifact can be looked at on a page: a picture, a table, a text, or HTML behind glass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from longhouse.web import markdown, tables
from longhouse.web.tables import NotJson, Table

READ = 1024 * 1024
TEXT = 128 * 1024
"""Characters of a text that are shown."""
LARGEST_FRAMED = 8 * 1024 * 1024
LARGEST_PICTURE = 32 * 1024 * 1024

IMAGES = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
    "image/svg+xml": "image/svg+xml",
}
KINDS = {
    **dict.fromkeys(IMAGES, "image"),
    "text/html": "html",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/json": "json",
    "text/markdown": "markdown",
    "application/xml": "text",
    "application/yaml": "text",
    "application/x-yaml": "text",
    "application/toml": "text",
}
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".md": "markdown",
    ".markdown": "markdown",
    ".log": "text",
    ".txt": "text",
    ".yaml": "text",
    ".yml": "text",
    ".toml": "text",
}
"""For types that say nothing."""
SAYS_NOTHING = ("application/octet-stream", "text/plain", "")


@dataclass(frozen=True)
class Preview:
    kind: str
    """image, html, csv, json, markdown, text, or empty: only to be downloaded."""
    table: Table | None = None
    text: str = ""
    html: Markup | None = None
    said: str = ""
    """What is left out, or why nothing is shown; else empty."""


def kind_of(name: str, media_type: str) -> str:
    """By what the job said it is, and by its name if that says nothing."""
    plain = media_type.partition(";")[0].strip().lower()
    if plain in SAYS_NOTHING:
        return ENDINGS.get(Path(name).suffix.lower(), "text" if plain == "text/plain" else "")
    if plain.endswith("+json"):
        return "json"
    return KINDS.get(plain, "text" if plain.startswith("text/") else "")


def media_type_of(kind: str, media_type: str) -> str | None:
    """What a browser is told when it shows the file as it is; None for kinds that are never served like that."""
    if kind == "html":
        return "text/html"
    return IMAGES.get(media_type.partition(";")[0].strip().lower()) if kind == "image" else None


def preview(path: Path, name: str, media_type: str, size: int) -> Preview:
    kind = kind_of(name, media_type)
    if kind in ("image", "html"):
        most = LARGEST_PICTURE if kind == "image" else LARGEST_FRAMED
        return Preview(kind) if size <= most else Preview("", said="It is too large to be shown here.")
    if not kind:
        return Preview("", said="Files of this type are not shown here.")
    with path.open("rb") as file:
        data = file.read(READ + 1)
    if b"\0" in data:
        return Preview("", said="It is not text.")
    cut = len(data) > READ
    text = data[:READ].decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    if kind == "csv":
        return _table(kind, tables.of_csv(text, cut=cut), text, cut)
    if kind == "json" and not cut:
        return _json(text)
    if kind == "markdown" and len(text) <= TEXT:
        return Preview(kind, html=markdown.html(text))
    return _text("text", text, cut)


def _json(text: str) -> Preview:
    try:
        value = tables.read_json(text)
        table = tables.of_value(value)
        return _table("json", table, "", False) if table else _text("json", tables.pretty(value, TEXT), False)
    except NotJson as error:
        found = _text("text", text, False)
        return Preview("text", text=found.text, said=f"This is not JSON that can be read: {error}.")


def _table(kind: str, table: Table | None, text: str, cut: bool) -> Preview:
    if table is None:
        return _text("text", text, cut)
    left_out = [
        *([f"rows after the first {tables.ROWS}"] if table.more_rows or cut else []),
        *([f"columns after the first {tables.COLUMNS}"] if table.more_columns else []),
    ]
    return Preview(kind, table=table, said=f"Left out: {' and '.join(left_out)}." if left_out else "")


def _text(kind: str, text: str, cut: bool) -> Preview:
    short = cut or len(text) > TEXT
    return Preview(kind, text=text[:TEXT], said="The rest of it is left out." if short else "")

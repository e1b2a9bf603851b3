"""What an attempt printed, as numbered lines of HTML: a window of it, never more than a megabyte."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup, escape

from longhouse import logsearch, output
from longhouse.frames import Stream, entries
from longhouse.output import Line, Page
from longhouse.web import times
from longhouse.web.ansi import PLAIN, Ansi, Style
from longhouse.web.text import CONTROL, symbol

LINES = 500
"""A window, in whichever direction the reader goes: what a browser puts into a page between two frames."""
OPENING = 60
OPENING_BYTES = 44 * 1024
"""What a page comes with: the whole of it is to be there in an instant, over a slow line, too, and every line more is
styled and laid out before the first of them is seen."""
NEWEST = 120
TEXT_BYTES = 320 * 1024
FORWARD_BYTES = 128 * 1024
"""Of text, for those who read on from a line: more than a window of ordinary lines."""
HTML_BYTES = 760 * 1024
"""A window's lines beyond this are left for the next one; with one more line of 64 KiB it stays under 1 MiB."""
BEHIND = 400
"""A reader who follows and is this many lines behind is taken to the end, and gets the NEWEST of it: of thousands of
lines a second nobody reads one, and what was passed over comes back when he scrolls up."""

CONTROL_RUN = re.compile(f"(?:{CONTROL.pattern})+")
KEY = re.compile(r"(-|\d{1,2})\.(-|\d{1,2})\.((?:[a-z]{2})*)")
FLAG = re.compile("[a-z]{2}")

CLASSES = {Stream.OUT: "l", Stream.ERR: "l e", Stream.LOG: "l g", Stream.SYSTEM: "l y"}
SAID = {Stream.ERR: "error output: ", Stream.LOG: "log: ", Stream.SYSTEM: "Longhouse: "}


@dataclass(frozen=True)
class View:
    """How the reader wants to see the lines."""

    streams: frozenset[int] | None = None
    """Only these; None: all."""
    started: int | None = None
    """When the attempt began, milliseconds since the epoch; None: lines carry no times."""
    zone: str = "UTC"

    def stamp(self, ms: int) -> str:
        """`18:23:07.412`, the time of day when a line came."""
        if self.started is None:
            return ""
        at = self.started + ms
        return f"{_second(at // 1000, self.zone)}.{at % 1000:03d}"


@lru_cache(maxsize=4096)
def _second(seconds: int, zone: str) -> str:
    return times.local(seconds * 1000, zone).strftime("%H:%M:%S")


ALL = View()


@dataclass
class Window:
    """Some lines of an attempt, ready to be shown."""

    attempt: int = 0
    html: Markup = field(default_factory=Markup)
    first: int = 1
    next: int = 1
    """Where to go on. While the attempt runs that is its last line, which may still grow."""
    style: str = ""
    """The colours in force at `next`."""
    more_before: bool = False
    more_after: bool = False
    total: int = 0
    follows: bool = False
    """More may come, and it is to be shown as it comes."""
    over: bool = False
    """The attempt has ended, and this window reaches its end."""
    from_end: bool = False
    position: int = 0
    """Where in the output `next` is, or a little before."""
    download: str = ""
    nothing: bool = False
    """There is no line to show: none was printed, or none of these streams."""


def opening(path: Path | None, *, growing: bool, view: View = ALL, lines: int = OPENING) -> Window:
    """The end of the output, as much as a page comes with."""
    return _window(_read(path, view, from_end=lines), view, growing=growing, from_end=True, most_bytes=OPENING_BYTES)


def tail(path: Path | None, *, growing: bool, view: View = ALL) -> Window:
    """The end of the output."""
    return _window(_read(path, view, from_end=LINES), view, growing=growing, from_end=True)


def around(path: Path | None, line: int, *, growing: bool, view: View = ALL) -> Window:
    """A window with `line` in it, some before it; the end, if there is no such line."""
    found = _read(path, view, from_line=max(1, line - 200), most=FORWARD_BYTES)
    if line > found.total:
        return tail(path, growing=growing, view=view)
    if found.more_after and found.lines[-1].number < line:  # those before it are long
        found = _read(path, view, from_line=line, most=FORWARD_BYTES)
    return _window(found, view, growing=growing, keep_start=True)


def since(path: Path | None, line: int, style: str, *, growing: bool, jump: bool = False, view: View = ALL) -> Window:
    """From `line` on, with the colours of where the reader stopped. `jump`: the end instead, if that is far away."""
    found = _read(path, view, from_line=line, most=FORWARD_BYTES)
    if jump and found.total - line > BEHIND:
        return opening(path, growing=growing, view=view, lines=NEWEST)
    window = _window(found, view, growing=growing, style=style, keep_start=True)
    if not window.html:
        window.first, window.next, window.style = line, line, style
    return window


def before(path: Path | None, line: int, *, view: View = ALL) -> Window:
    """The lines that come before `line`, as many as fit."""
    count = LINES
    if view.streams is not None:
        return _window(_before_of(path, line, count, view.streams), view, growing=False)
    while True:
        start = max(1, line - count)
        page = _read(path, view, from_line=start)
        lines = [each for each in page.lines if each.number < line]
        whole = not page.more_after or len(lines) < len(page.lines) or (bool(lines) and lines[-1].number == line - 1)
        if whole or count == 1:
            return _window(Page(lines, page.more_before, False, page.total, page.dropped_bytes), view, growing=False)
        count = max(1, count // 4)


def _before_of(path: Path | None, line: int, count: int, streams: frozenset[int]) -> Page:
    try:
        return logsearch.last_before(path, line, count, streams, TEXT_BYTES) if path is not None else NOTHING
    except FileNotFoundError:
        return NOTHING


def end_of(path: Path | None) -> int:
    """A position near the end, from which a stream of news may start."""
    return entries(path)[-1].position if path is not None else 0


NOTHING = Page([], False, False, 0, 0)


def _read(
    path: Path | None, view: View, *, from_line: int = 1, from_end: int | None = None, most: int = TEXT_BYTES
) -> Page:
    if path is not None:
        try:
            return output.read_lines(
                path, from_line=from_line, from_end=from_end, limit_bytes=most, streams=view.streams
            )
        except FileNotFoundError:
            pass
    return NOTHING


def _window(
    page: Page,
    view: View,
    *,
    growing: bool,
    style: str = "",
    from_end: bool = False,
    keep_start: bool = False,
    most: int = LINES,
    most_bytes: int = HTML_BYTES,
) -> Window:
    ansi = {stream: Ansi() for stream in Stream}
    ansi[Stream.OUT].style = style_of(style)
    rows: list[tuple[Line, Markup, Style]] = []
    for each in page.lines[:most] if keep_start else page.lines[-most:]:
        at_start = ansi[Stream.OUT].style
        rows.append((each, line_html(each, ansi[each.stream], view.stamp(each.ms)), at_start))
    kept = _fitting(rows, most_bytes, keep_start=keep_start)
    numbered = [row for row in kept if row[0].number]
    more_after = page.more_after or (keep_start and len(kept) < len(page.lines))
    found = Window(
        html=Markup("\n").join(row[1] for row in kept),
        more_before=page.more_before or (not keep_start and len(kept) < len(page.lines)),
        more_after=more_after,
        total=page.total,
        from_end=from_end,
    )
    if numbered:
        last, _, before_last = numbered[-1]
        found.first = numbered[0][0].number
        again = growing and not more_after
        found.next = last.number if again else last.number + 1
        found.style = style_key(before_last if again else ansi[Stream.OUT].style)
    return found


def _fitting(
    rows: list[tuple[Line, Markup, Style]], most_bytes: int, *, keep_start: bool
) -> list[tuple[Line, Markup, Style]]:
    """As many of them as fit, one at least, from the start or from the end."""
    kept: list[tuple[Line, Markup, Style]] = []
    size = 0
    for row in rows if keep_start else reversed(rows):
        size += len(row[1].encode())
        if kept and size > most_bytes:
            break
        kept.append(row)
    return kept if keep_start else kept[::-1]


def line_html(line: Line, ansi: Ansi, stamp: str = "") -> Markup:
    if line.stream == Stream.GAP:
        return Markup('<p class="skipped">{}: the end follows</p>').format(line.text)
    text = "".join(span_html(*span) for span in ansi.line(line.text))
    hear = f'<span class="hear">{SAID[line.stream]}</span>' if line.stream in SAID else ""
    number, css_class = line.number, CLASSES[line.stream]
    said_at = f' data-t="{stamp}"' if stamp else ""
    return Markup(  # noqa: S704  # the text is escaped, the rest our own
        f'<div class="{css_class}" id="L{number}"><a href="#L{number}" tabindex="-1"{said_at}>{number}</a>'
        f"{hear}<code>{text}</code></div>"
    )


def span_html(text: str, style: Style) -> str:
    shown = CONTROL_RUN.sub(_named, str(escape(text)))
    return f'<span class="{css(style)}">{shown}</span>' if style != PLAIN else shown


def _named(found: re.Match[str]) -> str:
    return f'<i class="x">{"".join(map(symbol, found[0]))}</i>'


@lru_cache(maxsize=1024)
def css(style: Style) -> str:
    names = []
    if style.fg is not None and style.bg is None and not style.inverse:
        names.append(f"f{style.fg}")
    if style.inverse:
        names.append("inverse")
    elif style.bg is not None:
        names.append(f"b{style.bg}")
    names += [flag for flag in ("bold", "italic", "underline", "strike") if getattr(style, flag)]
    if style.dim and style.bg is None and not style.inverse and style.fg is None:
        names.append("dim")
    return " ".join(names)


def style_key(style: Style) -> str:
    """A style in a few letters, so that colours go on where a reader stopped: `9.-.bi`."""
    colours = ("-" if style.fg is None else str(style.fg), "-" if style.bg is None else str(style.bg))
    return (
        ""
        if style == PLAIN
        else ".".join((*colours, "".join(flag[0:2] for flag in Style._fields[2:] if getattr(style, flag))))
    )


def style_of(key: str) -> Style:
    """The style of a key; the plain one for anything else."""
    found = KEY.fullmatch(key)
    if found is None:
        return PLAIN
    colours = [int(each) % 16 if each != "-" else None for each in found.groups()[:2]]
    flags = {flag: flag[0:2] in FLAG.findall(found[3]) for flag in Style._fields[2:]}
    return Style(colours[0], colours[1], **flags)

"""What went wrong in a user's code, in the user's terms: his own frames, files named as they are in the tree."""

from __future__ import annotations

import sys
import traceback

from zerg._message import Message
from zerg._tree import relative

TYPE_CHECKING = False
if TYPE_CHECKING:
    from traceback import FrameSummary, StackSummary, TracebackException
    from types import TracebackType

LONGEST_TRACEBACK = 64 * 1024
LONGEST_MESSAGE = 4000
OURS = __file__.rpartition("/")[0]
"""The folder of this package; our bootstrap lies beside it."""


class Failure(Message):
    """`file` and `line` are the user's line that led to it, None if there is none."""

    error_type: str
    message: str
    file: str | None
    line: int | None
    traceback: str


def failure(error: BaseException, tree: str) -> Failure:
    file, line = place(error, tree)
    return Failure(
        error_type=type(error).__name__,
        message=shortened(said(error).replace(f"{tree}/", ""), LONGEST_MESSAGE),
        file=file,
        line=line,
        traceback=shortened(user_traceback(error, tree).replace(f"{tree}/", ""), LONGEST_TRACEBACK),
    )


def said(error: BaseException) -> str:
    """The text of an error, its type's name if it has none or cannot tell it."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def place(error: BaseException, tree: str) -> tuple[str | None, int | None]:
    """File (relative to the tree) and line of the innermost user frame, or of the syntax error."""
    if isinstance(error, SyntaxError) and error.filename:
        inside = relative(error.filename, tree)
        if inside is not None:
            return inside, error.lineno
    steps = tree_steps(error.__traceback__, tree)
    return steps[-1] if steps else (None, None)


def tree_steps(trace: TracebackType | None, tree: str) -> list[tuple[str, int]]:
    """Every step of a traceback that is in the tree: file and line, outermost first."""
    found = []
    while trace is not None:
        inside = relative(trace.tb_frame.f_code.co_filename, tree)
        if inside is not None:
            found.append((inside, trace.tb_lineno))
        trace = trace.tb_next
    return found


def user_traceback(error: BaseException, tree: str) -> str:
    try:
        shown = traceback.TracebackException.from_exception(error)
        trim(shown, tree, set())
        return "".join(shown.format())
    except (RecursionError, MemoryError):
        return f"{type(error).__name__}: {said(error)}\n"


def trim(shown: TracebackException, tree: str, seen: set[int]) -> None:
    """Leave our frames and the import machinery's out of a traceback and of those it came from."""
    if id(shown) in seen:
        return
    seen.add(id(shown))
    if shown.stack:
        shown.stack[:] = kept(shown.stack, tree)
    inside = relative(getattr(shown, "filename", None) or "", tree)
    if inside is not None:  # the file of a syntax error
        shown.filename = inside
    for other in (shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())):
        if other is not None:
            trim(other, tree, seen)


def kept(stack: StackSummary, tree: str) -> list[FrameSummary]:
    found = []
    for frame in stack:
        if frame.filename.startswith((OURS, "<frozen ")) or frame.filename == bootstrap():
            continue
        inside = relative(frame.filename, tree)
        if inside is not None:
            frame.line  # noqa: B018  # reads the source line while the file can still be found under its full name
            frame.filename = inside
        found.append(frame)
    return found


def bootstrap() -> str:
    """The file that the interpreter was started with."""
    return getattr(sys.modules.get("__main__"), "__file__", "") or ""

"""One call of the command: its options, where its output goes, and the instance it is about."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import click

from longhouse import config
from longhouse.cli import terminal
from longhouse.cli.instance import Instance
from longhouse.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

STATES = {
    "succeeded": "green",
    "degraded": "yellow",
    "failed": "red",
    "skipped": "bright_black",
    "cancelled": "bright_black",
    "running": "cyan",
    "retrying": "yellow",
}


@dataclass(frozen=True)
class Call:
    """What a command is given as its first argument."""

    data_dir: str | None
    json: bool
    quiet: bool
    no_color: bool
    no_input: bool

    @property
    def colour(self) -> bool:
        """Whether what goes to stdout may be coloured."""
        return not self.no_color and not config.wants_no_color() and sys.stdout.isatty()

    @cached_property
    def directory(self) -> Path:
        return config.find_data_dir(self.data_dir, cwd=Path.cwd())[0]

    @cached_property
    def instance(self) -> Instance:
        """Raises Unreachable when none runs."""
        directory, found = config.find_data_dir(self.data_dir, cwd=Path.cwd())
        return Instance.of(directory, shown_flag=found not in ("default", config.PREFIX + "DATA_DIR"))

    def look_again(self) -> None:
        """The instance may have been started anew: at another address, with another token."""
        self.__dict__.pop("instance", None)

    def settings(self, **flags: Any) -> config.Config:
        """Raises UsageError and CannotStart."""
        return config.load({"data_dir": self.data_dir, **flags}, cwd=Path.cwd())

    # --- what is printed -------------------------------------------------------------------------------------------

    def show(self, document: Any, *lines: str) -> None:
        """The result: the whole document with --json, else the lines. Values in them have to be `terminal.line`s."""
        if self.json:
            write(terminal.pretty(document))
        else:
            for text in lines:
                write(text)

    def event(self, document: Any) -> None:
        """One line of a stream, with --json."""
        write(terminal.compact(document))

    def note(self, text: str) -> None:
        """Something beside the result, for a person."""
        if not self.quiet and not self.json:
            print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """What a person should know even with --quiet; with --json it is in the document."""
        if not self.json:
            print(f"warning: {text}", file=sys.stderr, flush=True)

    def table(self, document: Any, head: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
        if self.json:
            write(terminal.pretty(document))
        elif not rows:
            self.note(empty)
        elif sys.stdout.isatty():
            _rich_table(head, rows, colour=self.colour)
        else:
            for text in aligned([head, *rows]):
                write(text)

    def state(self, state: str) -> str:
        return click.style(state, STATES.get(state)) if self.colour else state

    def ask(self, question: str, flag: str) -> str:
        """A secret from the terminal, twice. Raises UsageError where nobody can answer."""
        if self.no_input or not sys.stdin.isatty():
            raise UsageError(f"this would ask: {question}", hint=f"Give it with {flag}.")
        answer: str = click.prompt(question, hide_input=True, confirmation_prompt=True, err=True)
        return answer

    def agree(self, question: str, flag: str) -> bool:
        """Yes or no from the terminal. Raises UsageError where nobody can answer."""
        if self.no_input or not sys.stdin.isatty():
            raise UsageError(f"this would ask: {question}", hint=f"Answer it with {flag}.")
        return click.confirm(question, err=True)


def write(text: str) -> None:
    """A line on stdout, in UTF-8 whatever the locale says; flushed, because another program may be waiting for it."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def aligned(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Columns with two spaces between them, each as wide as its widest cell."""
    cells = [[terminal.line(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _rich_table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, colour: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*(Text(terminal.line(cell), STATES.get(str(cell), "")) for cell in row))
    Console(no_color=not colour, highlight=False).print(table)


# --- options every command has ---------------------------------------------------------------------------------------

COMMON = (
    click.option("--data-dir", metavar="DIR", help="The data directory of the instance."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document; JSON lines for streams."),
    click.option("--quiet", "-q", is_flag=True, help="Print the result and errors only."),
    click.option("--no-color", is_flag=True, help="Print without colours, as with NO_COLOR set."),
    click.option("--no-input", is_flag=True, help="Never ask; fail where a question would be."),
)


def options(function: F) -> F:
    for option in reversed(COMMON):
        function = option(function)
    return function


def command(group: click.Group | None = None, name: str | None = None) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command, in `group` or at the top. Its function gets the Call, then its own parameters.

    It may return an exit code. The common options may stand before or after the command's name.
    """

    def register(function: Callable[..., Any]) -> click.Command:
        def called(
            data_dir: str | None, as_json: bool, quiet: bool, no_color: bool, no_input: bool, **given: Any
        ) -> Any:
            before: dict[str, Any] = click.get_current_context().find_root().obj or {}
            call = Call(
                data_dir=data_dir or before.get("data_dir"),
                json=as_json or bool(before.get("as_json")),
                quiet=quiet or bool(before.get("quiet")),
                no_color=no_color or bool(before.get("no_color")),
                no_input=no_input or bool(before.get("no_input")),
            )
            try:
                return function(call, **given)
            except BrokenPipeError:  # nobody reads us any more, as with `| head`
                _forget_stdout()
                return 0

        made = group.command(name) if group else click.command(name)
        return made(options(update_wrapper(called, function)))

    return register


def _forget_stdout() -> None:
    """Keep the interpreter from failing to flush when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)

"""What commands print: documents and paths on stdout, words for people on stderr, progress on a terminal only."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from growth.analysis import Analysis, encodable
from growth.errors import DependencyFailed, GrowthError, InputRefused
from growth.outputs import write_all
from growth.pages import Progress
from growth.redaction import Redaction
from growth.requests import Item
from jobforge.canonical import pretty


def finish(analysis: Analysis, paths: list[Path], *, as_json: bool) -> None:
    summary = analysis.report["summary"]
    warn(analysis.warnings)
    if as_json:
        _print(
            {
                "ok": True,
                "paths": [str(path) for path in paths],
                "requests": [
                    {"job_type": item["request"]["job_type"], "idempotency_key": item["idempotency_key"]}
                    for item in analysis.bundle["requests"]
                ],
                "summary": summary,
                "redacted": analysis.redacted,
                "warnings": analysis.warnings,
                "canonical_hash": analysis.bundle["canonical_hash"],
            }
        )
        return
    biggest = summary["funnel_biggest_drop_off_step"]
    say(
        f"{summary['seo_findings']} SEO finding(s), biggest drop-off {'n/a' if biggest is None else ascii(biggest)}, "
        f"{summary['experiment_proposals']} experiment(s), {summary['content_drafts']} draft(s); "
        f"{len(analysis.bundle['requests'])} request(s), all waiting for approval."
    )
    say(_replaced(analysis.redacted))
    for path in paths:
        _out(f"{path}\n")


def result(
    document: Any, item: Item | None, out: str | None, words: str, redaction: Redaction, *, as_json: bool
) -> None:
    say(words)
    say(_replaced(redaction.total))
    if out is not None:
        path = Path(out)
        if path.is_dir() or not path.name:
            raise InputRefused(f"--out {out} is a folder.", hint="Name a file.", code="growth.output_blocked")
        paths = write_all(path.parent, {path.name: pretty(document)})
        if item is None:
            _print({"ok": True, "paths": [str(path) for path in paths]}) if as_json else _out(f"{paths[0]}\n")
            return
    _print(document if item is None else item)


def _replaced(count: int) -> str:
    return f"{count} confidential-looking text(s) replaced." if count else "Nothing looked confidential."


def _print(document: Any) -> None:
    _out(pretty(document) + "\n")


def _out(text: str) -> None:
    click.echo(text.encode("utf-8", "surrogateescape"), nl=False)


def say(text: str) -> None:
    click.echo(encodable(text).encode(), err=True)


def warn(warnings: list[str]) -> None:
    for warning in warnings:
        say(f"Warning: {warning}")


class Bar:
    """A progress bar on a terminal, nothing anywhere else."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.stack = ExitStack()

    def __enter__(self) -> Progress | None:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import Progress as Bars

        bars = self.stack.enter_context(Bars(console=Console(stderr=True), transient=True))
        task = bars.add_task(self.label, total=None)
        return lambda done, total: bars.update(task, completed=done, total=total or None)

    def __exit__(self, *_: object) -> None:
        self.stack.close()


def explain(error: GrowthError, *, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {
            "ok": False,
            "code": error.code,
            "message": encodable(error.message),
            "hint": error.hint,
            "exit_code": error.exit_code,
            "errors": [{"pointer": fault.pointer, "message": fault.message} for fault in error.faults],
        }
        if isinstance(error, DependencyFailed):
            document["retry"] = {
                "retryable": error.retryable,
                "retry_after_seconds": error.retry_after_seconds,
                "max_retries": 3 if error.retryable else 0,
                "strategy": "exponential_backoff",
            }
        click.echo(json.dumps(document, ensure_ascii=True, indent=2), err=True)
    else:
        say(f"Error: {error.message}")
        if error.hint:
            say(error.hint)
    sys.exit(error.exit_code)

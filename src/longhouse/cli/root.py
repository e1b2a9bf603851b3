"""The tree of commands, and how every error becomes a sentence and an exit code."""

from __future__ import annotations

import sys
from typing import Any

import click

from longhouse.cli import terminal
from longhouse.cli.access import login_link, password, sessions, tokens
from longhouse.cli.activity import activity
from longhouse.cli.backfills import backfill, backfills
from longhouse.cli.call import options
from longhouse.cli.check import check
from longhouse.cli.clock import clock
from longhouse.cli.deletions import runs
from longhouse.cli.instance import Refused
from longhouse.cli.local import completion, configuration, doctor, serve
from longhouse.cli.new_jobs import jobs
from longhouse.cli.pauses import pause, resume
from longhouse.cli.runs import run as run_job
from longhouse.cli.schedule import schedule
from longhouse.cli.secrets import secrets
from longhouse.cli.simulate import simulation
from longhouse.cli.status import status
from longhouse.cli.stopping import stop
from longhouse.cli.sync import repo
from longhouse.errors import LonghouseError, ManifestBroken
from longhouse.version import VERSION

PROGRAM = "longhouse-jobs"

OF_KIND = {
    "usage": 2,
    "invalid": 2,
    "not_found": 3,
    "conflict": 4,
    "gone": 4,
    "unauthenticated": 5,
    "forbidden": 5,
    "unreachable": 6,
    "cannot_start": 7,
    "manifest": 7,
    "timed_out": 124,
}
OF_STATUS = {400: 2, 401: 5, 403: 5, 404: 3, 405: 2, 409: 4, 410: 4, 412: 4, 415: 2, 421: 6, 422: 2}


@click.group(name=PROGRAM, context_settings={"help_option_names": ["-h", "--help"]})
@options
@click.version_option(VERSION, message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context, /, **given: Any) -> None:
    """Scheduled jobs as Python files in a git repository, run durably by one process.

    `longhouse-jobs serve` starts the instance; every other command talks to it.
    """
    context.obj = given


for each in (
    serve,
    stop,
    jobs,
    run_job,
    runs,
    backfill,
    backfills,
    pause,
    resume,
    clock,
    simulation,
    schedule,
    check,
    repo,
    secrets,
    doctor,
    status,
    login_link,
    password,
    tokens,
    sessions,
    activity,
    configuration,
    completion,
):
    root.add_command(each)


def run(words: list[str]) -> int:
    """Run the command and say what went wrong, if anything did; the exit code."""
    try:
        code = root.main(words, prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else PROGRAM
        return _fail(words, 2, "usage", error.format_message(), hint=f"See: {path} --help")
    except (click.Abort, KeyboardInterrupt):
        print(file=sys.stderr)
        return 130
    except Refused as error:
        return _refused(words, error)
    except LonghouseError as error:
        return _fail(
            words, OF_KIND.get(error.kind, 1), error.code, _sentence(error), hint=error.hint, facts=error.facts
        )
    return code if isinstance(code, int) else 0


def exit_code(error: LonghouseError) -> int:
    if isinstance(error, Refused):
        return 7 if str(error.problem.get("code")).startswith("manifest.") else OF_STATUS.get(error.status, 1)
    return OF_KIND.get(error.kind, 1)


def _refused(words: list[str], error: Refused) -> int:
    problem = error.problem
    if wants_json(words):
        print(terminal.pretty(problem), file=sys.stderr)
        return exit_code(error)
    place = f"{problem['file']}:{problem['line']}: " if problem.get("file") and problem.get("line") else ""
    detail = str(problem.get("detail") or problem.get("title", ""))
    _say(detail if detail.startswith(place) else place + detail, error.hint)
    return exit_code(error)


def _fail(
    words: list[str], code: int, name: str, sentence: str, *, hint: str = "", facts: dict[str, Any] | None = None
) -> int:
    if wants_json(words):
        title = {2: "Usage", 6: "Unreachable", 7: "Cannot start", 124: "Timed out"}.get(code, "Failed")
        problem = {"type": "about:blank", "title": title, "code": name, "detail": sentence, "hint": hint, "errors": []}
        print(terminal.pretty({**(facts or {}), **problem}), file=sys.stderr)
    else:
        _say(sentence, hint)
    return code


def _sentence(error: LonghouseError) -> str:
    if isinstance(error, ManifestBroken) and not error.message.startswith(error.place):
        return f"{error.place}: {error.message}"
    return error.message


def _say(sentence: str, hint: str) -> None:
    print(terminal.plain(f"error: {sentence}"), file=sys.stderr)
    if hint:
        print(terminal.plain(f"hint: {hint}"), file=sys.stderr)


def wants_json(words: list[str]) -> bool:
    return "--json" in words[: words.index("--")] if "--" in words else "--json" in words

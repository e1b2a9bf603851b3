"""`check`: what is wrong, or will be, with a jobs repo; for people who edit by hand, and for git's pre-commit hook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import click

from longhouse.cli.call import Call, command
from longhouse.cli.terminal import line
from longhouse.clock import SystemClock
from longhouse.errors import LonghouseError, ManifestBroken, UsageError
from longhouse.masking import Masker
from longhouse.paths import Paths
from longhouse.triggers import trigger_of
from longhouse.triggers.turns import turns
from zerg._wire import JobDescription

AHEAD_MS = 2 * 366 * 86_400_000
HINTS = {
    "moved": 'Choose another hour if the exact time matters, or timezone="UTC".',
    "left_out": "Give it a fixed hour and minute to have it made up for right after the change.",
    "twice": "Give it a fixed hour and minute to have it run the first time only.",
}


@dataclass(frozen=True)
class Finding:
    file: str
    line: int | None
    level: str
    """error or warning."""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.level}: {self.message}" + (f" ({self.hint})" if self.hint else "")


@command()
@click.argument("folder", metavar="[DIR]", required=False)
@click.option(
    "--staged", type=click.File("rb"), metavar="LIST", help="Look through staged files for secrets; - is the input."
)
def check(call: Call, folder: str | None, staged: BinaryIO | None) -> int:
    """Check a jobs repo: the one in DIR, else that of this data directory. No instance has to run.

    The manifest is read as an instance would read it. Exit code 7 if anything is wrong; warnings alone are 0. With
    --staged, as the installed pre-commit hook has it, only the files of the list are looked at, and only for secrets.
    """
    if staged is not None:
        return _staged(call, staged.read())
    tree = (Path(folder) if folder else call.directory / "jobs").absolute()
    if not (tree / "manifest.py").is_file():
        raise UsageError(f"there is no manifest.py in {tree}", hint="Name the directory that holds it.")
    from longhouse.repo.outside import jobs_of, lacking

    settings = call.settings()
    try:
        jobs = jobs_of(
            tree,
            settings.timezone,
            installer=settings.installer_environment,
            source_builds=settings.allow_source_builds,
        )
    except ManifestBroken as error:
        jobs, found = (), [Finding(error.file or "manifest.py", error.line, "error", error.message, error.hint)]
    except LonghouseError as error:  # the packages cannot be had
        jobs, found = (), [Finding("requirements.txt", None, "error", error.message, error.hint)]
    else:
        found = list(findings(jobs, settings.timezone, SystemClock().now()))
        paths = Paths(call.directory)
        if tree.resolve() == paths.tree.resolve() and paths.database.is_file():
            try:
                found += without_secrets(jobs, lacking(paths.database, jobs))
            except LonghouseError as error:  # somebody else's, or damaged: that says nothing about the repo
                call.warn(f"whether the jobs have their secrets is not checked: {error.message}")
    errors = sum(each.level == "error" for each in found)
    document = {"ok": not errors, "jobs": len(jobs), "findings": [asdict(each) for each in found]}
    summary = "nothing is wrong" if not found else f"{errors} errors, {len(found) - errors} warnings"
    call.show(document, *(line(str(each)) for each in found))
    call.note(f"{len(jobs)} jobs: {summary}")
    return 7 if errors else 0


def _staged(call: Call, listed: bytes) -> int:
    from longhouse.repo import hook
    from longhouse.repo.bootstrap import opened
    from longhouse.repo.leaks import HINT
    from longhouse.repo.outside import masker

    paths, finds = Paths(call.directory), Masker().finds
    try:
        finds = masker(paths).finds
    except LonghouseError as error:
        call.warn(f"the values of stored secrets are not looked for, only tokens of known services: {error.message}")
    found = [
        Finding(leak.path, leak.line, "error", f"it holds {leak.what}", HINT)
        for leak in hook.leaks(opened(paths), listed, finds)
    ]
    call.show({"ok": not found, "findings": [asdict(each) for each in found]}, *(line(str(each)) for each in found))
    if found:
        call.note("nothing is committed: history cannot be made to forget a secret")
    return 7 if found else 0


def without_secrets(jobs: Iterable[JobDescription], lacking: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """What this instance has no value for; in another one it may be stored."""
    for job in jobs:
        if names := lacking.get(job.id):
            sentence = (
                f"job {job.id!r} needs the secret{'' if len(names) == 1 else 's'} {', '.join(names)},"
                " and no value is stored: it cannot be enabled, and its runs fail"
            )
            yield Finding(job.file, job.line, "warning", sentence, f"longhouse-jobs secrets set {names[0]}")


def findings(jobs: Iterable[JobDescription], zone: str, now: int) -> Iterator[Finding]:
    """What is wrong, or will be within two years, with jobs that loaded; `zone` is that of jobs that name none."""
    for job in jobs:
        trigger = trigger_of(job, zone)
        if job.cron is None or trigger is None:
            continue
        about = f"job {job.id!r}: cron {job.cron!r}"
        if trigger.after(now) is None:
            sentence = f"{about} never fires: the clocks of {job.timezone or zone} never show such a time"
            yield Finding(job.file, job.line, "error", sentence)
            continue
        for turn in turns(job.cron, job.timezone or zone, now, now + AHEAD_MS):
            yield Finding(job.file, job.line, "warning", f"{about}: {turn.sentence}", HINTS[turn.effect])

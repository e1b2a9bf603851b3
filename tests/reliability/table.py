"""docs/reliability.md and the table of the README: the figures of the promises, written by the run that measured them.

A test says what it has shown with the fixture `proves`. When a run has shown every promise of PROMISES, the page is
written anew; a part of the suite, or a run with failures, leaves it alone.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
README = ROOT / "README.md"
IN_README = ("P1", "P2", "P5", "P11", "P12", "P15", "P18", "P20", "P27")
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"

PROMISES = {
    "P1": "An accepted run is on disk: a power cut loses none",
    "P2": "No run is lost and none finishes twice, whoever is killed",
    "P3": "One run per idempotency key",
    "P4": "At most one attempt of a run is alive",
    "P5": "A final state is final",
    "P6": "Recovery never touches what changed since it looked",
    "P7": "A long run is not mistaken for a dead one",
    "P8": "Runs of a dead server are found, with the same host name and process id too",
    "P9": "A job that kills its supervisor is put aside",
    "P10": "Retries are bounded and their delays honest",
    "P11": "Every due time has exactly one entry in the ledger",
    "P12": "Clock changes: fixed times once, intervals by elapsed time, no day lost",
    "P13": "Cron text means what cron says",
    "P14": "Downtime is handled by the job's catch-up setting",
    "P15": "A stepped wall clock: no duplicates, no storm, no silence",
    "P16": "A paused machine catches up",
    "P17": "One server per data directory",
    "P18": "Punctual when 1,000 jobs are due at once",
    "P19": "A cron text that never fires, or is huge, is refused",
    "P20": "A stopped run leaves no process",
    "P21": "A hung job ends at its time limit",
    "P22": "A fork bomb is contained",
    "P23": "A job out of memory dies alone",
    "P24": "1 GB of output costs little memory",
    "P25": "Any bytes are a valid log",
    "P26": "A stop of the server ends running jobs honestly",
    "P27": "A full disk corrupts nothing, and work resumes",
    "P28": "After a failed fsync nothing is acknowledged",
    "P29": "A locked database loses nothing",
    "P30": "A damaged database is said, never made anew",
    "P31": "Every accepted edit is in history, whole",
    "P32": "A stale lock of git heals, a held one is respected",
    "P33": "A broken manifest stops no job",
    "P34": "A run executes one commit",
    "P35": "Writers on every side lose nothing",
    "P36": "No jobs go in silence",
    "P37": "Sync fails loudly, holds up no job, and never pushes with force",
    "P38": "Histories that have gone apart lose nothing",
    "P39": "No secret gets into history",
    "P42": "No secret is found where it does not belong",
}


@dataclass(frozen=True)
class Proof:
    promise: str
    figure: str
    """What was counted or measured, with its units: `0 of 2,000 power cuts lost a run`."""
    control: str
    """The same test with the protection switched off, and what it found; empty if there is nothing to switch off."""


class Table:
    """Collects the proofs of all worker processes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.proofs: list[Proof] = []

    def add(self, promise: str, figure: str, control: str = "") -> None:
        if promise not in PROMISES:
            raise KeyError(promise)
        self.proofs.append(Proof(promise, figure, control))
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["proofs"] = [asdict(proof) for proof in self.proofs]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.proofs += [Proof(**values) for values in getattr(node, "workeroutput", {}).get("proofs", [])]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Every run says what it has shown, a soak too."""
        if self.proofs:
            terminalreporter.section("what was shown")
            for proof in sorted(self.proofs, key=lambda p: (int(p.promise[1:]), p.figure)):
                control = f" [control: {proof.control}]" if proof.control else ""
                terminalreporter.write_line(f"{proof.promise}: {proof.figure}{control}")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        shown = {proof.promise for proof in self.proofs}
        if not hasattr(self._config, "workerinput") and exitstatus == 0 and shown == set(PROMISES):
            PAGE.write_text(page(self.proofs))
            before, _, rest = README.read_text().partition(BEGIN)
            README.write_text(before + BEGIN + short(self.proofs) + END + rest.partition(END)[2])


def page(proofs: list[Proof]) -> str:
    rows = []
    for promise, words in PROMISES.items():
        for number, proof in enumerate(sorted((p for p in proofs if p.promise == promise), key=lambda p: p.figure)):
            first = (promise, words) if number == 0 else ("", "")
            rows.append("| " + " | ".join((*first, proof.figure, proof.control)).replace("\n", " ") + " |")
    return "\n".join(
        [
            "# Reliability",
            "",
            "Written by `make test` itself: every figure was measured by the run named here; anybody can repeat it",
            "with that one command. *Control* is the same test with the protection switched off, as a test that cannot",
            "fail proves nothing. `make soak` repeats the random ones with much larger numbers.",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, commit `{_commit()}`, {_machine()}",
            "",
            "| | promise | figure | control |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def short(proofs: list[Proof]) -> str:
    """The first figure of the promises that a stranger asks about."""
    first = {proof.promise: proof.figure for proof in sorted(proofs, key=lambda p: p.figure, reverse=True)}
    rows = [f"| {PROMISES[promise]} | {first[promise]} |\n" for promise in IN_README]
    return "".join(["| promise | measured |\n", "|---|---|\n", *rows])


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()

    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (
        " with changes" if git("status", "-s", "src") else ""
    )


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GB memory, {system}, Python {platform.python_version()}"


@pytest.fixture
def proves(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`proves("P1", figure="0 of 2,000 …", control="NORMAL lost 41")`, at the end of a test that has shown it."""
    return request.config.stash[TABLE].add


TABLE = pytest.StashKey[Table]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = Table(config)
    config.pluginmanager.register(config.stash[TABLE], "reliability-table")

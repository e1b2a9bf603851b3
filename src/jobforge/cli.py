"""The command `jobforge`: the only place of this package that reads and writes files."""

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from jobforge import compat as compatibility
from jobforge.canonical import canonical_hash, pretty
from jobforge.documents import Verdict, read
from jobforge.envelope import SCHEMA_VERSION
from jobforge.errors import Refused
from jobforge.strict import MAX_BYTES, parse

REFUSED = 2  # the input or the usage is at fault
DEPENDENCY = 3  # a file system failed; trying again may help

_file = click.Path(path_type=Path)
_folder = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(SCHEMA_VERSION, prog_name="jobforge", message="%(prog)s, contract version %(version)s")
def main() -> None:
    """Check and hash the documents that modules and ingesters exchange.

    Exit codes: 0 done, 2 input refused, 3 a file could not be read or written, 1 a defect of this program.
    """


@main.command()
@click.argument("files", nargs=-1, required=True, type=_file, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def validate(files: tuple[Path, ...], as_json: bool) -> None:
    """Check bundles, reports and maturity reports; exit 2 if one is refused. FILE may be - for standard input."""
    verdicts = [(str(file), read(_bytes(file))) for file in files]
    acceptable = all(verdict.acceptable for _, verdict in verdicts)
    if as_json:
        documents = [{"file": name, **_verdict(verdict)} for name, verdict in verdicts]
        click.echo(pretty({"acceptable": acceptable, "schema_version": SCHEMA_VERSION, "files": documents}))
    else:
        for name, verdict in verdicts:
            _print(name, verdict)
    sys.exit(0 if acceptable else REFUSED)


@main.command("hash")
@click.argument("file", type=_file)
def hash_(file: Path) -> None:
    """Print the canonical hash that FILE should state: over all but canonical_hash and canonical_hash_algorithm."""
    try:
        document = parse(_bytes(file))
        if not isinstance(document, dict):
            raise Refused("The document is not an object.", hint="Only objects carry a canonical hash.")
        click.echo(canonical_hash(document))
    except Refused as error:
        _stop(f"{file}: {error.message}", error.hint)


@main.command()
@click.option("--out", type=_folder, required=True, help="Folder for the files; made if need be.")
def schemas(out: Path) -> None:
    """Write the JSON Schemas of the three documents."""
    for name, data in compatibility.schema_files().items():
        _write(out / name, data)
        click.echo(out / name)


@main.command()
@click.option("--fixtures", type=_folder, default=Path("fixtures/jobforge"), show_default=True)
@click.option("--contracts", type=_folder, default=Path("contracts"), show_default=True)
@click.option("--update", is_flag=True, help="Take the fixtures as they are for the new snapshots.")
def compat(fixtures: Path, contracts: Path, update: bool) -> None:
    """Compare the fixtures with the hash snapshots and the schemas with the models; exit 2 if they drifted apart."""
    snapshots = contracts / "fixtures.sha256.json"
    found = {path.name: _bytes(path) for path in _files(fixtures)}
    if not found:
        _stop(f"There are no fixtures in {fixtures}.", "Write them with: growth fixtures export")
    if update:
        _write(snapshots, (pretty(compatibility.snapshot(found)) + "\n").encode())
        click.echo(snapshots)
    try:
        committed = parse(_bytes(snapshots))
    except Refused as error:
        _stop(f"{snapshots}: {error.message}", error.hint)
    sentences = compatibility.drift(committed, found, {path.name: _bytes(path) for path in _files(contracts)})
    for sentence in sentences:
        click.echo(sentence, err=True)
    if sentences:
        _stop(
            "The contract has drifted.",
            "If the change is meant, follow docs/contracts.md, `Moving the schema version`; else undo it.",
        )
    count = len(compatibility.snapshot(found)["files"])
    click.echo(f"{count} fixtures agree with the snapshots of schema version {SCHEMA_VERSION}.")


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "kind": verdict.kind,
        "dialect": verdict.dialect,
        "acceptable": verdict.acceptable,
        "violations": [violation.document() for violation in verdict.violations],
    }


def _print(name: str, verdict: Verdict) -> None:
    what = f"{verdict.kind} ({verdict.dialect})" if verdict.dialect else "document"
    if verdict.acceptable:
        click.echo(f"{name}: {what}, acceptable")
        return
    count = len(verdict.violations)
    click.echo(f"{name}: {what}, refused for {count} {'reason' if count == 1 else 'reasons'}")
    for violation in verdict.violations:
        click.echo(f"  {violation.code}  {violation.path or '(whole document)'}")
        click.echo(f"    {violation.message} {violation.hint}".rstrip())


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except FileNotFoundError:
        return []
    except OSError as error:
        _stop(f"{folder} cannot be listed: {error.strerror}.", "", DEPENDENCY)


def _bytes(file: Path) -> bytes:
    """The content, but never more than one byte beyond what the parser accepts."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        _stop(f"{file} is not a file that can be read: {error.strerror}.", "Check the path.")
    except OSError as error:
        _stop(
            f"{file} cannot be read: {error.strerror}.",
            "Check its permissions and the disk, then try again.",
            DEPENDENCY,
        )


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    except OSError as error:
        _stop(
            f"{file} cannot be written: {error.strerror}.",
            "Check its permissions and the disk, then try again.",
            DEPENDENCY,
        )


def _stop(sentence: str, hint: str, code: int = REFUSED) -> NoReturn:
    click.echo(f"{sentence} {hint}".rstrip(), err=True)
    sys.exit(code)

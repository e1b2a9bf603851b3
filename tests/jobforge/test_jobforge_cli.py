"""The command: what it prints, where, and with which exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobforge import pretty
from jobforge.cli import main


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def file(tmp_path: Path, bundle: dict[str, Any]) -> Path:
    path = tmp_path / "request-bundle.json"
    path.write_text(pretty(bundle), "utf-8")
    return path


def test_an_acceptable_bundle(file: Path) -> None:
    result = run("validate", file)

    assert (result.exit_code, result.stdout) == (0, f"{file}: bundle (growth), acceptable\n")


def test_a_refused_bundle_is_exit_2_with_place_sentence_and_hint(file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace('"acme"', '"else"', 1), "utf-8")

    result = run("validate", file)

    assert result.exit_code == 2
    assert "refused for" in result.stdout
    assert "document.hash  /canonical_hash" in result.stdout


def test_one_refused_file_among_several_is_exit_2_and_all_are_told(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_bytes(b'{"a": 1, "a": 2}')

    result = run("validate", file, broken, "--json")
    answer = json.loads(result.stdout)

    assert result.exit_code == 2
    assert answer["acceptable"] is False
    assert [entry["acceptable"] for entry in answer["files"]] == [True, False]
    assert [entry["kind"] for entry in answer["files"]] == ["bundle", "unknown"]
    fault = answer["files"][1]["violations"][0]
    assert fault["code"] == "jobforge.duplicate_key"
    assert sorted(fault) == ["code", "hint", "message", "path"]


def test_standard_input_is_a_file_too(bundle: dict[str, Any]) -> None:
    result = run("validate", "-", stdin=pretty(bundle).encode())

    assert (result.exit_code, result.stdout) == (0, "-: bundle (growth), acceptable\n")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = run("validate", tmp_path / "nowhere.json")

    assert result.exit_code == 2
    assert "nowhere.json is not a file that can be read" in result.stderr
    assert result.stdout == ""


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no file here whose reading fails")
def test_a_file_whose_reading_fails_is_exit_3() -> None:
    result = run("validate", "/proc/self/mem")

    assert result.exit_code == 3
    assert "/proc/self/mem cannot be read" in result.stderr


def test_a_folder_that_cannot_be_written_is_exit_3(file: Path) -> None:
    result = run("schemas", "--out", file / "below")

    assert result.exit_code == 3
    assert "cannot be written" in result.stderr


def test_no_file_and_unknown_commands_are_usage(file: Path) -> None:
    assert run("validate").exit_code == 2
    assert run("nonsense").exit_code == 2
    assert run("validate", "--nonsense", file).exit_code == 2


def test_the_hash_is_the_one_the_bundle_states(file: Path, bundle: dict[str, Any]) -> None:
    result = run("hash", file)

    assert (result.exit_code, result.stdout) == (0, bundle["canonical_hash"] + "\n")


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": 1e999}'])
def test_what_cannot_be_hashed_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    result = run("hash", path)

    assert result.exit_code == 2
    assert "x.json: " in result.stderr


def test_a_document_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as stream:
        stream.truncate(40 * 1024 * 1024)

    result = run("validate", path)

    assert result.exit_code == 2
    assert "jobforge.too_large" in result.stdout


@pytest.fixture
def project(tmp_path: Path, bundle: dict[str, Any]) -> tuple[Path, Path]:
    """A folder of fixtures and one of contracts that agree."""
    fixtures, contracts = tmp_path / "fixtures", tmp_path / "contracts"
    fixtures.mkdir()
    (fixtures / "request-bundle.json").write_text(pretty(bundle), "utf-8")
    (fixtures / "report.md").write_text("# Report\n", "utf-8")
    (fixtures / "inputs.json").write_text("{}", "utf-8")
    assert run("schemas", "--out", contracts).exit_code == 0
    assert compat((fixtures, contracts), "--update").exit_code == 0
    return fixtures, contracts


def compat(project: tuple[Path, Path], *options: str) -> Result:
    return run("compat", "--fixtures", project[0], "--contracts", project[1], *options)


def test_fixtures_that_agree_with_their_snapshots(project: tuple[Path, Path]) -> None:
    result = compat(project)

    assert result.exit_code == 0
    assert "schema version 2024-09-01" in result.stdout


def test_a_drifted_fixture_is_exit_2_with_a_sentence(project: tuple[Path, Path]) -> None:
    bundle = project[0] / "request-bundle.json"
    bundle.write_text(bundle.read_text("utf-8").replace("Note 1", "Note 7"), "utf-8")
    (project[0] / "report.md").write_text("# Other\n", "utf-8")

    result = compat(project)

    assert result.exit_code == 2
    assert "request-bundle.json has the canonical_hash" in result.stderr
    assert "report.md has the sha256" in result.stderr
    assert "The contract has drifted." in result.stderr


def test_a_reformatted_fixture_keeps_its_canonical_hash_and_drifts_in_bytes(project: tuple[Path, Path]) -> None:
    bundle = project[0] / "request-bundle.json"
    bundle.write_text(bundle.read_text("utf-8") + "\n", "utf-8")

    result = compat(project)

    assert result.exit_code == 2
    assert "request-bundle.json has the sha256" in result.stderr
    assert "has the canonical_hash" not in result.stderr


def test_missing_and_surplus_fixtures_are_drift(project: tuple[Path, Path]) -> None:
    (project[0] / "report.md").rename(project[0] / "report2.md")

    result = compat(project)

    assert "report.md is in the snapshots but not among the fixtures." in result.stderr
    assert "report2.md is among the fixtures but not in the snapshots." in result.stderr


def test_a_changed_schema_is_drift(project: tuple[Path, Path]) -> None:
    (project[1] / "ReportEnvelopeSchema.json").write_text("{}", "utf-8")
    (project[1] / "JobRequestBundleSchema.json").unlink()

    result = compat(project)

    assert result.exit_code == 2
    assert "ReportEnvelopeSchema.json differs" in result.stderr
    assert "JobRequestBundleSchema.json is missing" in result.stderr


def test_an_unacceptable_fixture_is_drift_even_when_its_snapshot_is_taken(project: tuple[Path, Path]) -> None:
    bundle = project[0] / "request-bundle.json"
    bundle.write_text(bundle.read_text("utf-8").replace('"shop"', '"mall"', 1), "utf-8")

    result = compat(project, "--update")

    assert result.exit_code == 2
    assert "request-bundle.json/canonical_hash" in result.stderr


def test_no_fixtures_and_no_snapshots_are_told(tmp_path: Path, project: tuple[Path, Path]) -> None:
    assert "There are no fixtures" in compat((tmp_path / "none", project[1])).stderr
    assert "fixtures.sha256.json" in compat((project[0], tmp_path / "none")).stderr

"""The committed JSON Schemas are those of the models, and any validator can use them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import jobforge
from jobforge.compat import schema_files
from jobforge.schemas import SCHEMAS

jsonschema_rs = pytest.importorskip("jsonschema_rs", reason="the JSON Schema validator is a development tool")
CONTRACTS = Path(__file__).parents[2] / "contracts"


@pytest.mark.parametrize("name", ["JobRequestBundleSchema", "ReportEnvelopeSchema", "RunnerMaturityReportSchema"])
def test_the_schema_is_importable_and_committed_as_it_is(name: str) -> None:
    committed = (CONTRACTS / f"{name}.json").read_bytes()

    assert committed == schema_files()[f"{name}.json"]
    assert json.loads(committed) == getattr(jobforge, name) == SCHEMAS[name]
    jsonschema_rs.meta.validate(getattr(jobforge, name))


def accepts(document: Any) -> bool:
    return bool(jsonschema_rs.Draft202012Validator(jobforge.JobRequestBundleSchema).is_valid(document))


def test_a_foreign_validator_accepts_the_bundle(bundle: dict[str, Any]) -> None:
    assert accepts(bundle)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), "2020-01-01"),
        (("module_id",), "ops"),
        (("canonical_hash",), "x"),
        (("canonical_hash_algorithm",), "md5"),
        (("created_at",), "2024-02-30T00:00:00Z"),
        (("tenant_id",), ""),
        (("requests", 0, "request", "constraints", "auto_execute"), True),
        (("requests", 0, "request", "constraints", "require_approval"), False),
        (("requests", 0, "request", "constraints", "max_cost_usd"), -1),
        (("requests", 0, "request", "context", "notes"), None),
        (("requests", 0, "request", "payload"), []),
    ],
)
def test_a_foreign_validator_refuses_what_a_schema_can_tell(bundle: dict[str, Any], path: Any, value: Any) -> None:
    changed = copy.deepcopy(bundle)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value

    assert not accepts(changed)


def test_public_documents_fit_the_schemas(vectors: Path) -> None:
    folder = vectors / "upstream" / "growth-autopilot" / "fixtures" / "jobforge"
    for name, schema in (
        ("request-bundle.json", jobforge.JobRequestBundleSchema),
        ("report.json", jobforge.ReportEnvelopeSchema),
        ("runner-maturity.json", jobforge.RunnerMaturityReportSchema),
    ):
        jsonschema_rs.Draft202012Validator(schema).validate(json.loads((folder / name).read_bytes()))

"""The JSON Schemas (draft 2020-12) of the three documents, made from the models, under the names of the contract."""

from typing import Any, Final

from jobforge.bundles import JobRequestBundle
from jobforge.envelope import SCHEMA_VERSION, Envelope
from jobforge.maturity import RunnerMaturityReport
from jobforge.reports import ReportEnvelope


def _schema(name: str, model: type[Envelope]) -> dict[str, Any]:
    body = _without_null_defaults(model.model_json_schema())
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:longhouse-jobs:jobforge:{SCHEMA_VERSION}:{name}",
    }
    return {**head, **body, "title": name}


def _without_null_defaults(node: Any) -> Any:
    """Our None means "absent", which a schema says by not requiring the key."""
    if isinstance(node, list):
        return [_without_null_defaults(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_null_defaults(value) for key, value in node.items() if not (key == "default" and value is None)
    }


JobRequestBundleSchema: Final = _schema("JobRequestBundleSchema", JobRequestBundle)
ReportEnvelopeSchema: Final = _schema("ReportEnvelopeSchema", ReportEnvelope)
RunnerMaturityReportSchema: Final = _schema("RunnerMaturityReportSchema", RunnerMaturityReport)

SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "JobRequestBundleSchema": JobRequestBundleSchema,
    "ReportEnvelopeSchema": ReportEnvelopeSchema,
    "RunnerMaturityReportSchema": RunnerMaturityReportSchema,
}

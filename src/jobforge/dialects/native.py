"""The shape JobForge itself writes for any module: no hash, keys in free text, tenants as UUIDs."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from jobforge.bundles import JobRequestBundle
from jobforge.canonical import canonical
from jobforge.dialects.dialect import Dialect, ForeignRequest, objects, request_violations, translated
from jobforge.envelope import DateTime, Optionally, Part, Text
from jobforge.errors import Refused
from jobforge.validation import duplicates, wrong_version
from jobforge.violations import Violation, hash_of, shape

VERSION: Final = "1.0.0"
MAX_PAYLOAD_BYTES: Final = 64 * 1024  # of one request, as canonical text
_Uuid = Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")]
_StableId = Annotated[str, StringConstraints(pattern="^[a-z0-9-]+$")]


class _Request(Part):
    id: Text
    job_type: Text
    tenant_id: _Uuid
    project_id: _Uuid
    payload: dict[str, Any]
    idempotency_key: Text
    required_scopes: list[Text]
    is_action_job: bool


class _Metadata(Part):
    source: Literal[
        "ops-autopilot", "support-autopilot", "growth-autopilot", "finops-autopilot", "autopilot-suite", "jobforge"
    ]
    triggered_at: DateTime
    correlation_id: Optionally[str] = None
    mode: Optionally[Text] = None


class _Bundle(Part):
    schema_version: Text
    bundle_id: _StableId
    tenant_id: _Uuid
    project_id: _Uuid
    trace_id: Text
    requests: Annotated[list[_Request], Field(min_length=1, max_length=100)]
    metadata: _Metadata


def _told(document: dict[str, Any]) -> bool:
    metadata = document.get("metadata")
    return "module_id" not in document and isinstance(metadata, dict)


def _check(document: Any) -> list[Violation]:
    _, faults = shape(_Bundle, document)
    if not isinstance(document, dict):
        return faults
    version = document.get("schema_version")
    if isinstance(version, str) and version != VERSION:
        faults.append(wrong_version(version, VERSION))
    for position, request in objects(document, "requests"):
        faults.extend(fault.below(f"/requests/{position}") for fault in _request_faults(document, request))
    faults.extend(duplicates([request for _, request in objects(document, "requests")], below=""))
    return faults + hash_of(document)[1]


def _request_faults(bundle: dict[str, Any], request: dict[str, Any]) -> Iterator[Violation]:
    flag = request.get("is_action_job")
    yield from request_violations(bundle, request, needs_token=flag, flag_path="/is_action_job")
    payload = request.get("payload")
    try:
        size = len(canonical(payload).encode())
    except Refused:
        return  # the hash of the document says so
    if size > MAX_PAYLOAD_BYTES:
        message = f"The payload has {size:,} bytes; at most {MAX_PAYLOAD_BYTES:,} are allowed."
        yield Violation("request.payload_size", "/payload", message, "Refer to large data instead of including it.")


def _translate(document: dict[str, Any]) -> JobRequestBundle:
    metadata = document["metadata"]
    requests = [
        ForeignRequest(
            id=request["id"],
            job_type=request["job_type"],
            payload=request["payload"],
            created_at=metadata["triggered_at"],
            priority="normal",
            needs_token=request["is_action_job"],
            triggered_by=metadata["source"],
        )
        for request in document["requests"]
    ]
    return translated(
        document,
        requests,
        module_id=metadata["source"].removesuffix("-autopilot"),
        bundle_id=document["bundle_id"],
        created_at=metadata["triggered_at"],
    )


NATIVE: Final = Dialect("native", _told, _check, _translate)

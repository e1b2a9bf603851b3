"""The shape of finops-autopilot: flat requests, flags in their metadata."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from jobforge.bundles import JobRequestBundle
from jobforge.canonical import idempotency_key
from jobforge.dialects.dialect import (
    NO_TIME,
    Dialect,
    ForeignRequest,
    cost_limit,
    finops_cost,
    lack_of_dry_run,
    objects,
    request_violations,
    seal_violations,
    translated,
)
from jobforge.envelope import DateTime, Optionally, Part, Text
from jobforge.errors import Refused
from jobforge.validation import duplicates, missing_token, unequal, wrong_key, wrong_version
from jobforge.violations import Violation, shape

VERSION: Final = "1.0.0"
_Tenant = Annotated[str, StringConstraints(pattern="^[a-z0-9-]+$")]
_Project = Annotated[str, StringConstraints(pattern="^[a-z0-9_-]+$")]
_Count = Annotated[int, Field(ge=0)]


class _Metadata(Part):
    jobforge_dry_run: bool
    requires_policy_token: bool
    job_type_status: Literal["AVAILABLE", "UNAVAILABLE"]
    trace_id: Optionally[Text] = None
    module_id: Optionally[Literal["finops"]] = None


class _Request(Part):
    idempotency_key: Text
    job_id: Text
    job_type: Text
    tenant_id: _Tenant
    project_id: _Project
    requested_at: DateTime
    payload: dict[str, Any]
    priority: Literal["low", "normal", "high", "critical"] = "normal"
    max_retries: _Count = 3
    timeout_seconds: _Count = 300
    metadata: _Metadata


class _Canonicalization(Part):
    algorithm: Literal["sha256"]
    canonical_format: Literal["json-stable"]
    canonical_hash: Text


class _Bundle(Part):
    schema_version: Text
    module_id: Literal["finops"]
    tenant_id: _Tenant
    project_id: _Project
    trace_id: Text
    requests: list[_Request]
    canonicalization: _Canonicalization
    metadata: dict[str, Any] = Field(default_factory=dict)


def _told(document: dict[str, Any]) -> bool:
    return isinstance(document.get("canonicalization"), dict)


def _check(document: Any) -> list[Violation]:
    _, faults = shape(_Bundle, document)
    if not isinstance(document, dict):
        return faults
    version = document.get("schema_version")
    if isinstance(version, str) and version != VERSION:
        faults.append(wrong_version(version, VERSION))
    for position, request in objects(document, "requests"):
        faults.extend(fault.below(f"/requests/{position}") for fault in _request_faults(document, request))
    faults.extend(duplicates([r for _, r in objects(document, "requests")], below="", id_field="job_id"))
    return faults + seal_violations(document, "canonicalization", "canonical_hash")


def _request_faults(bundle: dict[str, Any], request: dict[str, Any]) -> Iterator[Violation]:
    metadata = request.get("metadata")
    flags = metadata if isinstance(metadata, dict) else {}
    flag_path = "/metadata/requires_policy_token"
    needs_token = flags.get("requires_policy_token")
    yield from request_violations(bundle, request, needs_token=needs_token, flag_path=flag_path)
    payload = request.get("payload")
    if isinstance(payload, dict) and "action" in payload and needs_token is not True:
        yield missing_token(payload["action"], flag_path)
    if "jobforge_dry_run" in flags:
        yield from lack_of_dry_run(flags["jobforge_dry_run"], "/metadata/jobforge_dry_run")
    yield from unequal("trace_id", bundle, flags, "/metadata/trace_id")
    yield from finops_cost(metadata)
    stated = request.get("idempotency_key")
    if isinstance(stated, str) and stated and stated != _key(request):
        yield wrong_key(stated, "/idempotency_key")


def _key(request: dict[str, Any]) -> str:
    tenant, project, job_type, payload = (request.get(n) for n in ("tenant_id", "project_id", "job_type", "payload"))
    try:
        return idempotency_key(str(tenant), str(project), str(job_type), payload if isinstance(payload, dict) else {})
    except Refused:
        return ""


def _translate(document: dict[str, Any]) -> JobRequestBundle:
    requests = [
        ForeignRequest(
            id=request["job_id"],
            job_type=request["job_type"],
            payload=request["payload"],
            created_at=request["requested_at"],
            priority=request.get("priority", "normal"),
            needs_token=request["metadata"]["requires_policy_token"],
            max_cost_usd=cost_limit(request["metadata"]),
        )
        for request in document["requests"]
    ]
    created_at = max((request.created_at for request in requests), default=NO_TIME)
    bundle_id = f"finops-{document['canonicalization']['canonical_hash'][:16]}"
    return translated(document, requests, module_id="finops", bundle_id=bundle_id, created_at=created_at)


FINOPS: Final = Dialect("finops", _told, _check, _translate)

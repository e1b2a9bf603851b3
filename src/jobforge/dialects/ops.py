"""The shape of ops-autopilot (and of the growth module inside it): flat requests, a policy each, keys beside them."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import StringConstraints

from jobforge.bundles import JobRequestBundle
from jobforge.canonical import sha256_of
from jobforge.dialects.dialect import (
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
from jobforge.validation import duplicates, unequal, wrong_key, wrong_version
from jobforge.violations import Violation, shape

VERSION: Final = "1.0.0"
_Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class _Scope(Part):
    tenant_id: _Name
    project_id: _Name


class _Policy(Part):
    requires_policy_token: bool
    requires_approval: bool
    risk_level: Text
    required_scopes: list[Text]
    compliance_tags: list[Text]


class _Metadata(Part):
    idempotency_key: Text
    trace_id: Optionally[Text] = None
    triggered_by: Optionally[Text] = None


class _Request(Part):
    job_type: Text
    tenant_context: _Scope
    payload: dict[str, Any]
    policy: _Policy
    metadata: _Metadata
    priority: Literal["low", "normal", "medium", "high", "critical"]
    requested_at: DateTime
    expires_at: Optionally[DateTime] = None


class _Key(Part):
    job_type: Text
    idempotency_key: Text


class _Canonicalization(Part):
    algorithm: Literal["json-lexicographic"]
    hash_algorithm: Literal["sha256"]
    hash: Text


class _Bundle(Part):
    schema_version: Text
    module_id: Literal["ops", "growth"]
    tenant_id: _Name
    project_id: _Name
    trace_id: Text
    created_at: DateTime
    dry_run: bool
    requests: list[_Request]
    idempotency_keys: list[_Key]
    canonicalization: _Canonicalization


def _told(document: dict[str, Any]) -> bool:
    form = document.get("canonicalization")
    return isinstance(form, dict) and (form.get("algorithm") == "json-lexicographic" or "hash" in form)


def _check(document: Any) -> list[Violation]:
    _, faults = shape(_Bundle, document)
    if not isinstance(document, dict):
        return faults
    version = document.get("schema_version")
    if isinstance(version, str) and version != VERSION:
        faults.append(wrong_version(version, VERSION))
    if "dry_run" in document:
        faults.extend(lack_of_dry_run(document["dry_run"], "/dry_run"))
    for position, request in objects(document, "requests"):
        faults.extend(fault.below(f"/requests/{position}") for fault in _request_faults(document, request))
    faults.extend(_list_of_keys(document))
    keyed = [request.get("metadata") for _, request in objects(document, "requests")]
    faults.extend(duplicates(keyed, below=""))
    return faults + seal_violations(document, "canonicalization", "hash")


def _request_faults(bundle: dict[str, Any], request: dict[str, Any]) -> Iterator[Violation]:
    policy, metadata, scope = (_object(request.get(name)) for name in ("policy", "metadata", "tenant_context"))
    for fault in request_violations(
        bundle, {**scope, "job_type": request.get("job_type")}, needs_token=True, flag_path=""
    ):
        inside = fault.path in ("/tenant_id", "/project_id")
        yield fault.below("/tenant_context") if inside else fault
    yield from unequal("trace_id", bundle, metadata, "/metadata/trace_id")
    for flag, code in (("requires_policy_token", "policy_token"), ("requires_approval", "require_approval")):
        if policy.get(flag) is False:
            message = f"{flag} is false; every request of this module acts on the world and needs both."
            yield Violation(f"request.{code}", f"/policy/{flag}", message, f"Set policy.{flag} to true.")
    yield from finops_cost(metadata)
    stated = metadata.get("idempotency_key")
    if isinstance(stated, str) and stated and stated != _key(request):
        yield wrong_key(stated, "/metadata/idempotency_key")


def _key(request: dict[str, Any]) -> str:
    """Over job type, tenant, payload and policy: here a changed policy is other work."""
    fields = ("job_type", "tenant_context", "payload", "policy")
    try:
        return sha256_of({name: request[name] for name in fields if name in request})
    except Refused:
        return ""


def _list_of_keys(document: dict[str, Any]) -> Iterator[Violation]:
    """The list beside the requests is in the order of creation, so it is compared without order."""
    listed = document.get("idempotency_keys")
    if not isinstance(listed, list):
        return
    beside = Counter(_pair(entry.get("job_type"), entry) for _, entry in objects(document, "idempotency_keys"))
    inside = Counter(_pair(r.get("job_type"), _object(r.get("metadata"))) for _, r in objects(document, "requests"))
    if beside != inside or len(listed) != beside.total():
        message = "idempotency_keys does not list exactly the keys of the requests."
        yield Violation("bundle.idempotency_keys", "/idempotency_keys", message, "List every request once.")


def _pair(job_type: Any, holder: dict[str, Any]) -> tuple[str, str]:
    return str(job_type), str(holder.get("idempotency_key"))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _translate(document: dict[str, Any]) -> JobRequestBundle:
    requests = [
        ForeignRequest(
            id=f"{document['module_id']}-{request['metadata']['idempotency_key'][:16]}",
            job_type=request["job_type"],
            payload=request["payload"],
            created_at=request["requested_at"],
            priority=request["priority"],
            needs_token=True,
            max_cost_usd=cost_limit(request["metadata"]),
            triggered_by=request["metadata"].get("triggered_by", ""),
        )
        for request in document["requests"]
    ]
    module = document["module_id"]
    bundle_id = f"{module}-{document['canonicalization']['hash'][:16]}"
    return translated(document, requests, module_id=module, bundle_id=bundle_id, created_at=document["created_at"])


OPS: Final = Dialect("ops", _told, _check, _translate)

"""The shape of support-autopilot: `jobs` and `hash`, hashed with the keys in the order of a dictionary."""

from collections.abc import Iterator
from typing import Any, Final, Literal

from pydantic import Field

from jobforge.bundles import JobRequestBundle
from jobforge.canonical import sha256_in_order, sha256_of
from jobforge.collation import locale_order
from jobforge.dialects.dialect import (
    NO_TIME,
    Dialect,
    ForeignRequest,
    cost_limit,
    finops_cost,
    objects,
    request_violations,
    seal_violations,
    translated,
)
from jobforge.envelope import DateTime, Optionally, Part, Text
from jobforge.errors import Refused
from jobforge.validation import duplicates, unequal, wrong_key, wrong_version
from jobforge.violations import Violation, shape

VERSION: Final = "1.0"


class _Job(Part):
    schema_version: Text = VERSION
    module_id: Literal["support"]
    tenant_id: Text
    project_id: Text
    trace_id: Optionally[Text] = None
    job_type: Literal[
        "autopilot.support.triage",
        "autopilot.support.draft_reply",
        "autopilot.support.propose_kb_patch",
        "autopilot.support.ingest_kb",
        "autopilot.support.batch_triage",
    ]
    job_id: Text
    idempotency_key: Text
    priority: Literal["low", "normal", "high", "critical"] = "normal"
    payload: dict[str, Any]
    created_at: DateTime
    scheduled_for: Optionally[DateTime] = None
    requires_policy_token: bool = False
    metadata: dict[str, Any] = Field(default_factory=dict)


class _Hash(Part):
    algorithm: Literal["sha256"]
    canonical_json_hash: Text


class _Bundle(Part):
    schema_version: Text = VERSION
    module_id: Literal["support"]
    tenant_id: Text
    project_id: Text
    trace_id: Text
    jobs: list[_Job]
    hash: _Hash


def _told(document: dict[str, Any]) -> bool:
    return "jobs" in document


def _check(document: Any) -> list[Violation]:
    _, faults = shape(_Bundle, document)
    if not isinstance(document, dict):
        return faults
    faults.extend(_version_faults(document))
    for position, job in objects(document, "jobs"):
        faults.extend(fault.below(f"/jobs/{position}") for fault in _job_faults(document, job))
    faults.extend(duplicates([job for _, job in objects(document, "jobs")], name="jobs", below="", id_field="job_id"))
    return faults + seal_violations(document, "hash", "canonical_json_hash", locale_order)


def _version_faults(holder: dict[str, Any]) -> Iterator[Violation]:
    version = holder.get("schema_version", VERSION)
    if isinstance(version, str) and version != VERSION:
        yield wrong_version(version, VERSION)


def _job_faults(bundle: dict[str, Any], job: dict[str, Any]) -> Iterator[Violation]:
    yield from _version_faults(job)
    needs_token = job.get("requires_policy_token")
    yield from request_violations(bundle, job, needs_token=needs_token, flag_path="/requires_policy_token")
    yield from unequal("trace_id", bundle, job, "/trace_id")
    yield from finops_cost(job.get("metadata"))
    stated = job.get("idempotency_key")
    if isinstance(stated, str) and stated and not _derived(stated, job):
        yield wrong_key(stated, "/idempotency_key")


def _derived(stated: str, job: dict[str, Any]) -> bool:
    """Mostly both orders give the same text; either proves the same content."""
    source = {name: job.get(name) for name in ("tenant_id", "project_id", "job_type", "payload")}
    try:
        return stated in (sha256_of(source), sha256_in_order(source, locale_order))
    except Refused:
        return True  # the hash of the bundle says so


def _translate(document: dict[str, Any]) -> JobRequestBundle:
    requests = [
        ForeignRequest(
            id=job["job_id"],
            job_type=job["job_type"],
            payload=job["payload"],
            created_at=job["created_at"],
            priority=job.get("priority", "normal"),
            needs_token=job.get("requires_policy_token", False),
            max_cost_usd=cost_limit(job.get("metadata", {})),
        )
        for job in document["jobs"]
    ]
    created_at = max((request.created_at for request in requests), default=NO_TIME)
    bundle_id = f"support-{document['hash']['canonical_json_hash'][:16]}"
    return translated(document, requests, module_id="support", bundle_id=bundle_id, created_at=created_at)


SUPPORT: Final = Dialect("support", _told, _check, _translate)

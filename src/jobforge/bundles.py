"""JobRequestBundle: what a module asks to be run. Asking is all it does: nothing here executes."""

from typing import Any, Literal

from pydantic import Field

from jobforge.envelope import DateTime, Envelope, Optionally, Part, Text

Priority = Literal["low", "medium", "high", "critical", "normal"]
JobTypeStatus = Literal["available", "unavailable"]


class Context(Part):
    """Where a request comes from; no part of its idempotency key."""

    triggered_by: Text = "growth-autopilot"
    correlation_id: Optionally[str] = None
    related_audit_id: Optionally[str] = None
    notes: Optionally[str] = None
    trace_id: Optionally[str] = None


class Constraints(Part):
    """What the executor must respect. An acceptable request never executes by itself and always asks for approval."""

    auto_execute: bool = Field(json_schema_extra={"const": False})
    require_approval: bool = Field(json_schema_extra={"const": True})
    deadline: Optionally[DateTime] = None
    max_cost_usd: Optionally[float] = Field(default=None, json_schema_extra={"minimum": 0})


class JobRequest(Part):
    """`payload` is kept as it was read, to any depth."""

    schema_version: Optionally[str] = None
    tenant_id: Text
    project_id: Text
    id: Text
    job_type: Text
    created_at: DateTime
    payload: dict[str, Any]
    priority: Optionally[Priority] = None
    context: Context = Context()
    constraints: Constraints


class BundleItem(Part):
    """A request with what an ingester decides by."""

    idempotency_key: Text
    request: JobRequest
    job_type_status: Optionally[JobTypeStatus] = None
    requires_policy_token: Optionally[bool] = None


class JobRequestBundle(Envelope):
    """The file request-bundle.json."""

    bundle_id: Text
    requests: list[BundleItem]

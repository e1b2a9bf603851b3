"""Bundles of our own making, valid until a test changes them."""

import copy
from typing import Any

from jobforge.canonical import idempotency_key
from jobforge.envelope import seal

TIME = "2024-01-01T00:00:00.000Z"

PAYLOADS: dict[str, dict[str, Any]] = {
    "autopilot.growth.content_draft": {"profile_name": "jobforge", "content_type": "blog_post", "keywords": ["a", "b"]},
    "autopilot.growth.experiment_propose": {"funnel_name": "sign-up", "drop_off_threshold": 0.2, "max_proposals": 3},
    "autopilot.growth.seo_scan": {"source_path": "./site", "source_type": "html_export", "max_pages": 1000},
    "autopilot.growth.publish_content": {"draft_id": "draft-1", "destination": "blog", "content": {"title": "Grüße"}},
}


def item(number: int, job_type: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "idempotency_key": idempotency_key("acme", "shop", job_type, payload),
        "job_type_status": "available",
        "requires_policy_token": job_type.endswith("publish_content"),
        "request": {
            "tenant_id": "acme",
            "project_id": "shop",
            "id": f"job-{number}",
            "job_type": job_type,
            "created_at": TIME,
            "payload": payload,
            "priority": "normal",
            "context": {"triggered_by": "growth-autopilot", "trace_id": "trace-1", "notes": f"Note {number}"},
            "constraints": {"auto_execute": False, "require_approval": True, "max_cost_usd": 0.01},
        },
    }


def bundle_of(items: list[dict[str, Any]], **head: Any) -> dict[str, Any]:
    return seal(
        {
            "schema_version": "2024-09-01",
            "module_id": "growth",
            "bundle_id": "bundle-1",
            "tenant_id": "acme",
            "project_id": "shop",
            "trace_id": "trace-1",
            "created_at": TIME,
            "requests": items,
            **head,
        }
    )


def valid_bundle() -> dict[str, Any]:
    """Four requests, one of them an action, everything in order."""
    return copy.deepcopy(bundle_of([item(n, name, payload) for n, (name, payload) in enumerate(PAYLOADS.items(), 1)]))


def resealed(document: dict[str, Any]) -> dict[str, Any]:
    """With a fresh hash and fresh keys: a forger's bundle, in which only the rules can find the fault."""
    for entry in document["requests"]:
        if not isinstance(entry, dict):
            continue
        request = entry["request"]
        entry["idempotency_key"] = idempotency_key(
            request["tenant_id"], request["project_id"], request["job_type"], request["payload"]
        )
    return seal(document)

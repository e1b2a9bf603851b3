"""Job requests as items of a bundle. Building one runs nothing; two of the five are actions, for libraries only."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from growth.moments import later
from growth.redaction import Redaction
from growth.run import Run
from jobforge.canonical import idempotency_key
from jobforge.envelope import MODULE_ID, SCHEMA_VERSION, seal
from jobforge.job_types import JOB_TYPES, requires_policy_token

TRIGGERED_BY: Final = "growth-autopilot"
MOST_PAGES: Final = 1000
MOST_PROPOSALS: Final = 3
DROP_OFF_THRESHOLD: Final = 0.2

Item = dict[str, Any]


def seo_scan(run: Run, number: int, *, audit_id: str, findings: int, source_path: str, source_type: str) -> Item:
    payload = {
        "source_path": source_path,
        "source_type": source_type,
        "check_external_links": False,
        "max_pages": MOST_PAGES,
    }
    context = {
        "correlation_id": f"correlation-{number}" if run.stable else audit_id,
        "related_audit_id": "audit-stable" if run.stable else audit_id,
        "notes": f"The scan behind this request made {findings} finding(s).",
    }
    return _item(run, number, "seo_scan", payload, context)


def experiment_propose(run: Run, number: int, *, funnel_id: str, funnel_name: str) -> Item:
    payload = {
        "funnel_metrics_id": funnel_id,
        "funnel_name": funnel_name,
        "max_proposals": MOST_PROPOSALS,
        "drop_off_threshold": DROP_OFF_THRESHOLD,
    }
    context = {
        "correlation_id": f"correlation-{number}" if run.stable else funnel_id,
        "notes": "Asks for experiments that fit the figures of this funnel.",
    }
    return _item(run, number, "experiment_propose", payload, context)


def content_draft(
    run: Run,
    number: int,
    *,
    profile_name: str,
    content_type: str,
    goal: str,
    keywords: Sequence[str] = (),
    features: Sequence[str] = (),
    audience: str | None = None,
    llm_provider: str | None = None,
) -> Item:
    """`llm_provider` may be "" (written, not used); only a named one raises the cost cap."""
    payload: dict[str, Any] = {
        "profile_name": profile_name,
        "content_type": content_type,
        "goal": goal,
        "keywords": list(keywords),
        "features": list(features),
        "use_llm": bool(llm_provider),
        "variant_count": 1,
    }
    if audience is not None:
        payload["target_audience"] = audience
    if llm_provider is not None:
        payload["llm_provider"] = llm_provider
    context = {"notes": f"Asks for a draft of the kind {content_type}."}
    return _item(run, number, "content_draft", payload, context, max_cost_usd=1 if llm_provider else 0.01)


def experiment_run(
    run: Run,
    proposal: Mapping[str, Any],
    *,
    number: int = 1,
    duration_days: float = 14,
    traffic_allocation: float = 0.5,
    minimum_detectable_effect: float = 0.05,
) -> Item:
    """Asks to run a proposal of `experiments.propose`; needs a policy token where it is executed."""
    payload = {
        "proposal_id": proposal["id"],
        "experiment_title": proposal["title"],
        "hypothesis": proposal["hypothesis"],
        "target_step": proposal["target_step"],
        "variants": proposal["suggested_variants"],
        "duration_days": duration_days,
        "traffic_allocation": traffic_allocation,
        "success_metric": proposal["expected_impact"]["metric"],
        "minimum_detectable_effect": minimum_detectable_effect,
    }
    context = {
        "correlation_id": proposal["funnel_metrics_id"],
        "notes": "Asks to run an experiment; it changes what users see.",
    }
    return _item(run, number, "experiment_run", payload, context, deadline=later(run.now, duration_days))


def publish_content(
    run: Run,
    draft: Mapping[str, Any],
    *,
    destination: str,
    publish_at: str,
    number: int = 1,
    seo_metadata: Mapping[str, Any] | None = None,
) -> Item:
    """Asks to publish a draft of `content.draft` by `publish_at` (UTC datetime); needs a policy token to run."""
    payload: dict[str, Any] = {
        "draft_id": draft["id"],
        "content_type": draft["content_type"],
        "destination": destination,
        "content": draft["content"],
    }
    if seo_metadata is not None:
        payload["seo_metadata"] = dict(seo_metadata)
    context = {"notes": "Asks to publish a draft; it becomes visible to everyone."}
    return _item(run, number, "publish_content", payload, context, deadline=publish_at, priority="low")


def _item(
    run: Run,
    number: int,
    short: str,
    payload: dict[str, Any],
    context: dict[str, Any],
    *,
    max_cost_usd: float | None = None,
    deadline: str | None = None,
    priority: str = "normal",
) -> Item:
    known = JOB_TYPES[f"autopilot.growth.{short}"]
    redaction = Redaction()  # a second look costs little and covers callers that build requests by hand
    payload = redaction.value(payload)
    constraints: dict[str, Any] = {
        "auto_execute": False,
        "require_approval": True,
        "max_cost_usd": known.max_cost_usd if max_cost_usd is None else max_cost_usd,
    }
    if deadline is not None:
        constraints["deadline"] = deadline
    request = {
        "tenant_id": run.tenant_id,
        "project_id": run.project_id,
        "id": run.named("job", number),
        "job_type": known.name,
        "created_at": run.now,
        "payload": payload,
        "priority": priority,
        "context": {"triggered_by": TRIGGERED_BY, "trace_id": run.trace_id, **redaction.value(context)},
        "constraints": constraints,
    }
    return {
        "idempotency_key": idempotency_key(run.tenant_id, run.project_id, known.name, payload),
        "request": request,
        "job_type_status": "available",
        "requires_policy_token": requires_policy_token(known.name),
    }


def bundle(run: Run, items: Sequence[Item]) -> dict[str, Any]:
    """The sealed bundle, sorted by job type and idempotency key."""
    return seal({**head(run), "bundle_id": run.only("bundle"), "requests": sorted(items, key=_order)})


def head(run: Run) -> dict[str, Any]:
    """What every document of a run begins with."""
    return {
        "schema_version": SCHEMA_VERSION,
        "module_id": MODULE_ID,
        "tenant_id": run.tenant_id,
        "project_id": run.project_id,
        "trace_id": run.trace_id,
        "created_at": run.now,
    }


def _order(item: Item) -> tuple[str, str]:
    return item["request"]["job_type"], item["idempotency_key"]

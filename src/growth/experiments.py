"""Experiments worth trying, proposed from funnel figures by fixed rules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from growth.figures import percent, rounded
from growth.inputs import FunnelMetrics, FunnelStep
from jobforge.canonical import sha256_of

DEFAULT_MOST: Final = 3


@dataclass(frozen=True)
class Template:
    """An experiment and when it is worth proposing; `variants` are (name, what changes), the control first."""

    key: str
    applies: Callable[[FunnelMetrics], bool]
    experiment_type: str
    title: str
    hypothesis: str
    effort: str
    days: int
    people: tuple[str, ...]
    variants: tuple[tuple[str, str], ...]


def _first_step_loses(metrics: FunnelMetrics) -> bool:
    return bool(metrics.steps) and metrics.steps[0].drop_off_rate > 0.3


def _named_loses(*parts: str, above: float) -> Callable[[FunnelMetrics], bool]:
    """The first step named like this loses more than `above` of its users."""

    def applies(metrics: FunnelMetrics) -> bool:
        step = next((step for step in metrics.steps if any(part in step.step_name for part in parts)), None)
        return step is not None and step.drop_off_rate > above

    return applies


_CONTROL = ("control", "What users see today")
TEMPLATES: Final = (
    Template(
        "first-impression",
        _first_step_loses,
        "content_change",
        "Say the benefit first at {step}",
        "If the first thing visitors read is what they gain, more of them go on past {step}.",
        "small",
        3,
        ("copywriter", "designer"),
        (
            _CONTROL,
            ("benefit-first", "The headline names the result"),
            ("proof-first", "A customer's words open the page"),
        ),
    ),
    Template(
        "shorter-signup",
        _named_loses("signup", above=0.4),
        "flow_change",
        "Ask for less before {step}",
        "If signing up takes fewer fields, more users finish {step}.",
        "medium",
        5,
        ("frontend_dev", "ux_designer"),
        (
            _CONTROL,
            ("fewer-fields", "Only what is needed to begin"),
            ("two-steps", "The same fields on two short pages"),
        ),
    ),
    Template(
        "guided-setup",
        _named_loses("onboard", "setup", above=0.2),
        "feature_flag",
        "Guide new users through {step}",
        "If new users see what comes next, fewer of them stop at {step}.",
        "small",
        2,
        ("frontend_dev",),
        (
            _CONTROL,
            ("checklist", "A list of what is left to do"),
            ("sample-data", "Begin with an example already filled in"),
        ),
    ),
    Template(
        "reminder",
        _named_loses("activate", "first_action", above=0.5),
        "content_change",
        "Bring users back to {step}",
        "If users who paused get one helpful message, more of them complete {step}.",
        "medium",
        4,
        ("copywriter", "email_specialist"),
        (_CONTROL, ("next-day", "One message after a day"), ("in-product", "A hint at the next visit")),
    ),
    Template(
        "fewer-steps",
        lambda metrics: metrics.overall_conversion_rate < 0.1,
        "flow_change",
        "Take steps out of the way to {step}",
        "If the way through the funnel is shorter, more users reach its end.",
        "large",
        10,
        ("frontend_dev", "backend_dev", "ux_designer", "qa"),
        (_CONTROL, ("merged", "Two steps become one"), ("postponed", "What is not needed yet comes after the goal")),
    ),
)
GENERIC: Final = Template(
    "compare",
    lambda metrics: True,
    "ab_test",
    "Compare a simpler version of {step}",
    "If {step} asks less of users, more of them go on.",
    "medium",
    7,
    ("analyst", "product_manager"),
    (_CONTROL, ("simpler", "One decision fewer")),
)


def propose(metrics: FunnelMetrics, most: int | None, created_at: str) -> list[dict[str, Any]]:
    """At most `most` proposals (3 if None) in the order of the templates; at least the generic one."""
    target = _target(metrics)
    fitting = [template for template in TEMPLATES if template.applies(metrics)] if target else []
    if target and fitting:
        return [_proposal(template, metrics, target, created_at) for template in fitting[: most or DEFAULT_MOST]]
    fallback = metrics.biggest_drop_off_step or (metrics.steps[0].step_name if metrics.steps else "unknown")
    return [_proposal(GENERIC, metrics, fallback, created_at)]


def _target(metrics: FunnelMetrics) -> str | None:
    """The step to work on: the biggest drop-off, else the largest rate strictly between 0 and 1."""
    if metrics.biggest_drop_off_step:
        return metrics.biggest_drop_off_step
    losing = [step for step in metrics.steps if 0 < step.drop_off_rate < 1]
    return max(losing, key=lambda step: step.drop_off_rate).step_name if losing else None


def _proposal(template: Template, metrics: FunnelMetrics, target: str, created_at: str) -> dict[str, Any]:
    content = {
        "tenant_id": metrics.tenant_id,
        "project_id": metrics.project_id,
        "funnel_metrics_id": metrics.id,
        "title": template.title.format_map({"step": target}),
        "hypothesis": template.hypothesis.format_map({"step": target}),
        "experiment_type": template.experiment_type,
        "target_step": target,
        "effort": {
            "level": template.effort,
            "days_estimate": template.days,
            "resources_needed": list(template.people),
        },
        "expected_impact": _impact(metrics, target),
        "suggested_variants": [{"name": name, "description": description} for name, description in template.variants],
        "evidence": _evidence(template, metrics),
    }
    derived_from = {"template": template.key, **content}
    return {**content, "id": f"proposal-{sha256_of(derived_from)[:32]}", "created_at": created_at}


def _impact(metrics: FunnelMetrics, target: str) -> dict[str, Any]:
    step: FunnelStep | None = next((step for step in metrics.steps if step.step_name == target), None)
    if step is None:
        lift, confidence, why = 10, "low", "The figures do not say how many users this step loses."
    else:
        lost = f"The step loses {percent(step.drop_off_rate)} of its users"
        if step.drop_off_rate > 0.6:
            lift, confidence, why = 25, "high", f"{lost}, which leaves much to win."
        elif step.drop_off_rate > 0.3:
            lift, confidence, why = 15, "medium", f"{lost}, more than most steps."
        else:
            lift, confidence, why = 8, "low", f"{lost}, so the room to improve is small."
    return {"metric": "conversion_rate", "lift_percent": lift, "confidence": confidence, "rationale": why}


def _evidence(template: Template, metrics: FunnelMetrics) -> list[dict[str, Any]]:
    if template is GENERIC:
        return [
            {
                "type": "calculation",
                "path": "funnel_metrics.steps",
                "description": "Steps of the funnel",
                "value": len(metrics.steps),
            }
        ]
    overall = rounded(float(metrics.overall_conversion_rate) * 100)
    conversion: dict[str, Any] = {
        "type": "calculation",
        "path": "funnel_metrics.overall_conversion_rate",
        "description": "Users who reach the end, in percent",
    }
    if overall not in (float("inf"), float("-inf")):
        conversion["value"] = overall
    return [
        conversion,
        {"type": "json_path", "path": "steps", "description": "Steps of the funnel", "value": len(metrics.steps)},
        {
            "type": "assumption",
            "path": "industry_benchmarks",
            "description": "The thresholds are rules of thumb, not figures of this business",
            "value": True,
        },
    ]

"""What each of our five runners promises an ingester: guarantees, metrics, caps."""

from typing import Any, Final, NamedTuple

from growth.requests import head
from growth.run import Run
from jobforge.envelope import seal
from jobforge.job_types import JOB_TYPES


class _Runner(NamedTuple):
    purpose: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    failure_modes: tuple[str, ...]
    success: tuple[str, str, str]  # metric, source, description; beside job_request_enqueued
    failure: tuple[tuple[str, str, str], ...]


_INVALID = ("bundle_validation_failed", "runner", "The bundle did not pass validation, so nothing was written.")
_NO_TOKEN = ("policy_token_missing", "runner", "The request reached the executor without a policy token.")
_NEEDS_TOKEN = ("action_job_requires_policy_token", "job_request", "The request says that it needs a policy token.")
_SCHEMA = "The request does not fit the schema"
_UNAVAILABLE = "The executor does not offer this job type"
_UNAPPROVED = "No policy token was given"

_RUNNERS: Final[dict[str, _Runner]] = {
    "seo_scan": _Runner(
        "Scans an exported site and asks for a scan of it.",
        ("source_path", "source_type"),
        ("job_request", "report.findings", "request-bundle.json"),
        ("The source path does not exist or holds no page", _SCHEMA, _UNAVAILABLE),
        ("seo_findings_count", "report", "Findings of the scan, in the report's summary."),
        (_INVALID, ("job_type_unavailable", "job_request", "The executor does not offer SEO scans.")),
    ),
    "experiment_propose": _Runner(
        "Proposes experiments from the figures of a funnel.",
        ("funnel_metrics_id", "funnel_name"),
        ("job_request", "report.findings", "report.recommendations"),
        ("There are no funnel metrics", _SCHEMA, _UNAVAILABLE),
        ("experiment_proposals_count", "report", "Proposals, in the report's summary."),
        (("funnel_metrics_missing", "runner", "There were no funnel metrics to work from."), _INVALID),
    ),
    "content_draft": _Runner(
        "Drafts content in the voice of a profile.",
        ("profile_name", "content_type", "goal"),
        ("job_request", "report.findings", "report.summary.content_drafts"),
        ("The profile does not exist", "The content type is not one of ours", "The language model cannot be reached"),
        ("content_drafts_count", "report", "Drafts asked for, in the report's summary."),
        (
            ("profile_missing", "runner", "The named profile does not exist."),
            ("llm_provider_error", "runner", "The language model failed or was too expensive."),
        ),
    ),
    "experiment_run": _Runner(
        "Runs a proposed experiment on real users.",
        ("proposal_id", "variants", "duration_days"),
        ("job_request", "report.recommendations"),
        ("The proposal does not exist", _UNAPPROVED, _SCHEMA),
        _NEEDS_TOKEN,
        (_NO_TOKEN, _INVALID),
    ),
    "publish_content": _Runner(
        "Publishes a draft where everyone can read it.",
        ("draft_id", "destination"),
        ("job_request", "report.recommendations"),
        ("The draft does not exist", "The destination is not one that can be published to", _UNAPPROVED),
        _NEEDS_TOKEN,
        (_NO_TOKEN, ("destination_invalid", "runner", "The destination was refused.")),
    ),
}


def maturity(run: Run) -> dict[str, Any]:
    """The sealed RunnerMaturityReport."""
    runners = [_document(short, runner) for short, runner in _RUNNERS.items()]
    return seal({**head(run), "runners": runners})


def _document(short: str, runner: _Runner) -> dict[str, Any]:
    known = JOB_TYPES[f"autopilot.growth.{short}"]
    enqueued = ("job_request_enqueued", "job_request", f"A valid request for {short} was written.")
    token = ["policy_token_required"] if known.action else []
    return {
        "runner_id": known.runner_id,
        "job_type": known.name,
        "purpose": runner.purpose,
        "inputs": [*runner.inputs, "tenant_id", "project_id"],
        "outputs": list(runner.outputs),
        "failure_modes": list(runner.failure_modes),
        "idempotency": {
            "strategy": "payload_hash",
            "key_source": "sha256 of the canonical tenant_id, project_id, job_type and payload",
        },
        "retry_guidance": {
            "retryable": True,
            "retry_after_seconds": 1,
            "max_retries": 3,
            "strategy": "exponential_backoff",
            "reason": "An executor that honours idempotency keys does the same work once, however often it is asked.",
        },
        "metrics": {
            "success": [_metric(enqueued), _metric(runner.success)],
            "failure": [_metric(metric) for metric in runner.failure],
        },
        "finops": {
            "max_cost_usd": known.max_cost_usd,
            "cost_controls": ["max_cost_usd constraint", "require_approval=true", *token],
        },
    }


def _metric(metric: tuple[str, str, str]) -> dict[str, str]:
    return {"metric": metric[0], "source": metric[1], "description": metric[2]}

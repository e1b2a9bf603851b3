"""The job types we know. Whether one needs a policy token is decided here, never by what a bundle says."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class JobType:
    """`action` types change something outside and need a policy token; `max_cost_usd` caps each request."""

    name: str
    runner_id: str
    module_id: str
    action: bool
    max_cost_usd: float


def _growth(short: str, *, action: bool, max_cost_usd: float) -> JobType:
    return JobType(f"autopilot.growth.{short}", f"growth.{short}", "growth", action, max_cost_usd)


# In the order in which a maturity report lists the runners.
JOB_TYPES: Final[dict[str, JobType]] = {
    job_type.name: job_type
    for job_type in (
        _growth("seo_scan", action=False, max_cost_usd=0.5),
        _growth("experiment_propose", action=False, max_cost_usd=0.2),
        _growth("content_draft", action=False, max_cost_usd=1),
        _growth("experiment_run", action=True, max_cost_usd=5),
        _growth("publish_content", action=True, max_cost_usd=0.5),
    )
}

# Types of the sister modules that change something outside. We run none of them, but know that they need a token.
FOREIGN_ACTIONS: Final = frozenset(
    {
        "autopilot.ops.apply",
        "autopilot.support.escalate",
        "autopilot.support.ingest_kb",
        "autopilot.support.propose_kb_patch",
    }
)

MODULES: Final = frozenset(job_type.module_id for job_type in JOB_TYPES.values())


def requires_policy_token(job_type: str) -> bool:
    """False for a type nobody has described: such a request is never run."""
    known = JOB_TYPES.get(job_type)
    return job_type in FOREIGN_ACTIONS or (known is not None and known.action)

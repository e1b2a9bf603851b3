"""ReportEnvelope: what a module found and recommends."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from jobforge.envelope import Envelope, Optionally, Part, Prose, Text


def _whole(value: Any) -> Any:
    """3.0 is the same JSON number as 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Severity = Literal["critical", "warning", "info", "opportunity"]
EvidenceType = Literal["html_element", "json_path", "url", "event_count", "calculation", "assumption"]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=0)]


class EvidenceLink(Part):
    """Where a finding can be checked."""

    type: EvidenceType
    path: str
    description: str
    value: Optionally[str | int | float | bool] = None


class Finding(Part):
    """One thing that was found."""

    id: Text
    title: Prose
    description: Prose
    severity: Severity
    evidence: Optionally[list[EvidenceLink]] = None
    related_job_types: Optionally[list[Text]] = None


class Recommendation(Part):
    """One thing to do, mostly a request of the bundle."""

    id: Text
    title: Prose
    description: Prose
    job_type: Optionally[Text] = None
    requires_policy_token: Optionally[bool] = None


class ReportSummary(Part):
    """Four figures; the biggest drop-off is null where there is none."""

    seo_findings: int | float
    funnel_biggest_drop_off_step: str | None
    experiment_proposals: int | float
    content_drafts: int | float


class ReportInputs(Part):
    """What the report was made from."""

    event_count: Count
    run_manifest_count: Count
    notes: list[str]


class ReportEnvelope(Envelope):
    """The file report.json."""

    report_id: Text
    report_type: Literal["growth.analysis"]
    summary: ReportSummary
    findings: list[Finding]
    recommendations: list[Recommendation]
    inputs: ReportInputs

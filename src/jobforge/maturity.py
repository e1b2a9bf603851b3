"""RunnerMaturityReport: what each runner guarantees, how it is measured and what it may cost."""

from typing import Literal

from pydantic import Field

from jobforge.envelope import Envelope, Optionally, Part, Text

MetricSource = Literal["report", "job_request", "runner", "external"]


class Idempotency(Part):
    """How a repeated request is recognised."""

    strategy: Literal["payload_hash", "bundle_idempotency_key", "request_id"]
    key_source: Text


class RetryGuidance(Part):
    """When a failed request may be sent again; `retry_after_seconds` is the first wait."""

    retryable: bool
    retry_after_seconds: Optionally[float] = Field(default=None, json_schema_extra={"minimum": 0})
    max_retries: Optionally[int] = Field(default=None, json_schema_extra={"minimum": 0})
    strategy: Literal["exponential_backoff", "immediate", "fixed_interval"]
    reason: Text


class Metric(Part):
    """One name to count by."""

    metric: Text
    description: Text
    source: MetricSource


class Metrics(Part):
    """What counts as success and what as failure."""

    success: list[Metric]
    failure: list[Metric]


class FinOps(Part):
    """The cap of one run in US dollars and what enforces it."""

    max_cost_usd: float = Field(json_schema_extra={"minimum": 0})
    cost_controls: list[Text]


class Runner(Part):
    """One job type and its promises."""

    runner_id: Text
    job_type: Text
    purpose: Text
    inputs: list[Text]
    outputs: list[Text]
    failure_modes: list[Text]
    idempotency: Idempotency
    retry_guidance: RetryGuidance
    metrics: Metrics
    finops: FinOps


class RunnerMaturityReport(Envelope):
    """The file runner-maturity.json."""

    runners: list[Runner]

"""Contracts: the documents modules and ingesters exchange, their canonical form, and what makes one acceptable."""

from jobforge.bundles import JobRequestBundle
from jobforge.canonical import canonical_hash, idempotency_key, pretty
from jobforge.envelope import SCHEMA_VERSION
from jobforge.errors import Refused
from jobforge.maturity import RunnerMaturityReport
from jobforge.reports import ReportEnvelope
from jobforge.schemas import JobRequestBundleSchema, ReportEnvelopeSchema, RunnerMaturityReportSchema
from jobforge.strict import parse
from jobforge.validation import bundle_violations, maturity_violations, report_violations
from jobforge.violations import Violation

__all__ = [
    "SCHEMA_VERSION",
    "JobRequestBundle",
    "JobRequestBundleSchema",
    "Refused",
    "ReportEnvelope",
    "ReportEnvelopeSchema",
    "RunnerMaturityReport",
    "RunnerMaturityReportSchema",
    "Violation",
    "bundle_violations",
    "canonical_hash",
    "idempotency_key",
    "maturity_violations",
    "parse",
    "pretty",
    "report_violations",
]

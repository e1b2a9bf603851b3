"""The one question an ingester asks: what is this document, and is it acceptable?"""

from dataclasses import dataclass
from typing import Any, Literal

from jobforge.bundles import JobRequestBundle
from jobforge.dialects import recognised
from jobforge.dialects.foreign_reports import foreign_dialect, foreign_report_violations
from jobforge.errors import Refused
from jobforge.strict import MAX_BYTES, MAX_DEPTH, MAX_NODES, parse
from jobforge.validation import maturity_violations, report_violations
from jobforge.violations import Violation

Kind = Literal["bundle", "report", "maturity", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """`dialect` is whose shape it has, "" if unknown; `bundle` is in our shape, None unless it is without faults."""

    kind: Kind
    dialect: str
    violations: tuple[Violation, ...]
    bundle: JobRequestBundle | None = None

    @property
    def acceptable(self) -> bool:
        return not self.violations


def read(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES) -> Verdict:
    """Parse and examine; a document that cannot be parsed is a verdict too."""
    try:
        document = parse(data, max_bytes=max_bytes, max_depth=max_depth, max_nodes=max_nodes)
    except Refused as error:
        fault = Violation(error.code, error.pointer, error.message, error.hint)
        return Verdict("unknown", "", (fault,))
    return examine(document)


def examine(document: Any) -> Verdict:
    """Check a parsed document by the rules of its kind and dialect."""
    kind = kind_of(document)
    if kind == "report":
        foreign = foreign_dialect(document)
        faults = foreign_report_violations(document, foreign) if foreign else report_violations(document)
        return Verdict(kind, foreign or "growth", tuple(faults))
    if kind == "maturity":
        return Verdict(kind, "growth", tuple(maturity_violations(document)))
    if kind == "bundle":
        dialect = recognised(document)
        violations = tuple(dialect.check(document))
        return Verdict(kind, dialect.name, violations, None if violations else dialect.translate(document))
    message = "This is neither a bundle nor a report nor a maturity report."
    hint = "A bundle has requests or jobs, a report findings, a maturity report runners."
    return Verdict(kind, "", (Violation("document.kind", "", message, hint),))


def kind_of(document: Any) -> Kind:
    """Told by the list that each kind is about."""
    if not isinstance(document, dict):
        return "unknown"
    if "requests" in document or "jobs" in document:
        return "bundle"
    if "runners" in document:
        return "maturity"
    if any(key in document for key in ("findings", "report_id", "report")):
        return "report"
    return "bundle" if "bundle_id" in document or "idempotency_keys" in document else "unknown"

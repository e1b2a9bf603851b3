"""The files of an analysis as texts, validated before anything is written."""

from growth.analysis import Analysis
from growth.errors import Fault, GrowthError
from growth.report import markdown
from growth.report_page import page
from jobforge.canonical import pretty
from jobforge.validation import bundle_violations, maturity_violations, report_violations
from jobforge.violations import Violation


def texts(analysis: Analysis, *, render: bool = True) -> dict[str, str]:
    """File name to content; with `render` also the two reports for people."""
    violations = {
        "request-bundle.json": bundle_violations(analysis.bundle),
        "report.json": report_violations(analysis.report),
        "runner-maturity.json": maturity_violations(analysis.maturity),
    }
    for name, found in violations.items():
        if found:
            raise _defect(name, found)
    documents = {
        "runner-maturity.json": pretty(analysis.maturity),
        "report.json": pretty(analysis.report),
    }
    if render:
        documents["report.md"] = markdown(analysis.report)
        documents["report.html"] = page(analysis)
    return {**documents, "request-bundle.json": pretty(analysis.bundle)}


def _defect(name: str, found: list[Violation]) -> GrowthError:
    """Our own document does not keep the contract: nothing is written, and it is our fault."""
    return GrowthError(
        f"{name} would not be valid: {found[0].message}",
        hint="Nothing was written. Please report this with your inputs.",
        code="growth.defect",
        faults=tuple(Fault(violation.path, violation.message) for violation in found),
    )

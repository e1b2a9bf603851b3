"""report.md: the report for people. No text from outside can forge its structure."""

import re
from typing import Any

_SPACE = re.compile(r"[\s\x00-\x1f\x7f\u0085\u2028\u2029]+")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")
_OPENING = re.compile(r"^([-+=>:]|\d+[.)])")


def escaped(value: Any) -> str:
    """One line of plain text: line ends become spaces, and what Markdown would read as structure is escaped."""
    text = _SPACE.sub(" ", str(value)).strip().encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = _SPECIAL.sub(r"\\\1", text)
    return _OPENING.sub(
        lambda found: "\\" + found[0] if len(found[0]) == 1 else found[0][:-1] + "\\" + found[0][-1], text
    )


def markdown(report: dict[str, Any]) -> str:
    summary = report["summary"]
    biggest = summary["funnel_biggest_drop_off_step"]
    lines = [
        "# Growth report",
        "",
        f"- Report ID: {escaped(report['report_id'])}",
        f"- Tenant: {escaped(report['tenant_id'])}",
        f"- Project: {escaped(report['project_id'])}",
        f"- Trace: {escaped(report['trace_id'])}",
        f"- Created At: {escaped(report['created_at'])}",
        "",
        "## Summary",
        "",
        f"- SEO findings: {summary['seo_findings']}",
        f"- Biggest drop-off: {'n/a' if biggest is None else escaped(biggest)}",
        f"- Experiment proposals: {summary['experiment_proposals']}",
        f"- Content drafts: {summary['content_drafts']}",
        "",
        "## Findings",
        "",
        *(_findings(report["findings"]) or ["No findings."]),
        "",
        "## Recommendations",
        "",
        *(_recommendations(report["recommendations"]) or ["No recommendations."]),
        "",
        "## Safety",
        "",
        "- Nothing was executed: the bundle only asks, and every request needs an approval.",
        "- Requests that change something outside also need a policy token.",
        "- What looked like a credential or personal data was replaced before this report was written.",
        "",
    ]
    return "\n".join(lines)


def _findings(findings: list[dict[str, Any]]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"- **{escaped(finding['title'])}** ({finding['severity']}): {escaped(finding['description'])}")
        for evidence in finding.get("evidence", ()):
            value = f" = {escaped(evidence['value'])}" if "value" in evidence else ""
            lines.append(f"  - {escaped(evidence['path'])}{value}: {escaped(evidence['description'])}")
    return lines


def _recommendations(recommendations: list[dict[str, Any]]) -> list[str]:
    return [
        f"- {escaped(entry['title'])}: {escaped(entry['description'])}"
        + (" Needs a policy token." if entry.get("requires_policy_token") else "")
        for entry in recommendations
    ]

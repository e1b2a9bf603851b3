"""report.html: the same report as one self-contained page, with the funnel as a drawing and no script."""

from html import escape
from typing import Any, Final

from growth.analysis import Analysis, encodable
from growth.figures import percent
from growth.inputs import FunnelMetrics, SeoAudit

SEVERITIES: Final = ("critical", "warning", "opportunity", "info")
MOST_ROWS: Final = 500  # findings of an audit listed in full; the rest is in the audit itself

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --bar: #2f6f5e; --lost: #c7522a; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { border-bottom: 1px solid var(--line); padding-bottom: .3rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .35rem .6rem; vertical-align: top;
border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr;
gap: .2rem 1rem; } dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; } svg { width: 100%; height: auto; }
.severity { border-radius: 1rem; padding: .1rem .6rem; border: 1px solid; font-size: .85rem; }
.critical { color: #b3261e; } .warning { color: #9a6700; } .opportunity { color: #1a7f37; } .info { color: #3b6ea8; }
@media (prefers-color-scheme: dark) { .critical { color: #ff8a80; } .warning { color: #e3b341; }
.opportunity { color: #7ee787; } .info { color: #9ecbff; } }
"""


def page(analysis: Analysis) -> str:
    report = analysis.report
    summary = report["summary"]
    biggest = summary["funnel_biggest_drop_off_step"]
    head = {
        "Report": report["report_id"],
        "Tenant": report["tenant_id"],
        "Project": report["project_id"],
        "Trace": report["trace_id"],
        "Created": report["created_at"],
        "SEO findings": summary["seo_findings"],
        "Biggest drop-off": "n/a" if biggest is None else biggest,
        "Experiment proposals": summary["experiment_proposals"],
        "Content drafts": summary["content_drafts"],
        "Replaced as confidential": analysis.redacted,
    }
    parts = [
        "<h1>Growth report</h1>",
        "<dl>" + "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in head.items()) + "</dl>",
        "<h2>Findings</h2>",
        _by_severity(report["findings"]) or "<p>No findings.</p>",
        _funnel(analysis.metrics),
        _audit(analysis.audit),
        "<h2>Recommendations</h2>",
        _recommendations(report["recommendations"]) or "<p>No recommendations.</p>",
        "<h2>Safety</h2><p>Nothing was executed. Every request of the bundle needs an approval, and what changes "
        "something outside also needs a policy token.</p>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Growth report for {_text(report['project_id'])}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _text(value: Any) -> str:
    cleaned = "".join(sign if sign.isprintable() or sign in "\n\t" else "�" for sign in encodable(str(value)))
    return escape(cleaned, quote=True)


def _by_severity(findings: list[dict[str, Any]]) -> str:
    groups = []
    for severity in SEVERITIES:
        found = [finding for finding in findings if finding["severity"] == severity]
        if found:
            entries = "".join(
                f"<li><strong>{_text(finding['title'])}</strong><br>{_text(finding['description'])}</li>"
                for finding in found
            )
            groups.append(f'<h3><span class="severity {severity}">{severity}</span></h3><ul>{entries}</ul>')
    return "".join(groups)


def _audit(audit: SeoAudit | None) -> str:
    if audit is None or not audit.findings:
        return ""
    ordered = [found for severity in SEVERITIES for found in audit.findings if found.severity == severity]
    rows = "".join(
        f'<tr><td><span class="severity {found.severity}">{found.severity}</span></td><td>{_text(found.url)}</td>'
        f"<td>{_text(found.message)}<br>{_text(found.recommendation)}</td></tr>"
        for found in ordered[:MOST_ROWS]
    )
    more = f"<p>{len(ordered) - MOST_ROWS} more are not shown.</p>" if len(ordered) > MOST_ROWS else ""
    return (
        f"<h2>SEO audit</h2><p>{_text(audit.urls_scanned)} address(es), {len(ordered)} finding(s).</p>"
        f"<table><thead><tr><th>Severity</th><th>Address</th><th>Finding</th></tr></thead><tbody>{rows}</tbody></table>{more}"
    )


def _recommendations(recommendations: list[dict[str, Any]]) -> str:
    if not recommendations:
        return ""
    entries = "".join(
        f"<li><strong>{_text(entry['title'])}</strong><br>{_text(entry['description'])}"
        f"{' Needs a policy token.' if entry.get('requires_policy_token') else ''}</li>"
        for entry in recommendations
    )
    return f"<ul>{entries}</ul>"


_WIDTH, _ROW, _BAR_START, _BAR_SPACE = 720, 46, 200, 360


def _funnel(metrics: FunnelMetrics | None) -> str:
    if metrics is None or not metrics.steps:
        return ""
    users = [min(max(float(step.unique_users), 0.0), 1e300) for step in metrics.steps]
    widest = max(users) or 1.0
    height = _ROW * len(users) + 10
    rows = []
    for index, (step, count) in enumerate(zip(metrics.steps, users, strict=True)):
        top = index * _ROW + 10
        width = round(count / widest * _BAR_SPACE, 1)
        lost = f"-{percent(step.drop_off_rate)}" if step.drop_off_rate > 0 else ""
        biggest = step.step_name == metrics.biggest_drop_off_step
        name = step.step_name if len(step.step_name) <= 24 else step.step_name[:23] + "…"
        colour = "--lost" if biggest else "--bar"
        rows.append(
            f'<text x="{_BAR_START - 10}" y="{top + 20}" text-anchor="end" fill="currentColor">{_text(name)}</text>'
            f'<rect x="{_BAR_START}" y="{top}" width="{width}" height="30" rx="3" fill="var({colour})"/>'
            f'<text x="{_BAR_START + width + 8}" y="{top + 20}" fill="currentColor">{_text(f"{count:g}")} {lost}</text>'
        )
    label = f"Users per step of the funnel {metrics.funnel_name}"
    return (
        f"<h2>Funnel {_text(metrics.funnel_name)}</h2>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{_text(label)}" font-size="14">'
        f"{''.join(rows)}</svg>"
        f"<p>{percent(metrics.overall_conversion_rate)} of those who enter reach the end.</p>"
    )

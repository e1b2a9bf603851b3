"""One analysis: inputs in, the documents of the contract out. Reads files, writes none."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from growth import content, experiments, funnel, requests, seo
from growth.errors import Fault, InputRefused
from growth.events import read_events
from growth.figures import percent
from growth.inputs import ContentDraft, FunnelMetrics, Inputs, SeoAudit, read_funnel_metrics
from growth.maturity import maturity
from growth.pages import Progress
from growth.profiles import Profiles
from growth.redaction import Redaction
from growth.run import Run
from jobforge.envelope import seal

_NOTES = ("seo_scan", "funnel_analysis", "experiment_proposals", "content_draft")


@dataclass
class Analysis:
    """The documents, what they were made from, and what a person should know about the making."""

    bundle: dict[str, Any]
    report: dict[str, Any]
    maturity: dict[str, Any]
    audit: SeoAudit | None
    metrics: FunnelMetrics | None
    redacted: int
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Maker:
    """Collects findings and requests in the order of the contract."""

    run: Run
    inputs: Inputs
    file: Path
    base: Path
    profiles: Profiles
    redaction: Redaction
    progress: Progress | None
    findings: list[dict[str, Any]] = field(default_factory=list)
    items: list[requests.Item] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def finding(self, severity: str, title: str, description: str, evidence: list[dict[str, Any]], job: str) -> None:
        self.findings.append(
            {
                "id": self.run.named("finding", len(self.findings) + 1),
                "title": title,
                "description": encodable(description),
                "severity": severity,
                "evidence": evidence,
                "related_job_types": [f"autopilot.growth.{job}"],
            }
        )

    def seo(self) -> SeoAudit | None:
        section, given = self.inputs.seo_scan, self.inputs.seo_audit
        if given is not None:
            self.owned(given, "/seo_audit")
            audit = self.redaction.model(given)
        elif section is not None:
            scanned = seo.scan(
                self.base / section.source_path,
                section.source_path,
                section.source_type,
                rules=section.rules,
                named_by=f"{self.file.name}, /seo_scan/source_path",
                progress=self.progress,
            )
            audit = SeoAudit.model_validate(scanned.document(self.run, self.redaction))
        else:
            return None
        count = len(audit.findings)
        self.finding(
            "critical" if audit.summary.critical > 0 else "warning",
            "SEO findings" if count else "No SEO findings",
            f"The audit looked at {audit.urls_scanned} address(es) and made {count} finding(s).",
            [{"type": "url", "path": found.url, "description": found.message} for found in audit.findings[:3]],
            "seo_scan",
        )
        if section is not None:
            self.items.append(
                requests.seo_scan(
                    self.run,
                    len(self.items) + 1,
                    audit_id=audit.id,
                    findings=count,
                    source_path=self.redaction.text(section.source_path),
                    source_type=section.source_type,
                )
            )
        return audit

    def funnel(self) -> FunnelMetrics | None:
        section, given = self.inputs.funnel_analysis, self.inputs.funnel_metrics
        if given is not None:
            self.owned(given, "/funnel_metrics")
            metrics = self.redaction.model(given)
        elif section is not None:
            named_by = f"{self.file.name}, /funnel_analysis/events_path"
            computed = funnel.analyse(
                read_events(self.base / section.events_path, named_by=named_by),
                section.steps,
                name=funnel.DEFAULT_NAME if section.funnel_name is None else section.funnel_name,
                source_file=section.events_path,
                run=self.run,
                redaction=self.redaction,
                ordered=section.ordered,
            )
            metrics = FunnelMetrics.model_validate(computed)
        else:
            return None
        self.finding(*_funnel_words(metrics), [link.document() for link in metrics.evidence[:2]], "experiment_propose")
        self.items.append(
            requests.experiment_propose(
                self.run, len(self.items) + 1, funnel_id=metrics.id, funnel_name=metrics.funnel_name
            )
        )
        return metrics

    def experiments(self, metrics: FunnelMetrics | None) -> int:
        section = self.inputs.experiment_proposals
        if section is None:
            return 0
        if section.funnel_metrics_path:
            path = self.base / section.funnel_metrics_path
            read = read_funnel_metrics(path, named_by=f"{self.file.name}, /experiment_proposals/funnel_metrics_path")
            self.owned(read, "", file=path)
            metrics = self.redaction.model(read)
        if metrics is None:
            return 0
        proposals = experiments.propose(metrics, section.max_proposals, self.run.now)
        self.finding(
            "opportunity",
            "Experiments to try",
            f"{len(proposals)} experiment(s) fit the figures; the first: {proposals[0]['title']}.",
            [
                {"type": "json_path", "path": f"proposal:{proposal['id']}", "description": encodable(proposal["title"])}
                for proposal in proposals[:2]
            ],
            "experiment_propose",
        )
        return len(proposals)

    def content(self) -> int:
        section = self.inputs.content_draft
        if section is None:
            return 0
        profile = self.profiles.load(section.profile, named_by=f"{self.file.name}, /content_draft/profile")
        content.check(profile, section.profile)
        self.warnings.extend(self.profiles.warnings)
        clean: ContentDraft = self.redaction.model(section)
        self.finding(
            "info",
            "Content to draft",
            f"A text of the kind {clean.content_type} is to be drafted in the voice of {clean.profile}.",
            [
                {"type": "json_path", "path": "profile", "description": "The profile", "value": clean.profile},
                {
                    "type": "json_path",
                    "path": "content_type",
                    "description": "The kind of text",
                    "value": clean.content_type,
                },
            ],
            "content_draft",
        )
        self.items.append(
            requests.content_draft(
                self.run,
                len(self.items) + 1,
                profile_name=clean.profile,
                content_type=clean.content_type,
                goal=clean.goal,
                keywords=clean.keywords or (),
                features=clean.features or (),
                audience=clean.audience,
                llm_provider=clean.llm_provider,
            )
        )
        return section.variants or 1

    def owned(self, entry: SeoAudit | FunnelMetrics, pointer: str, *, file: Path | None = None) -> None:
        """Refuses what belongs to someone else: its content would end up in this tenant's documents."""
        for name in ("tenant_id", "project_id"):
            if getattr(entry, name) != getattr(self.run, name):
                whose = name.removesuffix("_id")
                sentence = f"belongs to another {whose} than --{whose} {getattr(self.run, name)}"
                raise InputRefused(
                    f"{file or self.file} at {pointer}/{name}: the entry {sentence}.",
                    hint="Analyse every tenant and project with inputs of its own.",
                    code="growth.other_tenant",
                    faults=(Fault(f"{pointer}/{name}", sentence),),
                )

    def count_foreign(self) -> None:
        """Events and manifests are only counted, so foreign ones are said, not refused."""
        mine = (self.run.tenant_id, self.run.project_id)
        for name, entries in (("events", self.inputs.events), ("run_manifests", self.inputs.run_manifests)):
            foreign = sum((entry.tenant_id, entry.project_id) != mine for entry in entries or ())
            if foreign:
                self.warnings.append(
                    f"{foreign} of the {name} belong to another tenant or project; they are only counted."
                )


def analyse(
    inputs: Inputs,
    run: Run,
    *,
    file: Path,
    base: Path,
    profiles: Profiles,
    redaction: Redaction,
    progress: Progress | None = None,
) -> Analysis:
    """Relative paths in the inputs are resolved against `base`; `file` only names the inputs in a refusal."""
    maker = _Maker(run, inputs, file, base, profiles, redaction, progress)
    maker.count_foreign()
    audit = maker.seo()
    metrics = maker.funnel()
    proposals = maker.experiments(metrics)
    drafts = maker.content()
    report = {
        **requests.head(run),
        "report_id": run.only("report"),
        "report_type": "growth.analysis",
        "summary": {
            "seo_findings": len(audit.findings) if audit else 0,
            "funnel_biggest_drop_off_step": metrics.biggest_drop_off_step if metrics else None,
            "experiment_proposals": proposals,
            "content_drafts": drafts,
        },
        "findings": maker.findings,
        "recommendations": [_recommendation(run, number, item) for number, item in enumerate(maker.items, 1)],
        "inputs": {
            "event_count": len(inputs.events or ()),
            "run_manifest_count": len(inputs.run_manifests or ()),
            "notes": [name for name in _NOTES if getattr(inputs, name) is not None],
        },
    }
    bundle = requests.bundle(run, maker.items)
    return Analysis(bundle, seal(report), maturity(run), audit, metrics, redaction.total, maker.warnings)


def encodable(text: str) -> str:
    """Text whose lone surrogates, which JSON allows and files do not, became replacement characters."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _funnel_words(metrics: FunnelMetrics) -> tuple[str, str, str]:
    biggest = metrics.biggest_drop_off_step
    if not biggest:
        return "info", "No step of the funnel stands out", f"The funnel {metrics.funnel_name} has no biggest drop-off."
    step = next((step for step in metrics.steps if step.step_name == biggest), None)
    lost = f", which loses {percent(step.drop_off_rate)} of its users" if step else ""
    return "warning", "Where the funnel loses most", f"The biggest drop-off is at {biggest}{lost}."


def _recommendation(run: Run, number: int, item: requests.Item) -> dict[str, Any]:
    job_type = item["request"]["job_type"]
    return {
        "id": run.named("recommendation", number),
        "title": f"Review the request for {job_type.rpartition('.')[2]}",
        "description": f"The bundle asks for {job_type}. It runs only after someone approved it.",
        "job_type": job_type,
        "requires_policy_token": item["requires_policy_token"],
    }

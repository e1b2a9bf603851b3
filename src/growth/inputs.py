"""The inputs file of `analyze`: one JSON object, every section optional, unknown keys dropped, null never a value."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from growth.errors import Fault, InputRefused
from jobforge.envelope import DateTime, Optionally
from jobforge.errors import Refused
from jobforge.reports import EvidenceLink
from jobforge.strict import escaped_step, parse

LARGEST_FILE = 512 * 1024 * 1024
MOST_VALUES = 20_000_000
_FAULTS_SHOWN = 20
Model = TypeVar("Model", bound=BaseModel)


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is an integer."""
    return int(value) if isinstance(value, float) and math.isfinite(value) and value.is_integer() else value


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


Text = Annotated[str, AfterValidator(_not_empty)]  # a length constraint would refuse lone surrogates, which JSON allows
Number = int | float
Count = Annotated[int, BeforeValidator(_whole), Field(gt=0)]
ContentType = Literal[
    "landing_page",
    "onboarding_email",
    "changelog_note",
    "blog_post",
    "meta_description",
    "title_tag",
    "og_copy",
    "ad_copy",
]
SourceType = Literal["html_export", "nextjs_routes"]
Severity = Literal["critical", "warning", "info", "opportunity"]
Category = Literal[
    "title",
    "meta_description",
    "og_tags",
    "canonical",
    "broken_link",
    "sitemap",
    "robots",
    "performance_hint",
    "structure",
]


class Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Event(Section):
    schema_version: Text = ""
    event_id: Text
    event_name: Text
    occurred_at: DateTime
    tenant_id: Text
    project_id: Text
    trace_id: Optionally[Text] = None
    source: Optionally[str] = None
    payload: Optionally[dict[str, Any]] = None
    metadata: Optionally[dict[str, Any]] = None


class ManifestOutput(Section):
    id: Text
    type: Text
    uri: Optionally[str] = None
    checksum: Optionally[str] = None
    metadata: Optionally[dict[str, Any]] = None


class RunManifest(Section):
    schema_version: Text = ""
    manifest_id: Text
    tenant_id: Text
    project_id: Text
    trace_id: Optionally[Text] = None
    created_at: DateTime
    outputs: list[ManifestOutput] = []
    metadata: Optionally[dict[str, Any]] = None


class SeoFinding(Section):
    id: str
    url: str
    severity: Severity
    category: Category
    message: str
    current_value: str | None = None
    recommendation: str
    evidence: list[EvidenceLink]
    line_number: Optionally[Number] = None


class SeoSummary(Section):
    critical: Number
    warning: Number
    info: Number
    opportunity: Number


class SeoAudit(Section):
    tenant_id: Text
    project_id: Text
    id: str
    scanned_at: DateTime
    source_type: Literal["nextjs_routes", "html_export", "sitemap_url"]
    source_path: str
    urls_scanned: Number
    findings: list[SeoFinding]
    summary: SeoSummary


class SeoScan(Section):
    source_path: Text
    source_type: SourceType
    rules: Literal["default", "extended"] = "default"


class DateRange(Section):
    start: DateTime
    end: DateTime


class FunnelStep(Section):
    step_name: str
    event_name: str
    unique_users: Number
    total_events: Number
    drop_off_count: Number
    drop_off_rate: Number
    avg_time_to_next_seconds: Optionally[Number] = None


class FunnelMetrics(Section):
    tenant_id: Text
    project_id: Text
    id: str
    computed_at: DateTime
    source_file: str
    funnel_name: str
    date_range: DateRange
    total_entrances: Number
    total_conversions: Number
    overall_conversion_rate: Number
    steps: list[FunnelStep]
    biggest_drop_off_step: Optionally[str] = None
    evidence: list[EvidenceLink]


class FunnelAnalysis(Section):
    events_path: Text
    steps: Annotated[list[Text], Field(min_length=1)]
    funnel_name: Optionally[str] = None
    ordered: bool = False


class ExperimentProposals(Section):
    funnel_metrics_path: Optionally[str] = None
    max_proposals: Optionally[Count] = None


class ContentDraft(Section):
    profile: Text
    content_type: ContentType
    goal: Text
    keywords: Optionally[list[str]] = None
    features: Optionally[list[str]] = None
    audience: Optionally[str] = None
    llm_provider: Optionally[str] = None
    variants: Optionally[Count] = None


class Inputs(Section):
    events: Optionally[list[Event]] = None
    run_manifests: Optionally[list[RunManifest]] = None
    seo_audit: Optionally[SeoAudit] = None
    seo_scan: Optionally[SeoScan] = None
    funnel_metrics: Optionally[FunnelMetrics] = None
    funnel_analysis: Optionally[FunnelAnalysis] = None
    experiment_proposals: Optionally[ExperimentProposals] = None
    content_draft: Optionally[ContentDraft] = None


def read_inputs(path: Path) -> Inputs:
    return as_inputs(read_json(path), path)


def as_inputs(value: Any, path: Path) -> Inputs:
    """`value` as inputs; `path` only names the file in a refusal."""
    return checked(Inputs, value, path)


def read_funnel_metrics(path: Path, *, named_by: str = "") -> FunnelMetrics:
    """A file that holds funnel metrics; `named_by` is the option or field it came from."""
    return checked(FunnelMetrics, read_json(path, named_by=named_by), path)


def read_json(path: Path, *, named_by: str = "") -> Any:
    """The strictly parsed content of a file; everything wrong with it is refused with the file's name."""
    try:
        return parse(read_file(path, named_by=named_by), max_bytes=LARGEST_FILE, max_nodes=MOST_VALUES)
    except Refused as refused:
        where = f" at {refused.pointer}" if refused.pointer else ""
        raise InputRefused(
            f"{path}{where}: {refused.message}",
            hint=refused.hint,
            code="growth.not_json",
            faults=(Fault(refused.pointer, refused.message),),
        ) from refused


def read_file(path: Path, *, named_by: str = "") -> bytes:
    """The bytes of a regular file; a pipe or device is refused, as it may never end."""
    by = f" ({named_by})" if named_by else ""
    try:
        if path.exists() and not path.is_file():
            raise InputRefused(f"{path}{by} is not a file.", hint="Name a JSON file.", code="growth.not_a_file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not usable"
        raise InputRefused(
            f"{path}{by} cannot be read: {reason}.",
            hint="Relative paths are resolved against the working directory.",
            code="growth.file_missing",
        ) from error


def checked(model: type[Model], value: Any, path: Path) -> Model:
    """`value` as `model`, or a refusal that lists what is wrong, each with its place in the file."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _refusal(error, path) from error


def _refusal(error: ValidationError, path: Path) -> InputRefused:
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        sentences = found.setdefault(_pointer(problem["loc"]), [])
        sentences.append(_sentence(problem["type"], problem["msg"]))
    faults = tuple(Fault(pointer, " or ".join(dict.fromkeys(sentences))) for pointer, sentences in found.items())
    shown = "; ".join(f"{fault.pointer or 'the whole document'}: {fault.message}" for fault in faults[:_FAULTS_SHOWN])
    more = f"; and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
    return InputRefused(
        f"{path} is not as expected: {shown}{more}.",
        hint="docs/growth.md describes every section of the inputs.",
        code="growth.invalid_inputs",
        faults=faults,
    )


_UNION_STEPS = {"str", "bool", "int", "float", "constrained-str", "function-before[_whole(), int]"}


def _pointer(location: tuple[int | str, ...]) -> str:
    steps = [step for step in location if step not in _UNION_STEPS]
    return "".join(f"/{escaped_step(str(step))}" for step in steps)


def _sentence(kind: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "model_type":
        return "must be an object"
    if kind == "string_pattern_mismatch":
        return "is not a UTC datetime like 2024-01-31T23:59:59Z"
    if kind.endswith("_type") and message.endswith("NoneType"):
        return "is null; leave the key out instead"
    return message.removeprefix("Value error, ").removeprefix("Input ")

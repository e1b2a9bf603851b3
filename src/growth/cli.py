"""The `growth` command: the only place that reads the clock and the environment. Data on stdout, words on stderr."""

import sys
import uuid
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import click

from growth import content, experiments, funnel, llm, requests, seo
from growth.analysis import analyse
from growth.console import Bar, explain, finish, result, warn
from growth.documents import texts
from growth.errors import DependencyFailed, GrowthError, InputRefused
from growth.events import read_events
from growth.inputs import FunnelMetrics, as_inputs, read_funnel_metrics, read_inputs, read_json
from growth.options import JSON, OWNER, PROFILES, RESULT, STABLE, Filled, Place
from growth.outputs import write_all
from growth.profiles import BUILT_IN, Profiles
from growth.redaction import Redaction
from growth.run import Run, stable_run
from growth.wording import TEMPLATES
from jobforge.errors import Refused

_FIXTURES = Path("fixtures/jobforge")


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="longhouse-jobs", prog_name="growth")
def cli() -> None:
    """Reads a site and its events, and writes dry-run job requests and a report. Nothing is ever executed."""


@cli.command()
@click.option("--inputs", "inputs", type=Place(), required=True, help="The inputs file (JSON).")
@OWNER
@click.option("--trace", type=Filled(), required=True, help="Trace id, carried by every document.")
@click.option("--out", "out", type=Place(), required=True, help="Folder for the documents.")
@STABLE
@click.option("--render-md/--no-render-md", "render", default=True, help="Also write report.md and report.html.")
@PROFILES
@JSON
def analyze(
    inputs: str,
    tenant: str,
    project: str,
    trace: str,
    out: str,
    stable: bool,
    render: bool,
    profiles: str | None,
    as_json: bool,
) -> None:
    """Analyse an inputs file and write the request bundle, the reports and the maturity report."""
    file = Path(inputs)
    redaction = Redaction()
    run = _run(tenant, project, redaction.text(trace), stable)
    with Bar("Reading pages") as progress:
        analysis = analyse(
            read_inputs(file),
            run,
            file=file,
            base=Path(),
            profiles=_profiles(profiles),
            redaction=redaction,
            progress=progress,
        )
    finish(analysis, write_all(Path(out), texts(analysis, render=render)), as_json=as_json)


@cli.command("seo-scan")
@click.option("--path", "path", type=Place(), required=True, help="Folder of the exported site or source tree.")
@click.option("--type", "source_type", type=click.Choice(["html_export", "nextjs_routes"]), default="html_export")
@click.option("--rules", type=click.Choice(["default", "extended"]), default="default")
@OWNER
@RESULT
def seo_scan(
    path: str,
    source_type: str,
    rules: str,
    tenant: str,
    project: str,
    trace: str | None,
    out: str | None,
    request: bool,
    stable: bool,
    as_json: bool,
) -> None:
    """Scan a site for what search engines and readers miss."""
    redaction = Redaction(published=True)
    run = _run(tenant, project, redaction.text(trace or _new_id()), stable)
    with Bar("Reading pages") as progress:
        audit = seo.scan(Path(path), path, source_type, rules=rules, named_by="--path", progress=progress)
    document = audit.document(run, redaction)
    item = requests.seo_scan(
        run,
        1,
        audit_id=document["id"],
        findings=len(audit.findings),
        source_path=redaction.text(path),
        source_type=source_type,
    )
    counts = ", ".join(f"{count} {severity}" for severity, count in audit.summary().items())
    words = f"{audit.urls_scanned} page(s), {len(audit.findings)} finding(s): {counts}."
    result(document, item if request else None, out, words, redaction, as_json=as_json)


@cli.command("funnel")
@click.option("--events", "events", type=Place(), required=True, help="JSON array of {user_id, event_name, timestamp}.")
@click.option("--steps", type=Filled(), required=True, help="Event names in order, separated by commas.")
@click.option("--name", default=funnel.DEFAULT_NAME, type=Filled(), show_default=True)
@click.option("--ordered", is_flag=True, help="Count only users who did the steps one after the other.")
@OWNER
@RESULT
def funnel_command(
    events: str,
    steps: str,
    name: str,
    ordered: bool,
    tenant: str,
    project: str,
    trace: str | None,
    out: str | None,
    request: bool,
    stable: bool,
    as_json: bool,
) -> None:
    """Compute funnel metrics from an events file."""
    redaction = Redaction()
    run = _run(tenant, project, redaction.text(trace or _new_id()), stable)
    document = funnel.analyse(
        read_events(Path(events), named_by="--events"),
        _list(steps, "--steps"),
        name=name,
        source_file=events,
        run=run,
        redaction=redaction,
        ordered=ordered,
    )
    item = requests.experiment_propose(run, 1, funnel_id=document["id"], funnel_name=document["funnel_name"])
    words = f"{document['total_entrances']} user(s) enter, {document['total_conversions']} reach the end."
    result(document, item if request else None, out, words, redaction, as_json=as_json)


@cli.command("propose-experiments")
@click.option(
    "--funnel", "metrics", type=Place(), required=True, help="Funnel metrics (JSON), as `growth funnel` writes."
)
@click.option("--max", "most", type=click.IntRange(min=1), default=experiments.DEFAULT_MOST, show_default=True)
@OWNER
@RESULT
def propose_experiments(
    metrics: str,
    most: int,
    tenant: str,
    project: str,
    trace: str | None,
    out: str | None,
    request: bool,
    stable: bool,
    as_json: bool,
) -> None:
    """Propose experiments from funnel metrics."""
    redaction = Redaction()
    run = _run(tenant, project, redaction.text(trace or _new_id()), stable)
    read = read_funnel_metrics(Path(metrics), named_by="--funnel")
    if (read.tenant_id, read.project_id) != (tenant, project):
        raise InputRefused(
            f"{metrics} at /tenant_id, /project_id: the funnel belongs to another tenant or project than "
            f"--tenant {tenant} --project {project}.",
            hint="Name the tenant and project of the funnel.",
            code="growth.other_tenant",
        )
    clean: FunnelMetrics = redaction.model(read)
    proposals = experiments.propose(clean, most, run.now)
    item = requests.experiment_propose(run, 1, funnel_id=clean.id, funnel_name=clean.funnel_name)
    words = f"{len(proposals)} experiment(s) proposed."
    result(proposals, item if request else None, out, words, redaction, as_json=as_json)


@cli.command("draft-content")
@click.option("--profile", "profile_name", type=Filled(), required=True)
@click.option("--type", "content_type", type=click.Choice(list(TEMPLATES)), required=True)
@click.option("--goal", type=Filled(), required=True, help="What the text is to achieve.")
@click.option("--keywords", default="", help="Separated by commas (default: the profile's).")
@click.option("--features", default="", help="Separated by commas (default: the profile's).")
@click.option("--audience", default=None)
@click.option("--variants", type=click.IntRange(1, content.MOST_VARIANTS), default=1, show_default=True)
@click.option("--llm-provider", default=None, help=f"Off by default; one of {', '.join(llm.PROVIDERS)}.")
@PROFILES
@OWNER
@RESULT
def draft_content(
    profile_name: str,
    content_type: str,
    goal: str,
    keywords: str,
    features: str,
    audience: str | None,
    variants: int,
    llm_provider: str | None,
    profiles: str | None,
    tenant: str,
    project: str,
    trace: str | None,
    out: str | None,
    request: bool,
    stable: bool,
    as_json: bool,
) -> None:
    """Draft content in the voice of a profile."""
    redaction = Redaction()
    run = _run(tenant, project, redaction.text(trace or _new_id()), stable)
    found = _profiles(profiles)
    profile = found.load(profile_name, named_by="--profile")
    brief = content.Brief(
        redaction.text(profile_name),
        content_type,
        redaction.text(goal),
        keywords=tuple(map(redaction.text, _list(keywords))),
        features=tuple(map(redaction.text, _list(features))),
        audience=redaction.text(audience or ""),
    )
    item = requests.content_draft(
        run,
        1,
        profile_name=brief.profile_name,
        content_type=content_type,
        goal=brief.goal,
        keywords=brief.keywords,
        features=brief.features,
        audience=brief.audience or None,
        llm_provider=llm_provider,
    )
    writer: content.Writer = content.TemplateWriter()
    if llm_provider:
        writer = llm.ModelWriter(llm.provider(llm_provider), item["request"]["constraints"]["max_cost_usd"])
    drafts = [content.draft(brief, profile, writer, redaction, variant=number) for number in range(variants)]
    owner = {"tenant_id": tenant, "project_id": project, "created_at": run.now, "llm_used": bool(llm_provider)}
    document = [{**draft, **owner} for draft in drafts]
    warn(found.warnings)
    result(document, item if request else None, out, f"{variants} draft(s).", redaction, as_json=as_json)


@cli.group()
def fixtures() -> None:
    """The fixtures that ingestion tests read."""


@fixtures.command()
@click.option("--inputs", "inputs", type=Place(), default=str(_FIXTURES / "inputs.json"), show_default=True)
@click.option("--out", "out", type=Place(), default=str(_FIXTURES), show_default=True)
@JSON
def export(inputs: str, out: str, as_json: bool) -> None:
    """Write the stable fixtures from their inputs."""
    file = Path(inputs)
    redaction = Redaction()
    run = stable_run("acme", "growth", "trace-fixture")
    analysis = analyse(read_inputs(file), run, file=file, base=Path(), profiles=_profiles(None), redaction=redaction)
    documents = {name: text for name, text in texts(analysis).items() if name != "report.html"}
    finish(analysis, write_all(Path(out), documents), as_json=as_json)


@cli.command()
@click.option("--out", "out", type=Place(), default="growth-demo", show_default=True, help="Folder for the documents.")
@JSON
def demo(out: str, as_json: bool) -> None:
    """Analyse the small shop that comes with growth: a site, its events and a profile."""
    base = Path(str(files("growth") / "data" / "demo"))
    file = base / "inputs.json"
    redaction = Redaction()
    analysis = analyse(
        as_inputs(read_json(file), file),
        stable_run("demo", "corner-shop", "trace-demo"),
        file=file,
        base=base,
        profiles=Profiles((BUILT_IN,)),
        redaction=redaction,
    )
    finish(analysis, write_all(Path(out), texts(analysis)), as_json=as_json)


def _run(tenant: str, project: str, trace: str, stable: bool) -> Run:
    if stable:
        return stable_run(tenant, project, trace)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Run(tenant, project, trace, now, _new_id)


def _new_id() -> str:
    return uuid.uuid4().hex


def _profiles(folder: str | None) -> Profiles:
    return Profiles((Path(folder or "profiles"), BUILT_IN))


def _list(text: str, option: str = "") -> list[str]:
    items = [item for part in text.split(",") if (item := part.strip())]
    if option and not items:
        raise InputRefused(f"{option} names nothing.", hint="Separate several with commas.")
    return items


def main() -> None:
    """Runs the command; its exit code is 0, 2 for refused input, 3 for a failed dependency, 1 for a defect of ours."""
    as_json = "--json" in sys.argv[1:]
    try:
        code = cli.main(prog_name="growth", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except GrowthError as error:
        explain(error, as_json=as_json)
    except Refused as error:
        explain(InputRefused(error.message, hint=error.hint, code=error.code), as_json=as_json)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"Try `{context.command_path} --help`." if context else "Try `growth --help`."
        explain(InputRefused(error.format_message(), hint=hint, code="growth.usage"), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        explain(DependencyFailed(f"The system failed: {reason}.", hint="Try again."), as_json=as_json)
    except Exception as error:
        words = f"growth has a defect: {type(error).__name__}. Nothing was written."
        explain(GrowthError(words, hint="Please report it with your command and inputs."), as_json=as_json)


if __name__ == "__main__":
    main()

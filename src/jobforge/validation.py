"""Whether a document of ours is acceptable: its shape, its hash and every promise of the contract, all faults at once.

The rules look at the document as it was read, not at the model, so that a fault of shape hides no other fault.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any

from jobforge.bundles import BundleItem, JobRequestBundle
from jobforge.canonical import HASH_FIELDS, is_plain, sha256_of
from jobforge.envelope import SCHEMA_VERSION
from jobforge.errors import Refused
from jobforge.job_types import JOB_TYPES, MODULES, requires_policy_token
from jobforge.maturity import RunnerMaturityReport
from jobforge.reports import ReportEnvelope
from jobforge.violations import Violation, hash_mismatch, hash_of, pointer, shape, shown


def bundle_violations(document: Any) -> list[Violation]:
    """Faults of a JobRequestBundle of our own shape; empty means acceptable."""
    items = document.get("requests") if isinstance(document, dict) else None
    if not isinstance(items, list):
        return shape(JobRequestBundle, document)[1] + _envelope_violations(document)
    plain = is_plain(document)
    faults = shape(JobRequestBundle, {**document, "requests": []})[1] + _envelope_violations(document, plain=plain)
    if document.get("dry_run", True) is not True:
        hint = "Modules only ask: leave dry_run out."
        faults.append(Violation("bundle.dry_run", "/dry_run", "The bundle is not a dry run.", hint))
    for position, item in enumerate(items):
        found = shape(BundleItem, item, "A request")[1]
        if isinstance(item, dict) and isinstance(item.get("request"), dict):
            found.extend(_item_violations(document, item, item["request"], plain=plain))
        if found:
            faults.extend(fault.below(f"/requests/{position}") for fault in found)
    return faults + duplicates(items)


def report_violations(document: Any) -> list[Violation]:
    """Faults of a ReportEnvelope; empty means acceptable."""
    return shape(ReportEnvelope, document)[1] + _envelope_violations(document)


def maturity_violations(document: Any) -> list[Violation]:
    """Faults of a RunnerMaturityReport; empty means acceptable."""
    faults = shape(RunnerMaturityReport, document)[1] + _envelope_violations(document)
    runners = document.get("runners") if isinstance(document, dict) else None
    for position, runner in enumerate(runners if isinstance(runners, list) else []):
        finops = runner.get("finops") if isinstance(runner, dict) else None
        cost = finops.get("max_cost_usd") if isinstance(finops, dict) else None
        faults.extend(cost_violations(cost, None, pointer("runners", position, "finops", "max_cost_usd")))
    return faults


def _envelope_violations(document: Any, *, plain: bool | None = None) -> list[Violation]:
    faults: list[Violation] = []
    if not isinstance(document, dict):
        return faults
    version = document.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, str) and version != SCHEMA_VERSION:
        faults.append(wrong_version(version, SCHEMA_VERSION))
    module = document.get("module_id")
    if isinstance(module, str) and module and module not in MODULES:
        hint = f"Documents of this shape come from: {', '.join(sorted(MODULES))}."
        faults.append(Violation("bundle.module", "/module_id", f"The module {shown(module)} is not known.", hint))
    computed, unhashable = hash_of(
        {key: value for key, value in document.items() if key not in HASH_FIELDS}, plain=plain
    )
    return faults + (unhashable or hash_mismatch(document.get("canonical_hash"), "/canonical_hash", computed))


def wrong_version(version: str, expected: str) -> Violation:
    """The versions of the contract are not compatible with each other, so only the pinned one is read."""
    return Violation(
        "bundle.schema_version",
        "/schema_version",
        f"The schema version is {shown(version)}, this reader knows {expected}.",
        "Have it written by a module of that contract version.",
    )


def _item_violations(
    bundle: dict[str, Any], item: dict[str, Any], request: dict[str, Any], *, plain: bool
) -> Iterator[Violation]:
    yield from scope_violations(bundle, request, "/request")
    context = request.get("context")
    if isinstance(context, dict):
        yield from unequal("trace_id", bundle, context, "/request/context/trace_id")
    job_type = request.get("job_type")
    if isinstance(job_type, str):
        yield from job_type_violations(job_type, item.get("job_type_status", "available"), "/request/job_type")
        if requires_policy_token(job_type) and item.get("requires_policy_token") is not True:
            yield missing_token(job_type, "/requires_policy_token")
    constraints = request.get("constraints")
    if isinstance(constraints, dict):
        yield from _constraint_violations(constraints, job_type, "/request/constraints")
    key = item.get("idempotency_key")
    if isinstance(key, str) and _derived_key(request, plain=plain) not in (key, None):
        yield wrong_key(key, "/idempotency_key")


def scope_violations(bundle: dict[str, Any], request: dict[str, Any], path: str = "") -> Iterator[Violation]:
    """A request of another tenant or project than its bundle."""
    yield from unequal("tenant_id", bundle, request, path + "/tenant_id")
    yield from unequal("project_id", bundle, request, path + "/project_id")


def unequal(field: str, bundle: dict[str, Any], part: dict[str, Any], path: str) -> Iterator[Violation]:
    """`part` speaks of another tenant, project or trace than the bundle; absence is a matter of shape."""
    ours, theirs = bundle.get(field), part.get(field)
    if ours != theirs and isinstance(ours, str) and isinstance(theirs, str):
        code = "bundle." + field.removesuffix("_id")
        message = f"{field} is {shown(theirs)}, the bundle says {shown(ours)}."
        yield Violation(code, path, message, "One bundle is about one tenant, one project and one trace.")


def job_type_violations(job_type: str, status: Any, path: str) -> Iterator[Violation]:
    """Unknown job types only as unavailable, and nothing that merely looks like a known one."""
    if job_type in JOB_TYPES:
        return
    if not job_type.isascii() or not job_type.isprintable() or _folded(job_type) in _FOLDED_TYPES:
        message = f"The job type {shown(job_type)} looks like another one."
        yield Violation("request.job_type_lookalike", path, message, "Job types are plain ASCII, written exactly.")
    elif status != "unavailable":
        message = f"The job type {shown(job_type)} is not known."
        hint = 'Mark it with job_type_status "unavailable"; it will then be kept and never run.'
        yield Violation("request.job_type", path, message, hint)


def _folded(job_type: str) -> str:
    """Equal for what a reader takes for equal: case, space, hyphens and look-alike digits."""
    plain = unicodedata.normalize("NFKC", job_type).casefold()
    return "".join(plain.split()).translate(str.maketrans("-01", "_ol")).strip("._")


_FOLDED_TYPES = frozenset(map(_folded, JOB_TYPES))


def missing_token(job_type: Any, path: str) -> Violation:
    """Which types need a token is ours to say; a bundle that says otherwise is refused."""
    message = f"{shown(job_type)} acts on the world and is not marked as needing a policy token."
    return Violation("request.policy_token", path, message, "Set requires_policy_token to true.")


def _constraint_violations(constraints: dict[str, Any], job_type: Any, path: str) -> Iterator[Violation]:
    if constraints.get("auto_execute") is True:
        message, hint = "The request wants to be executed by itself.", "Set auto_execute to false."
        yield Violation("request.auto_execute", path + "/auto_execute", message, hint)
    if constraints.get("require_approval") is False:
        message, hint = "The request does without approval.", "Set require_approval to true."
        yield Violation("request.require_approval", path + "/require_approval", message, hint)
    known = JOB_TYPES.get(job_type) if isinstance(job_type, str) else None
    yield from cost_violations(
        constraints.get("max_cost_usd"), known.max_cost_usd if known else None, path + "/max_cost_usd"
    )


def cost_violations(cost: Any, cap: float | None, path: str) -> Iterator[Violation]:
    """A cost in US dollars below zero or above the cap of its job type (None: no cap known)."""
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return
    if cost < 0:
        yield Violation("request.cost", path, f"The cost limit {shown(cost)} is negative.", "Use 0 or more.")
    elif cap is not None and cost > cap:
        message = f"The cost limit {shown(cost)} is above the cap of its job type, {cap:g} US dollars."
        yield Violation("request.cost_cap", path, message, "Lower max_cost_usd, or split the work.")


def _derived_key(request: dict[str, Any], *, plain: bool) -> str | None:
    """None if it has no canonical text, which the hash of the document has told already."""
    source = {name: request.get(name) for name in ("tenant_id", "project_id", "job_type", "payload")}
    try:
        return sha256_of(source, plain=plain or None)
    except Refused:
        return None


def wrong_key(key: str, path: str) -> Violation:
    """A key that is not derived from the work it stands for could replay or hide other work."""
    message = f"The idempotency key {shown(key)} is not the one of this request."
    return Violation("request.idempotency_key", path, message, "Derive it as docs/contracts.md describes.")


def duplicates(
    items: list[Any], *, name: str = "requests", below: str = "request", id_field: str = "id"
) -> list[Violation]:
    """Requests that are in the bundle twice: the same idempotency key, or the same id."""
    faults: list[Violation] = []
    seen: dict[tuple[str, str], int] = {}
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        request = item.get(below) if below else item
        named = request.get(id_field) if isinstance(request, dict) else None
        id_path = (below, id_field) if below else (id_field,)
        for steps, value in ((("idempotency_key",), item.get("idempotency_key")), (id_path, named)):
            if not isinstance(value, str) or not value:
                continue
            first = seen.setdefault((steps[-1], value), position)
            if first != position:
                message = f"{steps[-1]} {shown(value)} is already that of request {first}."
                path = pointer(name, position, *steps)
                faults.append(Violation("request.duplicate", path, message, "Keep one of the two requests."))
    return faults

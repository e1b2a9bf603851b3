"""What a bundle of another module is to us: how to check it by its own rules, and how it reads in our shape."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jobforge.bundles import BundleItem, JobRequestBundle
from jobforge.canonical import idempotency_key, sha256_in_order
from jobforge.job_types import JOB_TYPES, requires_policy_token
from jobforge.validation import cost_violations, job_type_violations, missing_token, scope_violations
from jobforge.violations import Violation, hash_mismatch, hash_of, shown

NO_TIME = "1970-01-01T00:00:00.000Z"  # a bundle without requests may carry no time at all


@dataclass(frozen=True)
class Dialect:
    """`check` returns all faults; `translate` may only be called with a document that has none."""

    name: str
    told: Callable[[dict[str, Any]], bool]
    check: Callable[[Any], list[Violation]]
    translate: Callable[[dict[str, Any]], JobRequestBundle]


@dataclass(frozen=True)
class ForeignRequest:
    """The parts of a request that every shape has, wherever it keeps them."""

    id: str
    job_type: str
    payload: dict[str, Any]
    created_at: str
    priority: str
    needs_token: bool
    max_cost_usd: float | None = None
    triggered_by: str = ""


def translated(
    document: dict[str, Any], requests: list[ForeignRequest], *, module_id: str, bundle_id: str, created_at: str
) -> JobRequestBundle:
    """Our bundle for the same work: keys and hash derived anew, our table deciding what is known and needs a token."""
    return JobRequestBundle.sealed(
        module_id=module_id,
        bundle_id=bundle_id,
        tenant_id=document["tenant_id"],
        project_id=document["project_id"],
        trace_id=document["trace_id"],
        created_at=created_at,
        requests=[_item(document, request, module_id) for request in requests],
    )


def _item(document: dict[str, Any], request: ForeignRequest, module_id: str) -> BundleItem:
    tenant_id, project_id = document["tenant_id"], document["project_id"]
    constraints: dict[str, Any] = {"auto_execute": False, "require_approval": True}
    if request.max_cost_usd is not None:
        constraints["max_cost_usd"] = request.max_cost_usd
    return BundleItem.model_validate(
        {
            "idempotency_key": idempotency_key(tenant_id, project_id, request.job_type, request.payload),
            "request": {
                "tenant_id": tenant_id,
                "project_id": project_id,
                "id": request.id,
                "job_type": request.job_type,
                "created_at": request.created_at,
                "payload": request.payload,
                "priority": request.priority,
                "context": {
                    "triggered_by": request.triggered_by or f"{module_id}-autopilot",
                    "trace_id": document["trace_id"],
                },
                "constraints": constraints,
            },
            "job_type_status": "available" if request.job_type in JOB_TYPES else "unavailable",
            "requires_policy_token": request.needs_token or requires_policy_token(request.job_type),
        }
    )


def request_violations(
    bundle: dict[str, Any], request: dict[str, Any], *, needs_token: Any, flag_path: str
) -> Iterator[Violation]:
    """Asked of a request in every shape: the bundle's tenant and project, an honest job type, a marked action."""
    yield from scope_violations(bundle, request)
    job_type = request.get("job_type")
    if isinstance(job_type, str):
        yield from job_type_violations(job_type, "unavailable", "/job_type")
        if requires_policy_token(job_type) and needs_token is not True:
            yield missing_token(job_type, flag_path)


def finops_cost(metadata: Any) -> Iterator[Violation]:
    """A negative limit in `metadata.finops`; caps are known for our own job types only."""
    finops = metadata.get("finops") if isinstance(metadata, dict) else None
    if isinstance(finops, dict):
        yield from cost_violations(finops.get("max_cost_usd"), None, "/metadata/finops/max_cost_usd")


def cost_limit(metadata: dict[str, Any]) -> float | None:
    """The limit in US dollars, None where the module states none."""
    finops = metadata.get("finops")
    cost = finops.get("max_cost_usd") if isinstance(finops, dict) else None
    return float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None


def seal_violations(
    document: dict[str, Any], holder: str, field: str, order: Callable[[str], Any] | None = None
) -> list[Violation]:
    """The hash at `holder`/`field` against everything but `holder`; `order` is a second key order that also counts.

    Two orders are no weakness: either text determines the content completely.
    """
    seal = document.get(holder)
    stated = seal.get(field) if isinstance(seal, dict) else None
    content = {key: value for key, value in document.items() if key != holder}
    computed, unhashable = hash_of(content)
    if order and not unhashable and stated != computed:
        computed = sha256_in_order(content, order)
    return unhashable or hash_mismatch(stated, f"/{holder}/{field}", computed)


def objects(document: Any, field: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The requests that are objects, with their position; what is none is a fault of shape."""
    values = document.get(field) if isinstance(document, dict) else None
    for position, value in enumerate(values if isinstance(values, list) else []):
        if isinstance(value, dict):
            yield position, value


def lack_of_dry_run(value: Any, path: str) -> Iterator[Violation]:
    """Every module only asks; a bundle that wants more is refused."""
    if value is not True:
        message = f"This is not marked as a dry run ({shown(value)})."
        yield Violation("bundle.dry_run", path, message, f"Set {path.rsplit('/', 1)[-1]} to true.")

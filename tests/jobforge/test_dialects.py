"""Five modules, five shapes: each is told by its content, checked by its own rules and read into ours."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobforge import bundle_violations, parse
from jobforge.canonical import sha256_in_order, sha256_of
from jobforge.collation import locale_order
from jobforge.documents import examine, read
from jobforge.envelope import seal

Bundle = dict[str, Any]
TIME = "2024-01-31T08:00:00.000Z"
TENANT, PROJECT = "550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440001"


def ops_bundle() -> Bundle:
    requests = [
        {
            "job_type": job_type,
            "tenant_context": {"tenant_id": "acme", "project_id": "shop"},
            "payload": {"alert_ids": ["a", "b"], "confidence": 0.75},
            "policy": {
                "requires_policy_token": True,
                "requires_approval": True,
                "risk_level": "high",
                "required_scopes": [],
                "compliance_tags": [],
            },
            "priority": "critical",
            "requested_at": TIME,
            "metadata": {"trace_id": "trace-1", "triggered_by": "ops-autopilot", "finops": {"max_cost_usd": 2}},
        }
        for job_type in ("autopilot.ops.alert_correlate", "autopilot.ops.reliability_report")
    ]
    return ops_sealed(
        {
            "schema_version": "1.0.0",
            "module_id": "ops",
            "tenant_id": "acme",
            "project_id": "shop",
            "trace_id": "trace-1",
            "created_at": TIME,
            "dry_run": True,
            "requests": requests,
            "canonicalization": {"algorithm": "json-lexicographic", "hash_algorithm": "sha256"},
        }
    )


def ops_sealed(bundle: Bundle) -> Bundle:
    fields = ("job_type", "tenant_context", "payload", "policy")
    for request in bundle["requests"]:
        request["metadata"]["idempotency_key"] = sha256_of({field: request[field] for field in fields})
    bundle["idempotency_keys"] = [
        {"job_type": request["job_type"], "idempotency_key": request["metadata"]["idempotency_key"]}
        for request in reversed(bundle["requests"])  # the order of creation is not that of the requests
    ]
    content = {key: value for key, value in bundle.items() if key != "canonicalization"}
    bundle["canonicalization"]["hash"] = sha256_of(content)
    return bundle


def support_bundle() -> Bundle:
    job = {
        "schema_version": "1.0",
        "module_id": "support",
        "tenant_id": "acme",
        "project_id": "shop",
        "trace_id": "trace-1",
        "job_type": "autopilot.support.triage",
        "job_id": "job-1",
        "priority": "normal",
        "payload": {
            "ticketId": "7",
            "ticket_id": "7",
            "Ticket": 1,
            "10": "x",
            "9": "y",
            "body-preview": "",
            "body1": "",
        },
        "created_at": TIME,
        "requires_policy_token": False,
        "metadata": {"finops": {"max_cost_usd": 0.25}},
    }
    return support_sealed(
        {
            "schema_version": "1.0",
            "module_id": "support",
            "tenant_id": "acme",
            "project_id": "shop",
            "trace_id": "trace-1",
            "jobs": [job],
            "hash": {"algorithm": "sha256"},
        }
    )


def support_sealed(bundle: Bundle) -> Bundle:
    fields = ("tenant_id", "project_id", "job_type", "payload")
    for job in bundle["jobs"]:
        job["idempotency_key"] = sha256_in_order({field: job[field] for field in fields}, locale_order)
    content = {key: value for key, value in bundle.items() if key != "hash"}
    bundle["hash"]["canonical_json_hash"] = sha256_in_order(content, locale_order)
    return bundle


def finops_bundle() -> Bundle:
    request = {
        "job_id": "job-1",
        "job_type": "autopilot.finops.reconcile",
        "tenant_id": "acme",
        "project_id": "shop",
        "requested_at": TIME,
        "payload": {"operation": "reconcile"},
        "priority": "normal",
        "max_retries": 3,
        "timeout_seconds": 300,
        "metadata": {
            "trace_id": "trace-1",
            "module_id": "finops",
            "jobforge_dry_run": True,
            "requires_policy_token": False,
            "job_type_status": "AVAILABLE",
        },
    }
    return finops_sealed(
        {
            "schema_version": "1.0.0",
            "module_id": "finops",
            "tenant_id": "acme",
            "project_id": "shop",
            "trace_id": "trace-1",
            "requests": [request],
            "metadata": {"job_count": 1},
            "canonicalization": {"algorithm": "sha256", "canonical_format": "json-stable"},
        }
    )


def finops_sealed(bundle: Bundle) -> Bundle:
    fields = ("tenant_id", "project_id", "job_type", "payload")
    for request in bundle["requests"]:
        request["idempotency_key"] = sha256_of({field: request[field] for field in fields})
    content = {key: value for key, value in bundle.items() if key != "canonicalization"}
    bundle["canonicalization"]["canonical_hash"] = sha256_of(content)
    return bundle


def native_bundle() -> Bundle:
    def request(number: int, job_type: str, action: bool) -> Bundle:
        return {
            "id": f"request-{number}",
            "job_type": job_type,
            "tenant_id": TENANT,
            "project_id": PROJECT,
            "payload": {"number": number},
            "idempotency_key": f"free text {number}",
            "required_scopes": ["ops:read"],
            "is_action_job": action,
        }

    return {
        "schema_version": "1.0.0",
        "bundle_id": "bundle-1",
        "tenant_id": TENANT,
        "project_id": PROJECT,
        "trace_id": "trace-1",
        "requests": [request(1, "autopilot.ops.scan", False), request(2, "autopilot.ops.apply", True)],
        "metadata": {"source": "ops-autopilot", "triggered_at": TIME},
    }


def as_it_is(bundle: Bundle) -> Bundle:
    return bundle


CAST: dict[str, tuple[Callable[[], Bundle], Callable[[Bundle], Bundle], str]] = {
    "ops": (ops_bundle, ops_sealed, "requests"),
    "support": (support_bundle, support_sealed, "jobs"),
    "finops": (finops_bundle, finops_sealed, "requests"),
    "native": (native_bundle, as_it_is, "requests"),
}


@pytest.mark.parametrize("dialect", CAST)
def test_a_bundle_is_told_checked_and_read_into_our_shape(dialect: str) -> None:
    make, _, requests = CAST[dialect]
    original = make()

    verdict = examine(original)

    assert (verdict.kind, verdict.dialect, verdict.violations) == ("bundle", dialect, ())
    assert verdict.bundle is not None
    ours = verdict.bundle.document()
    assert len(ours["requests"]) == len(original[requests])
    growth = {**ours, "module_id": "growth"}  # the one thing our own shape asks that a foreign module cannot satisfy
    assert bundle_violations(seal(growth)) == []
    assert {entry["job_type_status"] for entry in ours["requests"]} == {"unavailable"}
    assert [entry["request"]["payload"] for entry in ours["requests"]] == [r["payload"] for r in original[requests]]


def test_what_acts_on_the_world_needs_a_token_in_our_shape_too() -> None:
    for make, needed in ((native_bundle, [False, True]), (ops_bundle, [True, True]), (support_bundle, [False])):
        bundle = examine(make()).bundle
        assert bundle is not None
        assert [entry.requires_policy_token for entry in bundle.requests] == needed


def test_the_cost_limit_comes_along() -> None:
    bundle = examine(ops_bundle()).bundle
    assert bundle is not None
    assert [entry.request.constraints.max_cost_usd for entry in bundle.requests] == [2, 2]


def test_support_hashes_in_dictionary_order_and_either_order_proves_the_content() -> None:
    bundle = support_bundle()
    content = {key: value for key, value in bundle.items() if key != "hash"}
    assert bundle["hash"]["canonical_json_hash"] != sha256_of(content)

    bundle["hash"]["canonical_json_hash"] = sha256_of(content)

    assert examine(bundle).violations == ()


def change(*path: Any, to: Any) -> Callable[[Bundle], None]:
    def apply(bundle: Bundle) -> None:
        holder = bundle
        for step in path[:-1]:
            holder = holder[step]
        if to is ...:
            del holder[path[-1]]
        else:
            holder[path[-1]] = to

    return apply


FORGERIES: list[tuple[str, str, str, Callable[[Bundle], None]]] = [
    *(
        (dialect, code, path, forge)
        for dialect, (_, _, requests) in CAST.items()
        for code, path, forge in (
            ("bundle.schema_version", "/schema_version", change("schema_version", to="9.9.9")),
            ("document.missing", "/tenant_id", change("tenant_id", to=...)),
            ("document.missing", "/trace_id", change("trace_id", to=...)),
            ("document.missing", f"/{requests}/0/payload", change(requests, 0, "payload", to=...)),
            ("document.type", f"/{requests}/0", change(requests, 0, to="x")),
            (
                "request.job_type_lookalike",
                f"/{requests}/0/job_type",
                change(requests, 0, "job_type", to="autopilot.ops.аpply"),
            ),
        )
    ),
    (
        "ops",
        "bundle.tenant",
        "/requests/0/tenant_context/tenant_id",
        change("requests", 0, "tenant_context", "tenant_id", to="x"),
    ),
    ("ops", "bundle.trace", "/requests/1/metadata/trace_id", change("requests", 1, "metadata", "trace_id", to="x")),
    (
        "ops",
        "request.policy_token",
        "/requests/0/policy/requires_policy_token",
        change("requests", 0, "policy", "requires_policy_token", to=False),
    ),
    (
        "ops",
        "request.require_approval",
        "/requests/0/policy/requires_approval",
        change("requests", 0, "policy", "requires_approval", to=False),
    ),
    ("ops", "bundle.dry_run", "/dry_run", change("dry_run", to=False)),
    (
        "ops",
        "request.cost",
        "/requests/0/metadata/finops/max_cost_usd",
        change("requests", 0, "metadata", "finops", "max_cost_usd", to=-1),
    ),
    ("support", "bundle.tenant", "/jobs/0/tenant_id", change("jobs", 0, "tenant_id", to="x")),
    ("support", "bundle.project", "/jobs/0/project_id", change("jobs", 0, "project_id", to="x")),
    ("support", "bundle.trace", "/jobs/0/trace_id", change("jobs", 0, "trace_id", to="x")),
    (
        "support",
        "request.policy_token",
        "/jobs/0/requires_policy_token",
        change("jobs", 0, "job_type", to="autopilot.support.ingest_kb"),
    ),
    ("support", "document.value", "/jobs/0/job_type", change("jobs", 0, "job_type", to="autopilot.support.other")),
    ("finops", "bundle.tenant", "/requests/0/tenant_id", change("requests", 0, "tenant_id", to="x")),
    ("finops", "document.value", "/tenant_id", change("tenant_id", to="Acme")),
    (
        "finops",
        "bundle.dry_run",
        "/requests/0/metadata/jobforge_dry_run",
        change("requests", 0, "metadata", "jobforge_dry_run", to=False),
    ),
    (
        "finops",
        "request.policy_token",
        "/requests/0/metadata/requires_policy_token",
        change("requests", 0, "payload", "action", to="refund"),
    ),
    ("native", "bundle.tenant", "/requests/0/tenant_id", change("requests", 0, "tenant_id", to=PROJECT)),
    ("native", "request.policy_token", "/requests/1/is_action_job", change("requests", 1, "is_action_job", to=False)),
    ("native", "request.payload_size", "/requests/0/payload", change("requests", 0, "payload", to={"a": "x" * 65536})),
    (
        "native",
        "request.duplicate",
        "/requests/1/idempotency_key",
        change("requests", 1, "idempotency_key", to="free text 1"),
    ),
    ("native", "document.value", "/tenant_id", change("tenant_id", to="acme")),
    ("native", "document.value", "/requests", change("requests", to=[])),
]


@pytest.mark.parametrize(
    ("dialect", "code", "path", "forge"), FORGERIES, ids=[f"{d}-{c}-{n}" for n, (d, c, _, _) in enumerate(FORGERIES)]
)
def test_a_forgery_is_found_by_the_rules_of_its_dialect(
    dialect: str, code: str, path: str, forge: Callable[[Bundle], None]
) -> None:
    make, reseal, _ = CAST[dialect]
    bundle = make()
    forge(bundle)
    try:
        reseal(bundle)
    except (KeyError, TypeError):
        pass  # too broken to be hashed again; the fault must be found all the same

    verdict = examine(bundle)

    assert (verdict.dialect, verdict.bundle) == (dialect, None)
    assert (code, path) in {(violation.code, violation.path) for violation in verdict.violations}


@pytest.mark.parametrize("dialect", ["ops", "support", "finops"])
def test_a_changed_bundle_does_not_have_its_hash_and_the_request_not_its_key(dialect: str) -> None:
    make, _, requests = CAST[dialect]
    bundle = make()
    bundle[requests][0]["payload"]["more"] = 1

    assert {v.code for v in examine(bundle).violations} == {"document.hash", "request.idempotency_key"}


def test_the_keys_beside_the_requests_of_ops_are_the_same_keys() -> None:
    for forge in (
        lambda b: b["idempotency_keys"].pop(),
        lambda b: b["idempotency_keys"].append(dict(b["idempotency_keys"][0])),
        lambda b: b["idempotency_keys"][0].update(idempotency_key="x"),
    ):
        bundle = ops_bundle()
        forge(bundle)
        content = {key: value for key, value in bundle.items() if key != "canonicalization"}
        bundle["canonicalization"]["hash"] = sha256_of(content)
        assert [v.code for v in examine(bundle).violations] == ["bundle.idempotency_keys"]


@pytest.mark.parametrize("dialect", CAST)
def test_a_bundle_with_any_key_removed_gets_an_answer_not_a_crash(dialect: str) -> None:
    make, _, requests = CAST[dialect]
    for key in make():
        bundle = make()
        del bundle[key]
        examine(bundle)
    for key in make()[requests][0]:
        for junk in (..., None, 1, "x", [], {}):
            bundle = make()
            change(requests, 0, key, to=copy.deepcopy(junk))(bundle)
            examine(bundle)


# --- the public data files of the modules, where they are present ---

POSITIVE = [
    "growth-autopilot/fixtures/jobforge/request-bundle.json",
    "growth-autopilot/fixtures/jobforge/report.json",
    "growth-autopilot/fixtures/jobforge/runner-maturity.json",
    "growth-autopilot/fixtures/jobforge/output/request-bundle.json",
    "growth-autopilot/examples/jobforge/output/request-bundle.json",
    "ops-autopilot/fixtures/jobforge/request-bundle.json",
    "ops-autopilot/fixtures/jobforge/report.json",
    "ops-autopilot/examples/output/request-bundle.json",
    "ops-autopilot/growth-autopilot/fixtures/jobforge/request-bundle.json",
    "ops-autopilot/growth-autopilot/fixtures/jobforge/report.json",
    "support-autopilot/fixtures/jobforge/request-bundle.json",
    "support-autopilot/fixtures/jobforge/report.json",
    "support-autopilot/fixtures/jobforge/output/request-bundle.json",
    "support-autopilot/examples/jobforge/output/request-bundle.json",
    "finops-autopilot/fixtures/jobforge/request-bundle.json",
    "finops-autopilot/fixtures/jobforge/report.json",
    "finops-autopilot/examples/output/jobforge/request-bundle.json",
    *(
        f"JobForge/fixtures/{module}-autopilot-{kind}.json"
        for module in ("finops", "growth", "ops", "support")
        for kind in ("dry-run", "safe")
    ),
    "JobForge/fixtures/ops-autopilot-action.json",
    "JobForge/fixtures/support-autopilot-action.json",
]

TOKEN = "requires_policy_token"
NEGATIVE = {
    "growth-autopilot/fixtures/jobforge/negative/": {
        "action-without-policy-token.json": ("request.policy_token", f"/requests/0/{TOKEN}"),
        "missing-idempotency.json": ("document.missing", "/requests/0/idempotency_key"),
        "missing-tenant.json": ("document.missing", "/tenant_id"),
        "wrong-schema-version.json": ("bundle.schema_version", "/schema_version"),
    },
    "ops-autopilot/fixtures/jobforge/negative/": {
        "action-without-policy.json": ("request.policy_token", f"/requests/0/policy/{TOKEN}"),
        "missing-idempotency.json": ("document.missing", "/idempotency_keys"),
        "missing-tenant.json": ("document.missing", "/tenant_id"),
        "wrong-schema-version.json": ("bundle.schema_version", "/schema_version"),
    },
    "ops-autopilot/growth-autopilot/fixtures/jobforge/negative/": {
        "action-without-policy.json": ("request.policy_token", f"/requests/0/policy/{TOKEN}"),
        "missing-idempotency.json": ("bundle.idempotency_keys", "/idempotency_keys"),
        "missing-tenant.json": ("document.missing", "/tenant_id"),
        "wrong-schema-version.json": ("bundle.schema_version", "/schema_version"),
    },
    "support-autopilot/fixtures/jobforge/negative/": {
        "action-without-policy.json": ("request.policy_token", f"/jobs/0/{TOKEN}"),
        "missing-idempotency.json": ("document.missing", "/jobs/0/idempotency_key"),
        "missing-project.json": ("document.missing", "/project_id"),
        "missing-tenant.json": ("document.missing", "/tenant_id"),
        "wrong-schema-version.json": ("bundle.schema_version", "/schema_version"),
    },
    "finops-autopilot/fixtures/jobforge/negative/": {
        "bundle-action-without-policy.json": ("request.policy_token", f"/requests/0/metadata/{TOKEN}"),
        "bundle-missing-idempotency.json": ("document.missing", "/requests/0/idempotency_key"),
        "bundle-missing-project.json": ("document.missing", "/project_id"),
        "bundle-missing-tenant.json": ("document.missing", "/tenant_id"),
        "bundle-wrong-schema.json": ("bundle.schema_version", "/schema_version"),
    },
    "JobForge/fixtures/": {
        "invalid-missing-idempotency.json": ("document.missing", "/requests/0/idempotency_key"),
        "invalid-oversize-payload.json": ("request.payload_size", "/requests/0/payload"),
        "invalid-wrong-schema-version.json": ("bundle.schema_version", "/schema_version"),
        "invalid-wrong-tenant.json": ("bundle.tenant", "/requests/0/tenant_id"),
    },
}


@pytest.mark.parametrize("name", POSITIVE)
def test_every_hash_and_key_of_the_public_fixtures_verifies(vectors: Path, name: str) -> None:
    verdict = read((vectors / "upstream" / name).read_bytes())

    assert verdict.violations == ()
    assert (verdict.bundle is not None) == (verdict.kind == "bundle")


@pytest.mark.parametrize(
    ("name", "reason"),
    [(folder + name, reason) for folder, cases in NEGATIVE.items() for name, reason in cases.items()],
)
def test_every_negative_public_fixture_is_refused_for_its_own_reason(
    vectors: Path, name: str, reason: tuple[str, str]
) -> None:
    verdict = read((vectors / "upstream" / name).read_bytes())

    assert reason in {(violation.code, violation.path) for violation in verdict.violations}


def test_no_negative_public_fixture_was_forgotten(vectors: Path) -> None:
    upstream = vectors / "upstream"
    present = {str(path.relative_to(upstream)) for path in upstream.rglob("negative/*.json")}
    present |= {str(path.relative_to(upstream)) for path in upstream.glob("JobForge/fixtures/invalid-*.json")}

    assert present == {folder + name for folder, cases in NEGATIVE.items() for name in cases}


@pytest.mark.parametrize("name", [name for name in POSITIVE if not name.startswith("JobForge")])
def test_any_change_to_a_sealed_public_fixture_is_found(vectors: Path, name: str) -> None:
    document = parse((vectors / "upstream" / name).read_bytes())
    text = json.dumps(document)
    for field in ("tenant_id", "trace_id", "module_id"):
        changed = json.loads(text)
        changed[field] += "x"
        assert not examine(changed).acceptable, field

"""Done means 1: every analyze case of the contract, run as a command in its folder."""

import json
import shutil
from pathlib import Path

import pytest
from growth_cast import VECTORS, masked

from jobforge.validation import bundle_violations, maturity_violations, report_violations

CASES = sorted(path.name for path in (VECTORS / "analyze").glob("*")) if VECTORS.is_dir() else []
DOCUMENTS = ("request-bundle.json", "report.json", "runner-maturity.json")
# Where the contract's section 9 deviates from what the reference does: what we do instead.
REFUSED_BY_US = {
    "s16-number-overflow": "range of a double",
    "s55-content-profile-traversal": "not the name of a profile",
    "s62-cross-tenant": "another tenant",
    "s69-duplicate-json-keys": "occurs twice",
}
ACCEPTED_BY_US = {"e12-no-tenant-option-env": "section 9, item 9: the option falls back to GROWTH_TENANT_ID"}
NAMED = {
    "e01-missing-file": ["inputs.json"],
    "e02-malformed-json": ["inputs.json"],
    "e06-tenant-uppercase": ["--tenant"],
    "e07-project-space": ["--tenant", "x!"],
    "e10-trace-empty": ["--trace"],
    "e11-no-trace-option": ["--trace"],
    "e13-unknown-option": ["--frobnicate"],
    "e14-bad-enum": ["inputs.json", "/seo_scan/source_path", "/seo_scan/source_type"],
    "e15-null-optional": ["inputs.json", "/funnel_metrics"],
    "e16-bad-datetimes": ["inputs.json", *(f"/events/{number}/occurred_at" for number in range(8))],
    "e17-event-missing-fields": ["/events/0/event_id", "/run_manifests/0/outputs/0/type"],
    "e18-types": ["/seo_audit", "/funnel_analysis/steps", "/content_draft/variants"],
    "e21-evidence-union": ["/funnel_metrics/evidence/0/value"],
    "e23-profile-invalid": ["bad.yaml", "/icp"],
    "e27-events-not-array": ["events.json"],
    "e29-events-first-bad": ["events.json", "/0/user_id"],
    "e30-events-bad-timestamp": ["events.json", "/0/timestamp"],
    "e32-funnel-path-missing": ["none.json", "/experiment_proposals/funnel_metrics_path"],
    "e33-funnel-path-invalid": ["f.json"],
    "e34-out-is-file": ["out"],
    "e35-partial-write": ["report.json"],
    "e37-no-command": ["command"],
    "e38-unknown-command": ["frob"],
}


@pytest.fixture(
    params=CASES or [pytest.param("none", marks=pytest.mark.skip(reason="no vectors beside this repository"))]
)
def case(request, tmp_path, vectors):
    folder = tmp_path / "case"
    shutil.copytree(vectors / "analyze" / request.param, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    return folder, request.param, json.loads((folder / "case.json").read_text())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_case_ends_as_the_contract_says(case, growth):
    folder, name, told = case
    before = files(folder)
    done = growth(*told["argv"][1:], cwd=folder, env=told["env"])
    refused = told["expect"].startswith("refused") or name in REFUSED_BY_US
    if refused and name not in ACCEPTED_BY_US:
        assert done.code == 2, done.err
        assert files(folder) == before
        for part in [*NAMED.get(name, []), REFUSED_BY_US.get(name, "")]:
            assert part in done.err
        assert "Traceback" not in done.err
        return
    assert done.code == 0, done.err
    written = {name: json.loads((folder / "out" / name).read_text()) for name in DOCUMENTS}
    assert bundle_violations(written["request-bundle.json"]) == []
    assert report_violations(written["report.json"]) == []
    assert maturity_violations(written["runner-maturity.json"]) == []
    for expected in folder.glob("expected/*.json"):
        assert masked(written[expected.name]) == masked(json.loads(expected.read_text()))
    people = {"report.md", "report.html"} if "--no-render-md" not in told["argv"] else set()
    assert set(files(folder / "out")) == {*DOCUMENTS, *people}

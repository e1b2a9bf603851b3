"""Job requests: the two action requests for libraries, `--request`, and the surface of the command."""

import json

import pytest

from growth.experiments import propose
from growth.inputs import FunnelMetrics
from growth.report import escaped, markdown
from growth.requests import bundle, experiment_run, publish_content
from growth.run import stable_run
from jobforge.canonical import idempotency_key
from jobforge.validation import bundle_violations

RUN = stable_run("acme", "growth", "trace-1")
OWNER = ("--tenant", "acme", "--project", "growth")
METRICS = {
    "tenant_id": "acme",
    "project_id": "growth",
    "id": "funnel-own",
    "computed_at": "2024-01-01T00:00:00Z",
    "source_file": "e.json",
    "funnel_name": "f",
    "date_range": {"start": "2024-01-01T00:00:00Z", "end": "2024-01-02T00:00:00Z"},
    "total_entrances": 10,
    "total_conversions": 1,
    "overall_conversion_rate": 0.1,
    "steps": [],
    "biggest_drop_off_step": "pay",
    "evidence": [],
}


def proposal():
    return propose(FunnelMetrics.model_validate(METRICS), None, RUN.now)[0]


def test_an_experiment_run_is_an_action_with_a_deadline():
    item = experiment_run(RUN, proposal())
    request = item["request"]
    assert item["requires_policy_token"] is True
    assert set(request["payload"]) == {
        "proposal_id",
        "experiment_title",
        "hypothesis",
        "target_step",
        "variants",
        "duration_days",
        "traffic_allocation",
        "success_metric",
        "minimum_detectable_effect",
    }
    assert request["payload"]["duration_days"] == 14
    assert request["context"]["correlation_id"] == "funnel-own"
    assert request["constraints"] == {
        "auto_execute": False,
        "require_approval": True,
        "max_cost_usd": 5,
        "deadline": "2024-01-15T00:00:00.000Z",
    }
    assert item["idempotency_key"] == idempotency_key("acme", "growth", request["job_type"], request["payload"])


def test_publishing_is_an_action_of_low_priority():
    draft = {"id": "draft-1", "content_type": "ad_copy", "content": "Mail jane@example.test"}
    item = publish_content(
        RUN, draft, destination="blog", publish_at="2024-02-01T00:00:00Z", seo_metadata={"title": "T"}
    )
    request = item["request"]
    assert (request["priority"], request["constraints"]["max_cost_usd"]) == ("low", 0.5)
    assert request["constraints"]["deadline"] == "2024-02-01T00:00:00Z"
    assert request["payload"]["content"] == "Mail [redacted:email]"
    assert (
        "seo_metadata"
        not in publish_content(RUN, draft, destination="b", publish_at="2024-02-01T00:00Z")["request"]["payload"]
    )
    assert bundle_violations(bundle(RUN, [item, experiment_run(RUN, proposal(), number=2)])) == []


@pytest.mark.parametrize(
    ("command", "job_type"),
    [
        (("seo-scan", "--path", "site"), "seo_scan"),
        (("funnel", "--events", "events.json", "--steps", "a,b"), "experiment_propose"),
        (("propose-experiments", "--funnel", "m.json"), "experiment_propose"),
        (("draft-content", "--profile", "house", "--type", "ad_copy", "--goal", "g"), "content_draft"),
    ],
)
def test_every_command_can_emit_its_request(growth, tmp_path, command, job_type):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>T</title>")
    (tmp_path / "events.json").write_text('[{"user_id": 1, "event_name": "a", "timestamp": "2024-01-01"}]')
    (tmp_path / "m.json").write_text(json.dumps(METRICS))
    done = growth(*command, *OWNER, "--request", "--trace", "t", "--out", "result.json", cwd=tmp_path)
    assert done.code == 0, done.err
    item = done.json()
    assert item["request"]["job_type"] == f"autopilot.growth.{job_type}"
    assert item["request"]["context"]["trace_id"] == "t"
    assert bundle_violations(bundle(stable_run("acme", "growth", "t"), [item])) == []
    assert json.loads((tmp_path / "result.json").read_text())


def test_paths_on_stdout_words_on_stderr(growth, tmp_path):
    (tmp_path / "i.json").write_text("{}")
    done = growth("analyze", "--inputs", "i.json", *OWNER, "--trace", "t", "--out", "out", cwd=tmp_path)
    assert [line.split("/")[-1] for line in done.out.splitlines()] == [
        "runner-maturity.json",
        "report.json",
        "report.md",
        "report.html",
        "request-bundle.json",
    ]
    assert "0 request(s)" in done.err


def test_errors_are_json_where_json_is_asked_for(growth, tmp_path):
    (tmp_path / "i.json").write_text('{"seo_scan": {}}')
    done = growth("analyze", "--inputs", "i.json", *OWNER, "--trace", "t", "--out", "o", "--json", cwd=tmp_path)
    told = json.loads(done.err)
    assert (done.code, told["ok"], told["exit_code"], done.out) == (2, False, 2, "")
    assert {"pointer": "/seo_scan/source_path", "message": "is missing"} in told["errors"]


@pytest.mark.parametrize("name", ["Acme", "a b", "acme\n", "", "ä", "а"])
def test_tenants_are_plain_names(growth, tmp_path, name):
    (tmp_path / "i.json").write_text("{}")
    done = growth(
        "analyze", "--inputs", "i.json", "--tenant", name, "--project", "p", "--trace", "t", "--out", "o", cwd=tmp_path
    )
    assert done.code == 2
    assert not (tmp_path / "o").exists()


def test_the_funnel_of_another_tenant_is_refused(growth, tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(METRICS))
    inputs = {"experiment_proposals": {"funnel_metrics_path": "m.json"}}
    (tmp_path / "i.json").write_text(json.dumps(inputs))
    done = growth(
        *("analyze", "--inputs", "i.json", "--tenant", "other", "--project", "growth", "--trace", "t", "--out", "o"),
        cwd=tmp_path,
    )
    assert done.code == 2
    assert "m.json at /tenant_id" in done.err


@pytest.mark.parametrize(
    "text", ["# h", "- item", "a\n## Safety\n- all clear", "1. one", "> q", "| a | b |", "```", "a\u2028# b", "<b>"]
)
def test_no_text_forges_the_structure_of_the_report(text):
    line = escaped(text)
    assert "\n" not in line
    assert not line.startswith(("#", "-", ">", "`", "|", "1.", "<"))


def test_the_demo_and_the_page_it_writes(growth, tmp_path):
    done = growth("demo", "--out", "demo", cwd=tmp_path)
    assert done.code == 0, done.err
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "<script" not in page
    assert "<svg" in page
    assert "://" not in page.replace("https://corner-shop.example", "")
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert (tmp_path / "demo" / "report.md").read_text() == markdown(report)


def test_markup_in_the_inputs_is_text_in_the_page(growth, tmp_path):
    evil = '"><script>alert(1)</script>'
    step = {"step_name": evil, "event_name": evil, "unique_users": 1e308, "total_events": -1}
    step |= {"drop_off_count": 0, "drop_off_rate": 1e308}
    metrics = {
        **METRICS,
        "funnel_name": evil,
        "steps": [step],
        "biggest_drop_off_step": evil,
        "overall_conversion_rate": 1e308,
    }
    (tmp_path / "i.json").write_text(json.dumps({"funnel_metrics": metrics, "experiment_proposals": {}}))
    done = growth("analyze", "--inputs", "i.json", *OWNER, "--trace", evil, "--out", "o", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "<script" not in (tmp_path / "o" / "report.html").read_text()

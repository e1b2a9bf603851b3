"""New jobs from templates: how a manifest is written on, what is refused, and that all of it is one commit."""

from __future__ import annotations

import ast

import pytest
from starlette.testclient import TestClient

from longhouse import edits, job_templates, jobs, loading, new_jobs
from longhouse.errors import Invalid, ManifestBroken
from longhouse.house import By, House
from longhouse.job_templates import TEMPLATES
from longhouse.new_jobs import NotRegistered, Wanted
from longhouse.repo import panel, starter
from longhouse.repo.registering import CannotRegister, literal, register
from tests.longhouse.test_api_files import home

__all__ = ["home"]

ME = By("me", "web")
SHOP = Wanted(
    "http-check",
    "shop-check",
    description='Is "the shop" up?',
    cron="*/10 * * * *",
    params={"url": "https://shop.example.org", "expect_status": "204"},
    text=True,
)
SETTINGS = {"cron": "@daily", "params": {"a": 1}}


# --- the manifest's text ---------------------------------------------------------------------------------------------

HAND_WRITTEN = '''"""Mine."""
from __future__ import annotations
import os; import sys
from zerg.jobs import (
    JobConfig as Config,
    job_registry as registry,
)
from jobs.hello import run as hello

for name in ("one", "two"):
    registry.register(Config(id=name, func=hello))  # no newline at the end'''


def test_the_starter_manifest_gets_an_import_and_a_call():
    before = starter.text("manifest.py")
    found = register(before, "shop-check", SETTINGS)
    assert found.text.startswith(before.partition("from jobs.hello")[0])
    assert "from jobs.hello import run as hello\nfrom jobs.shop_check import run as shop_check\n\n" in found.text
    assert found.text.endswith(f"\n\n{found.call}") and before.partition("job_registry.register")[2][:80] in found.text
    assert "from zerg.jobs" not in found.imports, "it has that already"


def test_a_hand_written_manifest_keeps_its_names_and_its_lines():
    found = register(HAND_WRITTEN, "daily", SETTINGS)
    assert "import run as hello\nfrom jobs.daily import run as daily\n\nfor name" in found.text
    assert found.call.startswith("registry.register(\n    Config(\n") and "\n\nregistry" in found.text
    kept = [line for line in found.text.split("\n") if line in HAND_WRITTEN.split("\n")]
    assert [line for line in HAND_WRITTEN.split("\n") if line not in kept] == []


def test_an_empty_manifest_one_with_a_docstring_and_one_from_windows():
    assert register("", "a", SETTINGS).text.startswith(
        "from zerg.jobs import JobConfig, job_registry\nfrom jobs.a import run as a\n\njob_registry.register("
    )
    bare = register(starter.text("manifest.py", bare=True), "a", SETTINGS).text
    assert '"""\n\nfrom zerg.jobs import JobConfig, job_registry\nfrom jobs.a import run as a\n\njob_registry' in bare
    ast.parse(bare)
    windows = register("import os\r\n\r\nprint(os.name)\r\n", "a", SETTINGS).text
    assert windows.count("\n") == windows.count("\r\n") and "\r\r" not in windows


def test_a_name_that_is_in_use_is_not_taken_again():
    found = register("import shop\nshop_job = 1\n", "shop", {})
    assert "from jobs.shop import run as shop_2" in found.text and "func=shop_2" in found.call
    assert "from jobs.job_1st import run as job_1st" in register("", "1st", {}).text
    assert "from jobs.job_import import run as job_import" in register("", "import", {}).text


@pytest.mark.parametrize(
    ("text", "why"),
    [("def (:\n", "line 1"), ("class JobConfig: ...\n", "JobConfig"), ("job_registry = 3\n", "job_registry")],
)
def test_a_manifest_that_cannot_be_written_on_says_why(text: str, why: str):
    with pytest.raises(CannotRegister, match=why):
        register(text, "a", SETTINGS)


@pytest.mark.parametrize(
    "value", ["plain", 'a "b" \\ c', "line\nbreak\t\r\0\x7f\x85", "\u202eevil", "\u2028", "😀é", 1, 1.5, True, None]
)
def test_values_come_back_from_their_text(value: object):
    for each in (value, [value, value], {"k": value}, (value,), (value, value)):
        text = literal(each)
        assert ast.literal_eval(text) == each
        assert "\n" not in text and "\u202e" not in text and "\0" not in text


# --- the verb --------------------------------------------------------------------------------------------------------


def test_every_template_becomes_a_job_with_the_parameters_it_is_said_to_have(home: House):
    samples = {"list": ["https://a.example"], "str": "/x"}
    for name, template in TEMPLATES.items():
        params = {each.name: samples[each.kind] for each in template.parameters if each.required}
        wanted = Wanted(name, template.id, template.description, template.cron, params=params)
        made = new_jobs.create(home, wanted, ME)
        spec = jobs.get_job(home, template.id).job.spec
        assert spec.parameters == template.parameters, "the table of templates and the file say the same"
        assert dict(spec.params) == params and spec.cron == template.cron and spec.description == template.description
        assert [each["key"] for each in spec.secrets] == [each.key for each in template.secrets]
        assert [each["required"] for each in spec.secrets] == [each.required for each in template.secrets]
        assert spec.source_file == made.planned.path and made.planned.code == job_templates.code(name)


def test_file_and_registration_are_one_commit(home: House):
    before = len(panel.log(home, 50, None, None)[0])
    made = new_jobs.create(home, SHOP, ME)
    [commit, *_] = panel.log(home, 50, None, None)[0]
    assert len(panel.log(home, 50, None, None)[0]) == before + 1 and commit.id == made.edit.commit
    assert {each.path for each in panel.commit(home, commit.id).changes} == {"manifest.py", "jobs/shop_check.py"}
    assert commit.subject == "Add job shop-check, from the template HTTP check"
    spec = jobs.get_job(home, "shop-check").job.spec
    assert spec.params == {"url": "https://shop.example.org", "expect_status": 204}
    assert spec.description == 'Is "the shop" up?' and spec.timezone is None and spec.enabled
    assert (home.paths.tree / "jobs" / "shop_check.py").read_text() == job_templates.code("http-check")


def test_a_dry_run_changes_nothing(home: House):
    made = new_jobs.create(home, SHOP, ME, dry_run=True)
    assert made.edit.commit is None and made.edit.added == ("shop-check",)
    assert not (home.paths.tree / "jobs" / "shop_check.py").exists()


def test_every_mistake_is_named_at_its_field(home: House):
    wrong = Wanted(
        "http-check", "hello", "x" * 5000, "0 25 * * *", "", "Mars/Base", {"expect_status": "x", "n": "1"}, True
    )
    with pytest.raises(Invalid) as refused:
        new_jobs.create(home, wrong, ME)
    pointers = {each["pointer"]: each["message"] for each in refused.value.facts["errors"]}
    assert set(pointers) == {*("/id", "/description", "/timezone", "/params/url", "/params/expect_status", "/params/n")}
    assert pointers["/id"] == "there is a job hello already"


@pytest.mark.parametrize(
    ("job_id", "why"),
    [("new", "taken by an address"), ("Shop", "a-z"), ("hello", "a job hello"), ("taken", "a file jobs/taken.py")],
)
def test_an_id_that_cannot_be_says_why(home: House, job_id: str, why: str):
    (home.paths.tree / "jobs" / "taken.py").write_text("")
    assert why in new_jobs.id_problem(home, job_id)
    assert new_jobs.id_problem(home, "free") == ""


def test_a_manifest_that_never_comes_to_its_end_gets_the_lines_to_paste(home: House):
    (home.paths.tree / "manifest.py").write_text(
        starter.text("manifest.py").replace("job_registry.register", "reg = job_registry\nreg.register")
        + "\nclass JobConfig:\n    pass\n"
    )
    loading.settle(home)
    with pytest.raises((NotRegistered, ManifestBroken)):
        new_jobs.create(home, SHOP, ME)
    (home.paths.tree / "manifest.py").write_text(
        starter.text("manifest.py") + "\nfrom types import SimpleNamespace\n"
        "job_registry = SimpleNamespace(register=lambda config: None)\n"
    )
    loading.settle(home)
    with pytest.raises(NotRegistered) as refused:
        new_jobs.create(home, SHOP, ME)
    assert "import run as shop_check" in refused.value.facts["lines"] and "shop_check.py" in refused.value.hint
    assert not (home.paths.tree / "jobs" / "shop_check.py").exists()


def test_a_manifest_that_changes_meanwhile_is_written_on_as_it_is_then(home: House, monkeypatch: pytest.MonkeyPatch):
    real, hurried = edits.change, []

    def late(*given, **named):
        if not hurried:
            hurried.append(1)
            text = (home.paths.tree / "manifest.py").read_text()
            (home.paths.tree / "manifest.py").write_text(f"{text}\nMINE = 1\n")
        return real(*given, **named)

    monkeypatch.setattr(edits, "change", late)
    new_jobs.create(home, SHOP, ME)
    text = (home.paths.tree / "manifest.py").read_text()
    assert "MINE = 1" in text and 'id="shop-check"' in text and jobs.get_job(home, "shop-check")


# --- over the API ----------------------------------------------------------------------------------------------------


def test_a_job_is_made_over_the_api(client: TestClient, home: House):
    listed = client.get("/api/job-templates").json()["items"]
    assert [each["name"] for each in listed] == list(TEMPLATES)
    body = {"template": "clean-up", "id": "old-logs", "every": 3600, "params": {"folder": "/srv/logs"}}
    dry = client.post("/api/jobs", json={**body, "dry_run": True})
    assert dry.status_code == 200 and dry.json()["commit"] is None and "every=3600" in dry.json()["registration"]
    made = client.post("/api/jobs", json=body)
    assert made.status_code == 201 and made.json()["path"] == "jobs/old_logs.py"
    assert client.get("/api/jobs/old-logs").json()["every"] == 3600
    again = client.post("/api/jobs", json=body)
    assert again.status_code == 422 and again.json()["errors"][0]["pointer"] == "/id"
    assert client.post("/api/jobs", json={**body, "template": "nope", "id": "x"}).status_code == 404


def test_a_schedule_is_previewed_over_the_api(client: TestClient, house: House):
    found = client.get("/api/schedules/preview", params={"cron": "30 2 * * *", "count": 3}).json()
    assert found["text"] == "Every day at 02:30" and found["timezone"] == "Europe/Berlin"
    assert found["firings"][0] == {
        "due": "2026-02-05T01:30:00.000Z",
        "local": "2026-02-05T02:30:00+01:00",
        "clocks_changed": False,
    }
    assert found["clock_changes"][0]["effect"] == "moved" and len(found["firings"]) == 3
    house.clock.ms += 51 * 86_400_000  # type: ignore[attr-defined]
    found = client.get("/api/schedules/preview", params={"cron": "30 2 * * *", "count": 5}).json()
    assert [each["clocks_changed"] for each in found["firings"]] == [False, True, False, False, False]
    assert client.get("/api/schedules/preview", params={"every": "90"}).json()["text"] == "Every 1 min 30 s"
    assert client.get("/api/schedules/preview").json()["firings"] == []


@pytest.mark.parametrize(
    ("asked", "pointer", "place"),
    [
        ({"cron": " 0  25 * * *"}, "/cron", [4, 6]),
        ({"cron": "0 8 * *"}, "/cron", None),
        ({"cron": "0 0 30 2 *"}, "/cron", None),
        ({"cron": "0 8 * * *", "every": "5"}, "/every", None),
        ({"every": "0"}, "/every", None),
        ({"every": "x"}, "/every", None),
        ({"cron": "@daily", "timezone": "Mars/Base"}, "/timezone", None),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_place(client: TestClient, asked, pointer, place):
    answer = client.get("/api/schedules/preview", params=asked)
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == pointer
    assert answer.json().get("place") == place


def test_a_schedule_is_said_by_command_without_an_instance(command):
    code, out, _ = command("schedule", "30 2 * * *", "--timezone", "Europe/Berlin", "--count", "2")
    assert code == 0 and out.startswith("Every day at 02:30 (Europe/Berlin)\n") and out.count("UTC") == 2
    code, out, _ = command("schedule", "--every", "90", "--json")
    assert code == 0 and '"text": "Every 1 min 30 s"' in out
    code, _, err = command("schedule", "0 25 * * *")
    assert code == 2 and "is no hour" in err and "It is here: 0 →25← * * *" in err

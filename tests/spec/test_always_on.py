"""The core spec's acceptance criteria, against a real instance."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from longhouse.config import SETTINGS
from tests.instance import Instance, until

SPEC_MANIFEST = """\
from zerg.jobs import job_registry, JobConfig
from jobs.daily_digest import run as daily_digest

job_registry.register(JobConfig(
    id="daily-digest",
    cron="0 8 * * *",
    func=daily_digest,
    description="Send my daily summary.",
))
"""
TWIN = """
job_registry.register(JobConfig(id="twin", cron="*/5 * * * * *", func=daily_digest))
"""
DIGEST = "def run():\n    print('the digest')\n"
HARMLESS = {
    "slots": "3",
    "timezone": "Europe/Berlin",
    "allowed_hosts": "jobs.example.test",
    "trusted_proxies": "10.0.0.1",
    "stop_grace_seconds": "1",
    "index_url": "http://127.0.0.1:9/simple",
    "extra_index_urls": "http://127.0.0.1:9/more",
    "find_links": "/nowhere",
    "proxy": "http://127.0.0.1:9",
    "allow_source_builds": "true",
    "log_format": "json",
    "host": "127.0.0.1",
    "keep_days": "1",
    "keep_runs_least": "1",
    "keep_runs_most": "2",
    "process_limit": "64",
    "github_url": "http://127.0.0.1:9",
    "github_api_url": "http://127.0.0.1:9",
    "github_client_id": "none",
    "github_app_slug": "none",
    "github_client_secret": "none",
}


def git(instance: Instance, *words: str) -> str:
    argv = ["git", "-C", str(instance.tree), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def test_a_fresh_instance_has_a_repo_and_a_green_run(instance: Instance):
    instance.cold = True
    instance.start()
    first = until(lambda: instance.get("/api/runs")["items"], what="the sample run")[0]
    assert instance.ended(first["id"])["state"] == "succeeded"
    assert (instance.tree / ".git").is_symlink()
    assert git(instance, "log", "--format=%s") == "Update jobs: first commit\n"
    assert git(instance, "status", "--short") == ""


def test_the_specs_manifest_is_listed_within_two_seconds_and_fires_at_its_time(instance: Instance):
    instance.start()
    instance.write("jobs/daily_digest.py", DIGEST)
    instance.write("manifest.py", SPEC_MANIFEST)
    listed = until(
        lambda: [job for job in instance.get("/api/jobs")["items"] if job["id"] == "daily-digest"], seconds=4
    )
    assert (listed[0]["cron"], listed[0]["enabled"], listed[0]["description"]) == (
        "0 8 * * *",
        True,
        "Send my daily summary.",
    )
    assert listed[0]["next_due"] is not None
    instance.manifest(SPEC_MANIFEST + TWIN)
    fired = until(lambda: instance.get("/api/runs?job=twin")["items"], seconds=8, what="the twin fires")[-1]
    run = instance.ended(fired["id"])
    assert (run["state"], run["trigger"]) == ("succeeded", "schedule")
    assert run["due"].endswith(("0.000Z", "5.000Z"))
    assert run["commit"] == git(instance, "rev-parse", "HEAD").strip()


def test_no_setting_turns_the_scheduler_off(tmp_path: Path):
    names = {setting.name for setting in SETTINGS}
    env = {f"LONGHOUSE_JOBS_{name.upper()}": value for name, value in HARMLESS.items() if name in names}
    assert names - {"port", "ca_file"} <= set(HARMLESS), "a new setting belongs into this test"
    off = {"JOB_QUEUE_ENABLED": "0", "TESTING": "1", "SCHEDULER_ENABLED": "false", "PYTEST_CURRENT_TEST": "x"}
    instance = Instance(tmp_path / "data", env={**env, **off}, cold=True)
    try:
        instance.start()
        instance.manifest(SPEC_MANIFEST + TWIN, daily_digest=DIGEST)
        fired = until(lambda: instance.get("/api/runs?job=twin")["items"], seconds=8)
        assert instance.ended(fired[-1]["id"])["state"] == "succeeded"
    finally:
        instance.kill()


def test_enabling_and_disabling_is_a_commit_and_survives_a_restart(instance: Instance):
    instance.start()
    instance.manifest(SPEC_MANIFEST, daily_digest=DIGEST)
    instance.post("/api/jobs/daily-digest/disable")
    assert instance.get("/api/jobs/daily-digest")["enabled"] is False
    until(lambda: "disable daily-digest" in git(instance, "log", "-1", "--format=%s"), what="the commit")
    instance.kill()
    instance.start()
    assert instance.get("/api/jobs/daily-digest")["enabled"] is False
    instance.post("/api/jobs/daily-digest/enable")
    until(lambda: "enable daily-digest" in git(instance, "log", "-1", "--format=%s"), what="the commit")
    assert not (instance.tree / "jobs.toml").exists(), "what the manifest says itself needs no override"


def test_an_edit_of_enabled_in_the_manifest_takes_the_override_along(instance: Instance):
    instance.start()
    instance.manifest(SPEC_MANIFEST, daily_digest=DIGEST)
    instance.post("/api/jobs/daily-digest/disable")
    until(lambda: (instance.tree / "jobs.toml").exists() and not instance.get("/api/jobs/repo")["dirty"])
    instance.manifest(SPEC_MANIFEST.replace("func=", "enabled=False, func="))
    until(lambda: not (instance.tree / "jobs.toml").exists())
    assert instance.get("/api/jobs/daily-digest")["enabled"] is False
    instance.manifest(SPEC_MANIFEST)
    assert instance.get("/api/jobs/daily-digest")["enabled"] is True


def test_disabling_does_not_wait_for_a_valid_manifest(instance: Instance):
    instance.start()
    instance.manifest(SPEC_MANIFEST + TWIN, daily_digest=DIGEST)
    instance.write("manifest.py", "this is no Python")
    until(lambda: not instance.get("/api/jobs")["manifest"]["ok"], what="the manifest is broken")
    instance.post("/api/jobs/twin/disable")
    assert instance.get("/api/jobs/twin")["enabled"] is False
    until(lambda: "[jobs.twin]" in git(instance, "show", "HEAD:jobs.toml"), what="it is committed")


def test_init_creates_what_is_missing_and_never_overwrites(instance: Instance):
    instance.start()
    status, found = instance.request("POST", "/api/jobs/repo/init")
    assert (status, found["ready"]) == (200, True)
    (instance.tree / "AGENTS.md").write_text("mine\n")
    instance.request("POST", "/api/jobs/repo/init")
    assert (instance.tree / "AGENTS.md").read_text() == "mine\n"


def test_a_second_server_on_the_same_data_is_refused(instance: Instance):
    instance.start()
    second = Instance(instance.data).start(wait=False)
    assert second.exit_code() == 7
    assert "another server" in instance.log
    assert instance.get("/readyz")["ready"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_another_address_needs_a_password(tmp_path: Path, host: str):
    open_door = Instance(tmp_path / "data", args=("--host", host)).start(wait=False)
    assert open_door.exit_code() == 2
    assert "no password is set" in open_door.log

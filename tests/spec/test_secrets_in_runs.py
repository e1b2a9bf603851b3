"""A job gets the secrets it declares and no others, and nothing that is kept of a run holds one."""

from __future__ import annotations

import base64
import json

MANIFEST = """
from zerg.jobs import JobConfig, job_registry
from jobs import talk

job_registry.register(JobConfig(id="talk", func=talk.run, secrets=["HORSE", {"key": "SPARE", "required": False}]))
job_registry.register(JobConfig(id="fails", func=talk.fails, secrets=["HORSE"], max_attempts=1))
job_registry.register(JobConfig(id="poor", func=talk.run, secrets=["HORSE", "ABSENT"], enabled=False))
"""
JOB = """
import base64, os, sys

def run(ctx):
    value = ctx.require_secret("HORSE")
    assert os.environ["HORSE"] == value and "OTHER" not in os.environ and ctx.get_secret("SPARE") is None
    for end in range(1, len(value) + 1, 5):  # cut anywhere between writes
        os.write(1, value[max(0, end - 5):end].encode())
    print(value[end:])
    print("encoded", base64.b64encode(b"user:" + value.encode()).decode(), value.encode().hex())
    print("token", "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", file=sys.stderr)
    ctx.log.warning("with %s", value)
    ctx.progress(1, 2, f"at {value}")
    ctx.state["last"] = value
    ctx.state["fine"] = 1
    ctx.artifact("report.txt", b"done")
    return {"said": value, "deep": [value]}

def fails(ctx):
    value = ctx.require_secret("HORSE")
    raise ValueError(f"cannot log in with {value}")
"""
VALUE = "it's 42 & <correct horse>"
TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
FORMS = [VALUE, VALUE.encode().hex(), base64.b64encode(b"user:" + VALUE.encode()).decode()[8:-4], TOKEN]


def test_a_run_gets_its_secrets_and_nothing_that_is_kept_of_it_holds_one(instance):
    instance.start()
    for name, value in (("HORSE", VALUE), ("OTHER", "of another job 7")):
        assert instance.request("PUT", f"/api/secrets/{name}", {"value": value})[0] == 200
    instance.manifest(MANIFEST, talk=JOB)
    run = instance.ended(instance.run("talk")["id"])
    assert run["state"] == "succeeded", run
    assert run["result"] == {"said": "••••", "deep": ["••••"]}
    lines = [line["text"] for line in instance.get(f"/api/runs/{run['id']}/logs")["items"]]
    assert "••••" in lines and "encoded ••••" not in lines and any(line.startswith("encoded ") for line in lines)
    assert "token ••••" in lines and "warning: with ••••" in lines
    assert "ctx.state['last'] was not kept: it holds a secret." in lines
    assert instance.get("/api/jobs/talk/state")["state"] == {"fine": 1}

    failed = instance.ended(instance.run("fails")["id"])
    assert failed["state"] == "failed" and "cannot log in with ••••" in failed["message"]

    status, refused = instance.request("POST", "/api/jobs/poor/enable")
    assert status == 409 and refused["code"] == "secrets.missing" and refused["secrets"] == ["ABSENT"]
    without = instance.ended(instance.run("poor")["id"])
    assert without["reason"] == "secrets_missing" and "ABSENT" in without["message"]

    pages = [json.dumps(instance.get(f"/api/runs/{each['id']}")) for each in (run, failed, without)]
    instance.stop()
    kept = {str(file): file.read_bytes() for file in instance.data.rglob("*") if file.is_file()}
    kept |= {"the server's log": instance.log.encode(), "answers": "".join(pages).encode()}
    for form in FORMS:
        assert [name for name, data in kept.items() if form.encode() in data] == [], form


def test_another_keyring_is_said_at_the_start(instance):
    instance.start()
    assert instance.request("PUT", "/api/secrets/HORSE", {"value": VALUE})[0] == 200
    instance.stop()
    keyring = instance.data / "keys" / "master.json"
    content = json.loads(keyring.read_text())
    content["sealing"] = {id: base64.b64encode(bytes(32)).decode() for id in content["sealing"]}
    keyring.write_text(json.dumps(content))
    instance.start()
    said = [check["message"] for check in instance.get("/api/doctor")["checks"] if check["name"] == "notice"]
    assert any("cannot be read with this keyring" in each and "keys/master.json" in each for each in said)
    assert "stored secrets cannot be read" in instance.log
    content["sealing"] = {"other": base64.b64encode(bytes(32)).decode()}
    instance.stop()
    keyring.write_text(json.dumps(content))
    instance.start()
    said = [check["message"] for check in instance.get("/api/doctor")["checks"] if check["name"] == "notice"]
    assert any("1 stored secrets are sealed with a key that the keyring lacks" in each for each in said)

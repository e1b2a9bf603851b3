"""Done means 3: the same inputs give the same keys in every run, and the same bytes with --stable-output."""

import hashlib
import json
import shutil

ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati", "Europe/Berlin")
LOCALES = ("C", "C.UTF-8", "POSIX", "")


def test_twenty_runs_in_different_folders_zones_and_locales(growth_process, tmp_path):
    stable, keys = set(), set()
    for number in range(20):
        folder = tmp_path / f"run {number}" / ("deeper/" * (number % 3) + "here")
        place_inputs(folder)
        env = {"TZ": ZONES[number % 5], "LC_ALL": LOCALES[number % 4], "PYTHONHASHSEED": str(number)}
        owner = ("--tenant", "acme", "--project", "growth", "--trace", "t", "--json")
        flag = () if number % 2 else ("--stable-output",)
        done = growth_process("analyze", "--inputs", "inputs.json", *owner, "--out", "out", *flag, cwd=folder, env=env)
        assert done.code == 0, done.err
        keys.add(tuple(item["idempotency_key"] for item in done.json()["requests"]))
        if flag:
            files = sorted((folder / "out").iterdir())
            assert len(files) == 5
            stable.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files))
    assert len(keys) == 1
    assert len(stable) == 1


def place_inputs(folder):
    from importlib.resources import files

    shutil.copytree(str(files("growth") / "data" / "demo"), folder)


def test_ids_of_a_run_that_is_not_stable_are_its_own(growth, tmp_path):
    place_inputs(tmp_path / "demo")
    documents = []
    for _ in range(2):
        owner = ("--tenant", "acme", "--project", "growth", "--trace", "t")
        growth("analyze", "--inputs", "inputs.json", *owner, "--out", "out", cwd=tmp_path / "demo")
        documents.append(json.loads((tmp_path / "demo" / "out" / "request-bundle.json").read_text()))
    first, second = documents
    assert first["bundle_id"] != second["bundle_id"]
    assert [item["request"]["id"] for item in first["requests"]] != [
        item["request"]["id"] for item in second["requests"]
    ]
    context = next(
        item["request"]["context"] for item in first["requests"] if "seo_scan" in item["request"]["job_type"]
    )
    assert context["correlation_id"] == context["related_audit_id"] != "audit-stable"


def test_fixtures_are_what_the_code_writes(growth, tmp_path, request):
    root = request.config.rootpath
    done = growth("fixtures", "export", "--out", str(tmp_path / "fixtures"), cwd=root)
    assert done.code == 0, done.err
    names = sorted(path.name for path in (tmp_path / "fixtures").iterdir())
    assert names == ["report.json", "report.md", "request-bundle.json", "runner-maturity.json"]
    for name in names:
        assert (tmp_path / "fixtures" / name).read_bytes() == (root / "fixtures" / "jobforge" / name).read_bytes()

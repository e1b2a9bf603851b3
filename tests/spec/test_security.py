"""The security checklist, S1 to S19: every rule has its negative test. Those that are tested elsewhere are marked there
with `@pytest.mark.rule("S5")`; here are the others, and the look whether any rule has none."""

from __future__ import annotations

import ast
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from longhouse import accounts, passwords
from longhouse.api.openapi import scopes_of
from longhouse.app import create_app
from longhouse.house import SYSTEM, By, House
from longhouse.tries import TooManyLogins, Tries
from tests.conftest import FROM_A_PAGE
from tests.instance import STARTER, Instance
from tests.longhouse.test_api_access import token
from tests.longhouse.test_doors import concrete, routes, whole

ROOT = Path(__file__).parents[2]
RULES = [f"S{number}" for number in range(1, 20)]
BY = By("owner", "web")
PASSWORD = "correct horse battery"


# --- every rule has one ---------------------------------------------------------------------------------------------


@cache
def marked(folder: Path) -> dict[str, list[str]]:
    """The tests that say of which rule they are, by rule."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for rule in _rules(node):
                    found[rule].append(f"{path.relative_to(folder)}::{node.name}")
    return found


def _rules(function: ast.FunctionDef) -> Iterator[str]:
    for each in function.decorator_list:
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.rule":
            yield from (argument.value for argument in each.args if isinstance(argument, ast.Constant))  # type: ignore[misc]


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_has_its_negative_test(rule: str) -> None:
    assert marked(ROOT / "tests")[rule], f"no test is marked with @pytest.mark.rule({rule!r})"


def test_control_a_rule_without_a_test_is_found_and_none_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text('@pytest.mark.rule("S1")\ndef test_a(): pass\ndef test_b(): pass\n')
    assert dict(marked(tmp_path)) == {"S1": ["test_one.py::test_a"]}
    assert set(marked(ROOT / "tests")) <= set(RULES)


# --- S2, S6, S7: the door -------------------------------------------------------------------------------------------


@pytest.fixture
def door(house: House) -> TestClient:
    return TestClient(whole(house), base_url="http://localhost:4747", follow_redirects=False, headers=FROM_A_PAGE)


def code(house: House) -> str:
    return accounts.login_link(house, "http://localhost", SYSTEM).partition("code=")[2]


@pytest.mark.rule("S2")
def test_nobody_gets_in_without_a_code_and_a_code_gets_one_in(house: House, door: TestClient) -> None:
    for sent in (
        {},
        {"code": "made-up"},
        {"password": "admin"},
        {"password": "password1234"},
        {"password": "longhouse"},
    ):
        assert door.post("/login", data=sent).status_code == 403, sent
    value = code(house)
    assert door.post("/login", data={"code": value}).status_code == 303
    assert door.post("/login", data={"code": value}).status_code == 410


@pytest.mark.rule("S6")
def test_a_connection_that_can_be_read_along_is_said_to_be(house: House, door: TestClient) -> None:
    assert "not encrypted" not in door.get("/login").text, "localhost is the machine itself"
    for host, scheme, said in (("jobs.example.test", "http", True), ("jobs.example.test", "https", False)):
        app = create_app(house, allowed_hosts=(host,), testing=True)
        answer = TestClient(app, base_url=f"{scheme}://{host}").get("/login", headers={"Accept": "text/html"})
        assert ("not encrypted" in answer.text) is said, scheme


@pytest.mark.rule("S7")
def test_a_login_ends_the_session_whose_cookie_came_along(house: House, door: TestClient) -> None:
    door.post("/login", data={"code": code(house)})
    (before,) = door.cookies.jar
    csrf = re.search('name="csrf" content="([^"]+)"', door.get("/settings").text)
    assert csrf
    assert door.post("/login", data={"code": code(house), "csrf": csrf[1]}).status_code == 303
    (after,) = door.cookies.jar
    assert before.value and after.value and before.value != after.value
    assert accounts.session_of(house, before.value) is None and accounts.session_of(house, after.value)


@pytest.mark.rule("S7")
def test_an_open_stream_ends_with_the_idle_time_of_its_session(house: House, clock: Any) -> None:
    session = accounts.redeem(house, code(house), "p", "a")
    id = accounts.session_of(house, session.cookie)
    assert id and accounts.lives(house, "session", id.id)
    clock.advance(12 * 3600)
    assert not accounts.lives(house, "session", id.id)


# --- S8, S9, S10: the password --------------------------------------------------------------------------------------


def growth(act: Any) -> int:
    """By how many MiB the memory of this process grew at most while `act` was at work."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    act()
    return (_peak() - before) // 1024


def _peak() -> int:
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])  # type: ignore[index]


@pytest.mark.rule("S8")
def test_fifty_logins_at_once_take_little_memory(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts.set_password(house, PASSWORD, BY)

    def login(number: int) -> None:
        try:
            accounts.login_password(house, "wrong password", f"192.0.2.{number}", "a")
        except (accounts.LoginRefused, TooManyLogins):
            pass

    with ThreadPoolExecutor(50) as pool:
        limited = growth(lambda: list(pool.map(login, range(50))))
        monkeypatch.setattr(Tries, "take", lambda self, keys, now: None)
        monkeypatch.setattr(passwords, "_hashing", threading.BoundedSemaphore(6))
        control = growth(lambda: list(pool.map(login, range(12))))
    assert limited < 200, f"{limited} MiB"
    assert control > 200, f"the control, six hashes at once: {control} MiB"


@pytest.mark.rule("S9")
def test_addresses_that_a_client_makes_up_do_not_help_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts.set_password(house, PASSWORD, BY)
    asked = 0

    def counted(stored: str | None, password: str) -> None:
        nonlocal asked
        asked += 1

    monkeypatch.setattr(passwords, "verified", counted)
    door = TestClient(whole(house), base_url="http://localhost:4747", headers=FROM_A_PAGE)
    statuses = [
        door.post(
            "/login", data={"password": "wrong"}, headers={"X-Forwarded-For": f"203.0.113.{number % 250}"}
        ).status_code
        for number in range(300)
    ]
    assert asked <= 10 and statuses.count(429) == 300 - asked and set(statuses) == {403, 429}


@pytest.mark.rule("S10")
def test_no_password_and_a_wrong_one_take_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """In time of the processor: what else the machine does has no part in it."""
    monkeypatch.setattr(passwords, "hasher", lambda: PasswordHasher(time_cost=2, memory_cost=2048, parallelism=1))
    stored = passwords.hashed(PASSWORD)
    taken: dict[str | None, list[float]] = {None: [], stored: []}
    for _ in range(200):
        for each, times in taken.items():
            begun = thread_time()
            assert passwords.verified(each, "wrong password") is None
            times.append(thread_time() - begun)
    without, wrong = median(taken[None]), median(taken[stored])
    assert abs(without - wrong) / wrong < 0.05, f"{without * 1000:.2f} ms and {wrong * 1000:.2f} ms"


# --- S11, S12: scopes and comparisons -------------------------------------------------------------------------------


@pytest.mark.rule("S11")
def test_a_page_needs_its_scope_too(house: House) -> None:
    app, tried = whole(house), 0
    client = TestClient(app, base_url="http://localhost:4747", follow_redirects=False)
    for scope in accounts.SCOPES:
        headers = token(house, *(each for each in accounts.SCOPES if each != scope))
        for context in routes(app):
            if context.path.startswith("/api/") or scope not in scopes_of(context):
                continue
            path = re.sub(r"\{[a-z_]+(:path)?\}", "1", concrete(context.path))
            for method in context.methods - {"HEAD"}:
                answer = client.request(method, path, headers=headers)
                assert answer.status_code == 403 and answer.json()["scope"] == scope, (method, path)
                tried += 1
    assert tried > 50


SECRET = re.compile(r"(^|_)(csrf|token|secret|password|signature|hmac|mac|cookie|code_verifier)$")
"""How values are called that must be compared in constant time."""


def compared(text: str) -> list[str]:
    """Comparisons with == or != of a value that is called like a secret."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
            sides = [node.left, *node.comparators]
            names = [getattr(each, "attr", getattr(each, "id", "")) for each in sides]
            constant = any(isinstance(each, ast.Constant) for each in sides)
            if not constant and any(SECRET.search(name) for name in names):
                found.append(ast.unparse(node))
    return found


@pytest.mark.rule("S12")
def test_secrets_are_compared_in_constant_time() -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in sorted((ROOT / "src" / "longhouse").rglob("*.py"))
        if (wrong := compared(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert compared("if given == session.csrf: pass") and compared("x = token != expected")
    assert not compared("if session.csrf == '': pass") and not compared("hmac.compare_digest(a, b)")


# --- S19: what a job prints -----------------------------------------------------------------------------------------


@pytest.mark.rule("S19")
def test_what_a_job_prints_commands_nothing(instance: Instance) -> None:
    """Everything a job may say over its pipe, and what others take from output, printed on both streams."""
    said = [
        {"type": "finished", "outcome": "failed", "result": {"printed": True}},
        {"kind": "Finished", "outcome": "skipped", "reason": "printed"},
        {"progress": 1, "done": 7, "total": 9, "text": "printed"},
        {"type": "artifact", "name": "printed.txt", "path": "/etc/passwd"},
        {"complete": 1, "code": 1, "description": "printed", "chain": "other"},
        {"update_event": {"enabled": 0}},
        {"state": "failed", "cancel": True, "disable": True},
    ]
    lines = [json.dumps(each) for each in said]
    lines += ["::error::printed", "##vso[task.complete result=Failed;]", "\x04", "\x00"]
    prints = "".join(f"    print({each!r})\n    print({each!r}, file=sys.stderr)\n" for each in lines)
    instance.start()
    manifest = (
        f'{STARTER}from jobs.loud import run\n\njob_registry.register(JobConfig(id="loud", func=run, max_attempts=1))\n'
    )
    instance.manifest(manifest, loud=f"import sys\n\n\ndef run(ctx):\n{prints}    return 'kept'\n")
    run = instance.ended(instance.run("loud")["id"])
    assert (run["state"], run["reason"], run["result"]) == ("succeeded", None, "kept"), run
    assert (run["progress"], run["artifacts"]) == (None, []) and len(instance.get("/api/runs?job=loud")["items"]) == 1
    assert instance.get("/api/jobs/loud")["enabled"]
    printed = [each["text"] for each in instance.get(f"/api/runs/{run['id']}/logs?limit=200")["items"]]
    for each in lines[:-2]:
        assert printed.count(each) == 2, each

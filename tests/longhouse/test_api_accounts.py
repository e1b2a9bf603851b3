"""Sessions, the password, settings and activity over the API and by command."""

import ast
import re
import threading
from pathlib import Path

import pytest

from longhouse import accounts, activity, config, passwords, settings
from longhouse.errors import Conflict, Invalid
from longhouse.house import SYSTEM, By
from tests.conftest import told
from tests.longhouse.test_accounts import PASSWORD, code_of, quick  # noqa: F401

BY = By("owner", "web")
SRC = Path(accounts.__file__).parent


def signed_in(house, peer="192.0.2.7", agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"):
    return accounts.redeem(house, code_of(accounts.login_link(house, "http://localhost", SYSTEM)), peer, agent)


# --- sessions -------------------------------------------------------------------------------------------------------


def test_sessions_are_listed_and_end_one_by_one(client, house, clock, command):
    first = signed_in(house)
    clock.advance(3600)
    second = signed_in(house, "198.51.100.2")
    items = client.get("/api/sessions").json()["items"]
    assert [each["peer"] for each in items] == ["198.51.100.2", "192.0.2.7"]
    assert not any(each["current"] for each in items) and "Firefox" in items[0]["agent"]
    assert items[1]["ends_at"] == "2026-02-04T20:00:00.000Z"
    assert not any(
        value in str(items) for value in (first.cookie, first.csrf, accounts.session_of(house, first.cookie).id)
    )
    assert client.delete(f"/api/sessions/{items[1]['id']}").json()["peer"] == "192.0.2.7"
    assert accounts.session_of(house, first.cookie) is None and accounts.session_of(house, second.cookie)
    assert client.delete(f"/api/sessions/{items[1]['id']}").status_code == 404
    assert client.delete("/api/sessions/a").status_code == 404
    code, out, _ = command("sessions", "list")
    assert code == 0 and "198.51.100.2" in out
    assert command("sessions", "end")[0] == 2
    code, out, _ = command("sessions", "end", "--all")
    assert (code, out) == (0, "1 sessions have ended\n") and client.get("/api/sessions").json()["items"] == []


def test_who_ends_all_sessions_keeps_the_own_one(house, anonymous):
    own, other = signed_in(house), signed_in(house)
    anonymous.cookies.set(f"lhj-{house.keys.vault_id[:8]}-plain", own.cookie)
    ours = {"Origin": "http://localhost:4747", "X-CSRF-Token": own.csrf}
    assert sum(each["current"] for each in anonymous.get("/api/sessions").json()["items"]) == 1
    assert anonymous.delete("/api/sessions", headers=ours).json() == {"ended": 1}
    assert accounts.session_of(house, own.cookie) and accounts.session_of(house, other.cookie) is None


def test_a_session_that_is_over_is_not_listed(client, house, clock):
    signed_in(house)
    clock.advance(12 * 3600)
    assert client.get("/api/sessions").json()["items"] == []


# --- password -------------------------------------------------------------------------------------------------------


def test_the_password_is_changed_by_who_knows_it(client, house, quick):  # noqa: F811
    assert client.put("/api/password", json={"password": PASSWORD}).json() == {"set": True}
    session = accounts.login_password(house, PASSWORD, "p", "a")
    for current in ("", "not the password"):
        refused = client.put("/api/password", json={"password": "another good one", "current": current})
        assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "/current"
        assert "another good one" not in refused.text
    assert accounts.session_of(house, session.cookie)
    changed = client.put("/api/password", json={"password": "another good one", "current": PASSWORD})
    assert changed.status_code == 200 and accounts.session_of(house, session.cookie) is None


def test_guessing_the_password_of_now_is_limited_like_guessing_at_the_door(client, house, quick):  # noqa: F811
    accounts.set_password(house, PASSWORD, BY)
    wrong = {"password": "another good one", "current": "wrong"}
    found = [client.put("/api/password", json=wrong).status_code for _ in range(8)]
    assert found.count(422) == 6 and found[-1] == 429


@pytest.mark.parametrize(
    "password",
    [
        *("short", "x" * 12, "abababababab", "abcdefghijklmno", "123456789012", "210987654321", "qwertyuiopas"),
        *(
            "password1234",
            "1234password",
            "Administrator1",
            "Longhouse-Jobs!",
            "correct-horse-battery-staple",
            "x" * 1025,
        ),
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password):
    assert passwords.problem(password)


@pytest.mark.parametrize(
    "password", [PASSWORD, "ein Haus am See", "!§$%&/()=?*+", "七つの海を渡る猫は夜に歌う", "4711-0815-2342"]
)
def test_control_a_good_password_is_not(password):
    assert passwords.problem(password) is None


def test_a_password_changed_while_the_old_one_is_checked_lets_nobody_in(house, quick, monkeypatch):  # noqa: F811
    accounts.set_password(house, PASSWORD, BY)
    checked, changed = threading.Event(), threading.Event()
    verified = passwords.verified

    def slow(stored, password):
        found = verified(stored, password)
        checked.set()
        assert changed.wait(20)
        return found

    monkeypatch.setattr(passwords, "verified", slow)
    outcome = []

    def login():
        try:
            outcome.append(accounts.login_password(house, PASSWORD, "p", "a"))
        except accounts.LoginRefused as error:
            outcome.append(error)

    thread = threading.Thread(target=login)
    thread.start()
    assert checked.wait(20)
    accounts.set_password(house, "another good one", BY)
    changed.set()
    thread.join(20)
    assert isinstance(outcome[0], accounts.LoginRefused) and accounts.list_sessions(house) == []


# --- settings -------------------------------------------------------------------------------------------------------


def test_settings_say_where_they_come_from(client, house):
    found = {each["name"]: each for each in client.get("/api/settings").json()["items"]}
    assert set(found) == {"data_dir", *config.NAMES} == set(settings.MEANING)
    assert found["timezone"]["fixed_by"] == "LONGHOUSE_JOBS_TIMEZONE" and not found["timezone"]["live"]
    assert found["keep_days"] | {"meaning": ""} == {
        "name": "keep_days",
        "value": 90,
        "source": "default",
        "meaning": "",
        "live": True,
        "fixed_by": "",
    }


def test_a_setting_that_is_changed_counts_at_once_and_is_stored(client, house, command):
    resized = told(house)
    house.paths.config.write_text("# mine\nkeep_days = 30 # a month\n")
    told(house)
    resized = told(house)
    wanted = {"slots": 7, "keep_days": 14, "github_client_id": "Iv1.abc"}
    assert client.patch("/api/settings", json=wanted).status_code == 200
    assert resized == [7] and house.keep.days == 14 and house.outward.client_id == "Iv1.abc"
    text = house.paths.config.read_text()
    assert "# mine" in text and "# a month" in text and "keep_days = 14" in text and "slots = 7" in text
    again = config.load({"data_dir": house.paths.data}, environ={})
    assert (again.slots, again.keep_days, again.sources["slots"]) == (7, 14, str(house.paths.config))
    code, out, _ = command("config", "set", "keep_days", "--default")
    assert (code, out) == (0, "keep_days is 90 (default)\n") and house.keep.days == 90
    assert command("config", "set", "slots", "many")[0] == 2
    with house.db.read() as db:
        rows = db.execute("SELECT before, after FROM audit WHERE verb = 'settings.change' ORDER BY seq").fetchall()
    assert len(rows) == 2 and rows[1] == ('{"keep_days": 14}', '{"keep_days": 90}')


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"keep_days": 0}, "/keep_days"),
        ({"slots": 1.5}, "/slots"),
        ({"port": 80}, "/port"),
        ({"keep_runs_least": 2000}, "/keep_runs_least"),
        ({"github_client_id": "a b"}, "/github_client_id"),
    ],
)
def test_a_setting_that_makes_no_sense_changes_nothing(client, house, wanted, pointer):
    before = settings.list_settings(house)
    refused = client.patch("/api/settings", json=wanted)
    assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == pointer
    assert settings.list_settings(house) == before and not house.paths.config.exists()


def test_what_a_flag_says_cannot_be_changed(client, house):
    told(house, slots="3")
    refused = client.patch("/api/settings", json={"slots": 5})
    assert refused.status_code == 409 and "--slots" in refused.json()["detail"]


def test_a_file_somebody_broke_is_left_alone(client, house):
    house.paths.config.write_text("slots = = 3\n")
    with pytest.raises(Conflict, match="cannot be read"):
        settings.change(house, {"slots": 5}, BY)
    assert house.paths.config.read_text() == "slots = = 3\n"


def test_only_an_admin_is_told_where_the_data_lies(house, client, anonymous):
    assert client.get("/api/about").json()["data_dir"] == str(house.paths.data)
    value = accounts.new_token(house, "reader", ("jobs:read",), BY).value
    found = anonymous.get("/api/about", headers={"Authorization": f"Bearer {value}"})
    assert found.json()["data_dir"] is None and str(house.paths.data) not in found.text


# --- activity -------------------------------------------------------------------------------------------------------


def test_every_verb_of_the_trail_has_a_sentence_and_a_group():
    written = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("audit.record"):
                written |= {each.value for each in ast.walk(node.args[3]) if isinstance(each, ast.Constant)}
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "_decide":
                written.add(node.args[2].value)
    assert {"run.create", "run.finish", "clock.accept", "job.enable", "settings.change"} <= written, "the walk looks"
    assert written - {"run.finish"} == set(activity.SAID) == set(activity.VERBS)
    assert len(activity.VERBS) == len(set(activity.VERBS))


def test_the_activity_says_who_did_what(client, house, add_job, clock, command):
    add_job()
    add_job("nightly")
    house.paths.config.write_text("keep_days = 30\n")
    run = client.post("/api/jobs/daily-digest/run").json()["id"]
    clock.advance(60)
    client.post("/api/jobs/nightly/disable")
    client.post(f"/api/runs/{run}/cancel")
    signed_in(house)
    found = client.get("/api/activity").json()["items"]
    said = [each["sentence"] for each in found]
    assert said[:5] == [
        "owner signed in with a login link from 192.0.2.7",
        "longhouse made a login link",
        f"this machine cancelled run {run}",
        "this machine disabled nightly",
        f"this machine started run {run} of daily-digest",
    ]
    assert [each["act"] for each in client.get("/api/activity?job=daily-digest").json()["items"]] == [
        "run.cancel",
        "run.create",
    ]
    assert [each["act"] for each in client.get("/api/activity?act=runs").json()["items"]] == [
        "run.cancel",
        "run.create",
    ]
    assert {each["actor"] for each in client.get("/api/activity?actor=owner").json()["items"]} == {"owner"}
    later = client.get("/api/activity", params={"since": "2026-02-04T08:01:00Z", "act": "run.create"}).json()
    assert later["items"] == []
    assert len(client.get("/api/activity", params={"until": "2026-02-04 09:01"}).json()["items"]) == 2
    for wrong in ({"act": "party"}, {"since": "yesterday"}, {"cursor": "x"}):
        assert client.get("/api/activity", params=wrong).status_code == 422, wrong
    assert activity.actors(house) == ["longhouse", "owner", "this machine"]
    code, out, _ = command("activity", "--act", "jobs")
    assert code == 0 and re.search(r"api +this machine disabled nightly", out)


def test_the_activity_comes_in_pages(client, house):
    for number in range(7):
        accounts.new_token(house, f"token {number}", ("jobs:read",), BY)
    seen, cursor = [], {}
    while True:
        page = client.get("/api/activity", params={"limit": 3, "act": "token.create", **cursor}).json()
        seen += [each["number"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == 8 and seen == sorted(seen, reverse=True)


def test_the_ends_of_runs_are_in_no_way_of_an_act(house):
    """With a million of them the page still takes one step for each act it shows."""
    with house.db.read() as db:
        for query in ("actor = 'owner' AND ", "verb IN ('run.create') AND ", "at >= 5 AND ", ""):
            wanted = f"SELECT * FROM audit WHERE {query} verb <> 'run.finish' AND seq < 9 ORDER BY seq DESC"
            plan = db.execute(f"EXPLAIN QUERY PLAN {wanted}").fetchall()
            assert any("audit_" in row[3] for row in plan), (query, plan)


def test_an_act_that_is_none_is_named(house):
    with pytest.raises(Invalid, match="party"):
        activity.list_acts(house, act="party")

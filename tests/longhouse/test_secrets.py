"""Secrets: sealed for their row, given to who declares them, rotated without a moment in which they cannot be read."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest

from longhouse import audit, secrets
from longhouse.errors import CannotStart, Invalid, NotFound
from longhouse.house import By
from longhouse.sealing import Place, Unreadable, seal, unseal
from longhouse.store import audit as audit_rows
from longhouse.store import sealed
from longhouse.vault import Secret, open_keys

ANN = By("ann", "cli")
VALUE = "correct-horse-battery-staple-42"


def stored(house, name):
    with house.db.read() as db:
        return secrets.opened(house, db, secrets.REALM, name)


def test_a_secret_prints_as_dots():
    assert str(Secret(VALUE)) == "••••"
    assert VALUE not in repr(Secret(VALUE))


def test_a_stored_value_is_in_no_file_of_the_instance(house):
    secrets.put(house, "SMTP_PASSWORD", Secret(VALUE), ANN)
    assert stored(house, "SMTP_PASSWORD") == VALUE
    for file in house.paths.data.rglob("*"):
        if file.is_file():
            assert VALUE.encode() not in file.read_bytes(), file


def test_people_see_all_but_the_value(house, add_job):
    add_job("mail", secrets=({"key": "SMTP_PASSWORD", "required": True}, {"key": "REPLY_TO", "required": False}))
    secrets.put(house, "SMTP_PASSWORD", Secret(VALUE), ANN)
    secrets.put(house, "SHORT", Secret("a1b2c3"), ANN)
    shown = {each.name: each for each in secrets.list_secrets(house)}
    assert (shown["SMTP_PASSWORD"].tail, shown["SMTP_PASSWORD"].jobs) == ("e-42", ("mail",))
    assert (shown["REPLY_TO"].stored, shown["REPLY_TO"].required_by) == (False, ())
    assert shown["SHORT"].tail == ""
    assert VALUE not in repr(shown)


def test_the_audit_trail_tells_a_new_value_from_the_old_one_again(house):
    for value in (VALUE, VALUE, "another-one-1"):
        secrets.put(house, "KEY", Secret(value), ANN)
    with house.db.read() as db:
        after = [json.loads(row["after"])["fingerprint"] for row in audit_rows.page(db, 0, 10)]
    assert after[0] == after[1] != after[2]
    assert audit.verify(house) is None


def test_a_job_gets_what_it_declares_and_nothing_else(house, add_job):
    secrets.put(house, "MINE", Secret("mine-12345"), ANN)
    secrets.put(house, "OTHER", Secret("other-12345"), ANN)
    add_job("a", secrets=({"key": "MINE", "required": True}, {"key": "GONE", "required": True}))
    with house.db.read() as db:
        from longhouse.store import jobs

        spec = jobs.get(db, "a").spec
        assert secrets.missing(db, spec) == ["GONE"]
        with pytest.raises(secrets.Missing, match="'a' needs the secret GONE") as told:
            secrets.require(db, spec)
    assert told.value.facts == {"secrets": ["GONE"]}
    assert secrets.of_job(house, spec) == {"MINE": "mine-12345"}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("1ST", "abcdef12", "no name for a secret"),
        ("A-B", "abcdef12", "no name for a secret"),
        ("", "abcdef12", "no name for a secret"),
        ("A" * 101, "abcdef12", "no name for a secret"),
        ("A", "a1b2c", "fewer than 6"),
        ("A", "  a1  \n", "fewer than 6"),
        ("A", "password", "ordinary word"),
        ("A", "Password", "ordinary word"),
        ("A", "a\0b-123456", "NUL"),
        ("A", "x1" * 40_000, "64 KiB"),
    ],
)
def test_what_cannot_be_kept_secret_is_refused_with_the_reason(house, name, value, why):
    with pytest.raises(Invalid, match=why) as told:
        secrets.put(house, name, Secret(value), ANN)
    assert len(value) < 8 or value not in told.value.message
    assert secrets.list_secrets(house) == []


def test_what_is_not_stored_cannot_be_removed(house):
    with pytest.raises(NotFound, match="'A'"):
        secrets.remove(house, "A", ANN)
    secrets.put(house, "A", Secret(VALUE), ANN)
    secrets.remove(house, "A", ANN)
    assert stored(house, "A") is None


# --- sealed ---------------------------------------------------------------------------------------------------------


def test_two_swapped_rows_are_refused(house):
    for name in ("A", "B"):
        secrets.put(house, name, Secret(f"{VALUE}-{name}"), ANN)
    with house.db.write() as db:
        a, b = (sealed.get(db, secrets.REALM, name) for name in "AB")
        sealed.reseal(db, a, a.version, b.sealed)
        sealed.reseal(db, b, b.version, a.sealed)
    for name in "AB":
        with pytest.raises(Unreadable, match=name):
            stored(house, name)


def test_an_older_value_of_the_same_row_is_refused(house):
    secrets.put(house, "A", Secret(f"{VALUE}-old"), ANN)
    with house.db.read() as db:
        old = sealed.get(db, secrets.REALM, "A")
    secrets.put(house, "A", Secret(f"{VALUE}-new"), ANN)
    with house.db.write() as db:
        new = sealed.get(db, secrets.REALM, "A")
        sealed.reseal(db, new, new.version, old.sealed)
    with pytest.raises(Unreadable):
        stored(house, "A")


def test_every_changed_byte_is_noticed(house):
    place = Place("secret", "A", "value", 1)
    text = seal(house.keys, place, b"abc")
    assert unseal(house.keys, place, text) == b"abc"
    for at, char in enumerate(text):
        other = "A" if char != "A" else "B"
        with pytest.raises(Unreadable):
            unseal(house.keys, place, text[:at] + other + text[at + 1 :])


@pytest.mark.parametrize("change", [{"table": "remote"}, {"row": "B"}, {"field": "token"}, {"version": 2}])
def test_a_value_opens_only_where_it_was_sealed(house, change):
    place = Place("secret", "A", "value", 1)
    with pytest.raises(Unreadable):
        unseal(house.keys, replace(place, **change), seal(house.keys, place, b"abc"))


def test_another_keyring_is_said_at_once(house, tmp_path):
    assert secrets.check(house) is None
    secrets.put(house, "A", Secret(VALUE), ANN)
    assert secrets.check(house) is None
    other = replace(house, keys=open_keys(tmp_path / "other.json", may_create=True))
    assert "a key that the keyring lacks" in secrets.check(other)
    content = json.loads((tmp_path / "other.json").read_text())
    content["sealing"] = dict.fromkeys(house.keys.ids, next(iter(content["sealing"].values())))
    (tmp_path / "other.json").write_text(json.dumps(content))
    same_id = replace(house, keys=open_keys(tmp_path / "other.json", may_create=False))
    assert "cannot be read with this keyring" in secrets.check(same_id)


@pytest.mark.parametrize(
    "content", ["", "{}", '{"vault_id": "x", "audit_key": "AA==", "sealing": {"a": "AA=="}}', "[]"]
)
def test_a_keyring_that_cannot_be_read_ends_the_start(tmp_path, content):
    file = tmp_path / "master.json"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(CannotStart, match="keyring"):
        open_keys(file, may_create=False)


# --- rotation -------------------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize("data", [False, True], ids=["keys", "data keys too"])
def test_a_rotation_that_is_cut_off_anywhere_leaves_every_secret_readable(house, monkeypatch, data):
    """25 points each: after that many changes of the keyring's file or the database, the process is gone."""
    monkeypatch.setattr(secrets, "BATCH", 5)
    values = {f"KEY_{number}": f"{VALUE}-{number}" for number in range(60)}
    for name, value in values.items():
        secrets.put(house, name, Secret(value), ANN)
    reached, cuts = 0, 0
    for point in range(25):
        left = [point]

        def count(real, left=left):
            def counted(*arguments, **more):
                if left[0] == 0:
                    raise PowerCut
                left[0] -= 1
                return real(*arguments, **more)

            return counted

        first_key = house.keys.current
        with monkeypatch.context() as patch:
            patch.setattr("longhouse.vault.write_private", count(open_keys.__globals__["write_private"]))
            patch.setattr(sealed, "reseal", count(sealed.reseal))
            try:
                secrets.rotate(house, ANN, data=data)
            except PowerCut:
                cuts += 1
        house = replace(house, keys=open_keys(house.paths.keyring, may_create=False))
        assert {name: stored(house, name) for name in values} == values
        secrets.rotate(house, ANN, data=data)
        reached += house.keys.current != first_key
        assert len(house.keys.ids) == 1
        assert {name: stored(house, name) for name in values} == values
    assert (cuts, reached) == (25, 25)


def test_a_rotation_leaves_no_row_under_the_old_key_and_tells_nothing(house):
    secrets.put(house, "A", Secret(VALUE), ANN)
    old = house.keys.current
    before = dict(sqlite3.connect(house.paths.database).execute("SELECT name, sealed FROM sealed"))
    assert secrets.rotate(house, ANN) == 1
    after = dict(sqlite3.connect(house.paths.database).execute("SELECT name, sealed FROM sealed"))
    assert before["A"].split(".")[3] == after["A"].split(".")[3]
    assert old not in house.paths.keyring.read_text()
    secrets.rotate(house, ANN, data=True)
    anew = dict(sqlite3.connect(house.paths.database).execute("SELECT name, sealed FROM sealed"))
    assert after["A"].split(".")[3] != anew["A"].split(".")[3]


def test_the_masker_knows_a_new_value_at_once(house):
    assert secrets.masker(house).text(VALUE) == VALUE
    secrets.put(house, "A", Secret(VALUE), ANN)
    assert secrets.masker(house).text(VALUE) == "••••"
    assert secrets.masker(house) is secrets.masker(house)
    secrets.remove(house, "A", ANN)
    assert secrets.masker(house).text(VALUE) == VALUE


def test_a_secret_that_is_called_like_a_row_of_another_realm_is_hidden_too(house):
    secrets.put(house, "account", Secret(VALUE), ANN)
    with house.db.write() as db:
        secrets.store_facts(house, db, "github", "account", {"login": "ann"}, ANN, Secret("token-12345"))
        assert secrets.opened_facts(house, db, "github", "account")[0] == {"login": "ann"}
        assert secrets.opened_facts(house, db, "github", "absent") is None
    assert secrets.masker(house).text(f"{VALUE} token-12345") == "•••• ••••"

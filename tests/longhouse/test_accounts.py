"""Login codes, the password and its limits, sessions, tokens."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from longhouse import accounts, audit, passwords
from longhouse.errors import Invalid, NotFound
from longhouse.house import SYSTEM, By
from longhouse.store import settings
from longhouse.tries import TooManyLogins, Tries

BY = By("owner", "web")
PASSWORD = "correct horse battery"


def code_of(link):
    return link.partition("code=")[2]


@pytest.fixture
def session(house):
    return accounts.redeem(house, code_of(accounts.login_link(house, "http://localhost:4747/", SYSTEM)), "p", "a")


@pytest.fixture
def quick(monkeypatch):
    """argon2 with the least it can do: these tests are about what surrounds it."""
    from argon2 import PasswordHasher

    monkeypatch.setattr(passwords, "hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def stored_text(house):
    return house.paths.database.read_bytes() + house.paths.database.with_name("longhouse.db-wal").read_bytes()


# --- S2 -------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S2")
def test_a_login_link_works_once(house):
    link = accounts.login_link(house, "http://localhost:4747/", SYSTEM)
    assert link.startswith("http://localhost:4747/login?code=")
    session = accounts.redeem(house, code_of(link), "192.0.2.1", "Firefox")
    assert accounts.session_of(house, session.cookie).csrf == session.csrf
    with pytest.raises(accounts.LoginCodeSpent, match="has been used"):
        accounts.redeem(house, code_of(link), "192.0.2.1", "Firefox")


def test_a_login_link_works_for_a_quarter_of_an_hour(house, clock):
    first, second = (accounts.login_link(house, "http://localhost", SYSTEM) for _ in range(2))
    clock.advance(15 * 60 - 1)
    accounts.redeem(house, code_of(first), "p", "a")
    clock.advance(1)
    with pytest.raises(accounts.LoginCodeSpent, match="older than 15 minutes"):
        accounts.redeem(house, code_of(second), "p", "a")


def test_an_unknown_code_is_refused(house):
    with pytest.raises(accounts.LoginRefused):
        accounts.redeem(house, "made-up", "p", "a")


def test_of_many_who_use_one_code_at_once_one_gets_in(house):
    code = code_of(accounts.login_link(house, "http://localhost", SYSTEM))

    def tried(_):
        try:
            return accounts.redeem(house, code, "p", "a")
        except accounts.LoginCodeSpent:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert sum(each is not None for each in pool.map(tried, range(32))) == 1


# --- S7 -------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S7")
def test_a_session_ends_after_twelve_idle_hours(house, clock, session):
    clock.advance(12 * 3600 - 1)
    assert accounts.session_of(house, session.cookie)
    clock.advance(12 * 3600)
    assert accounts.session_of(house, session.cookie) is None


@pytest.mark.rule("S7")
def test_a_session_in_use_ends_after_seven_days(house, clock, session):
    for _ in range(7 * 24 - 1):
        clock.advance(3600)
        assert accounts.session_of(house, session.cookie)
    clock.advance(3600)
    assert accounts.session_of(house, session.cookie) is None


def test_looking_writes_at_most_every_ten_minutes(house, clock, session):
    def writes():
        with house.db.read() as db:
            return db.execute("SELECT seen_at FROM sessions").get

    begun = writes()
    for _ in range(59):
        clock.advance(10)
        accounts.session_of(house, session.cookie)
    assert writes() == begun
    clock.advance(10)
    accounts.session_of(house, session.cookie)
    assert writes() == begun + 600_000


def test_every_login_has_a_cookie_of_its_own(house):
    links = [accounts.login_link(house, "http://localhost", SYSTEM) for _ in range(3)]
    assert len({accounts.redeem(house, code_of(link), "p", "a").cookie for link in links}) == 3


def test_logging_out_ends_one_session_or_all(house):
    links = [accounts.login_link(house, "http://localhost", SYSTEM) for _ in range(3)]
    one, two, three = (accounts.redeem(house, code_of(link), "p", "a") for link in links)
    id = accounts.session_of(house, one.cookie).id
    assert accounts.lives(house, "session", id)
    accounts.logout(house, id, BY)
    assert not accounts.lives(house, "session", id)
    assert accounts.session_of(house, one.cookie) is None and accounts.session_of(house, two.cookie)
    assert accounts.logout_all(house, BY) == 2
    assert accounts.session_of(house, three.cookie) is None


# --- S8, S9, S10 ----------------------------------------------------------------------------------------------------


def test_the_password_opens_a_session_and_a_new_one_ends_all(house, quick):
    assert not accounts.has_password(house)
    accounts.set_password(house, PASSWORD, BY)
    assert accounts.has_password(house)
    session = accounts.login_password(house, PASSWORD, "p", "a")
    accounts.set_password(house, PASSWORD + "!", BY)
    assert accounts.session_of(house, session.cookie) is None
    with pytest.raises(accounts.LoginRefused):
        accounts.login_password(house, PASSWORD, "p", "a")


@pytest.mark.parametrize("password", ["short", "x" * 11, "x" * 1025])
def test_a_password_that_is_too_short_or_long_is_refused(house, password):
    with pytest.raises(Invalid) as refused:
        accounts.set_password(house, password, BY)
    assert refused.value.facts["errors"][0]["pointer"] == "/password"


@pytest.mark.rule("S8")
def test_a_real_hash_is_argon2id_of_the_stated_size(house):
    accounts.set_password(house, PASSWORD, BY)
    with house.db.read() as db:
        stored = settings.get(db, "password")
    assert stored["hash"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.rule("S8")
def test_a_weaker_hash_is_renewed_at_login(house, quick, monkeypatch):
    accounts.set_password(house, PASSWORD, BY)
    with house.db.read() as db:
        weak = settings.get(db, "password")["hash"]
    from argon2 import PasswordHasher

    monkeypatch.setattr(passwords, "hasher", lambda: PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    accounts.login_password(house, PASSWORD, "p", "a")
    with house.db.read() as db:
        assert settings.get(db, "password")["hash"] != weak
    accounts.login_password(house, PASSWORD, "p", "a")


class Counting:
    """A hasher that counts how many ask it, and how many at once."""

    def __init__(self):
        from argon2 import PasswordHasher

        self.inner = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.asked = self.now = self.most = 0
        self.lock = threading.Lock()

    def verify(self, stored, password):
        with self.lock:
            self.asked, self.now = self.asked + 1, self.now + 1
            self.most = max(self.most, self.now)
        try:
            threading.Event().wait(0.01)
            return self.inner.verify(stored, password)
        finally:
            with self.lock:
                self.now -= 1

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.fixture
def counting(house, monkeypatch):
    hasher = Counting()
    monkeypatch.setattr(passwords, "hasher", lambda: hasher)
    accounts.set_password(house, PASSWORD, BY)
    return hasher


def outcomes(house, peers):
    def tried(peer):
        try:
            accounts.login_password(house, "wrong password", peer, "a")
        except (accounts.LoginRefused, TooManyLogins) as error:
            return type(error)

    with ThreadPoolExecutor(50) as pool:
        return list(pool.map(tried, peers))


@pytest.mark.rule("S9")
def test_of_a_thousand_tries_at_once_a_handful_reaches_the_hasher(house, counting):
    found = outcomes(house, [f"192.0.2.{n % 250}" for n in range(1_000)])
    assert counting.asked <= 10 and counting.most <= 2
    assert found.count(TooManyLogins) == 1_000 - counting.asked


def test_control_without_the_limit_they_all_would(house, counting, monkeypatch):
    monkeypatch.setattr(Tries, "take", lambda self, keys, now: None)
    outcomes(house, ["192.0.2.1"] * 60)
    assert counting.asked == 60 and counting.most <= 2


def test_each_wrong_try_waits_twice_as_long_and_a_right_one_starts_anew(house, clock, counting):
    def waits():
        try:
            accounts.login_password(house, "wrong password", "p", "a")
        except TooManyLogins as error:
            return error.facts["retry_after_seconds"]
        except accounts.LoginRefused:
            return 0

    assert [waits() for _ in range(7)] == [0, 0, 0, 0, 0, 0, 3]
    clock.advance(2.1)
    assert [waits(), waits()] == [0, 5]
    clock.advance(4.1)
    accounts.login_password(house, PASSWORD, "p", "a")
    assert [waits() for _ in range(5)] == [0] * 5


@pytest.mark.rule("S9")
def test_the_owner_gets_in_by_a_link_while_the_password_is_locked(house, counting):
    outcomes(house, ["p"] * 20)
    link = accounts.login_link(house, "http://localhost", SYSTEM)
    assert accounts.redeem(house, code_of(link), "p", "a")


@pytest.mark.rule("S10")
def test_no_password_and_a_wrong_one_say_the_same(house, quick):
    with pytest.raises(accounts.LoginRefused) as without:
        accounts.login_password(house, "wrong password", "p", "a")
    accounts.set_password(house, PASSWORD, BY)
    with pytest.raises(accounts.LoginRefused) as wrong:
        accounts.login_password(house, "wrong password", "p", "a")
    assert without.value.message == wrong.value.message and without.value.hint == wrong.value.hint


# --- S11 ------------------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_found_by_its_value(house, clock):
    new = accounts.new_token(house, "ci", ("runs:read", "jobs:read"), BY, expires_at=clock.now() + 1000)
    assert new.value.startswith("lhj_") and len(new.value) == 47 and new.value not in repr(new)
    assert new.token.scopes == ("jobs:read", "runs:read")
    assert accounts.token_of(house, new.value).id == new.token.id
    assert accounts.token_of(house, new.value + "x") is None
    clock.advance(1)
    assert accounts.token_of(house, new.value) is None
    assert not accounts.lives(house, "token", str(new.token.id))


def test_a_revoked_token_is_nothing(house):
    new = accounts.new_token(house, "ci", ("jobs:read",), BY)
    assert accounts.lives(house, "token", str(new.token.id))
    assert accounts.revoke_token(house, new.token.id, BY).revoked_at
    assert accounts.token_of(house, new.value) is None and not accounts.lives(house, "token", str(new.token.id))
    accounts.revoke_token(house, new.token.id, BY)
    with pytest.raises(NotFound):
        accounts.revoke_token(house, 99, BY)


@pytest.mark.parametrize(
    ("name", "scopes", "expires", "pointer"),
    [
        (" ", ("admin",), None, "/name"),
        ("this machine", ("admin",), None, "/name"),
        ("x", (), None, "/scopes"),
        ("x", ("jobs:write", "root"), None, "/scopes"),
        ("x", ("admin",), 1, "/expires_at"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(house, name, scopes, expires, pointer):
    with pytest.raises(Invalid) as refused:
        accounts.new_token(house, name, scopes, BY, expires_at=expires)
    assert [each["pointer"] for each in refused.value.facts["errors"]] == [pointer]


def test_a_start_ends_the_machine_token_of_the_one_before(house):
    first, second = accounts.machine_token(house), accounts.machine_token(house)
    assert accounts.token_of(house, first) is None
    assert set(accounts.token_of(house, second).scopes) == set(accounts.SCOPES)
    assert len(accounts.list_tokens(house)[0]) == 1


def test_nothing_that_lets_in_is_stored_as_it_is(house, quick):
    accounts.set_password(house, PASSWORD, BY)
    code = code_of(accounts.login_link(house, "http://localhost", SYSTEM))
    unused = code_of(accounts.login_link(house, "http://localhost", SYSTEM))
    session = accounts.redeem(house, code, "p", "a")
    token = accounts.new_token(house, "ci", ("admin",), BY).value
    content = stored_text(house)
    for value in (PASSWORD, code, unused, session.cookie, token):
        assert value.encode() not in content
    assert session.csrf.encode() in content  # the control: it is this file that would show them


def test_every_act_is_in_the_audit_trail(house, quick):
    accounts.set_password(house, PASSWORD, BY)
    accounts.login_password(house, PASSWORD, "p", "a")
    accounts.login_link(house, "http://localhost", SYSTEM)
    accounts.revoke_token(house, accounts.new_token(house, "ci", ("admin",), BY).token.id, BY)
    accounts.logout_all(house, BY)
    with house.db.read() as db:
        verbs = [row[0] for row in db.execute("SELECT verb FROM audit ORDER BY seq")]
    assert verbs == [
        "password.set",
        "session.open",
        "login_link.create",
        "token.create",
        "token.revoke",
        "session.close_all",
    ]
    assert audit.verify(house) is None
